"""Cancels workflow runs: politely, again after a while, and by force where that does not help.

Called by `launcher`. A plain cancel gives the job seconds to say how far it came, and steps with `always()` still run;
a forced one goes past them, and past a runner that does not listen. Older GitHub Enterprise Servers have no force:
there the plain one is repeated, and GitHub gives such a job up after some minutes by itself.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from cluster_bot.launchers.github_actions.api import GithubApi, GithubError, GithubLimitError
from cluster_bot.log import get_logger

log = get_logger(__name__)


@dataclass(slots=True)
class _Wish:
    """When a cancel was first and last sent, by the monotonic clock."""

    first: float
    last: float


class Cancels:
    """What was asked to end. `again_s` is the pause between two requests for one run, `force_s` when to use force."""

    def __init__(
        self, api: GithubApi, *, again_s: float, force_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._again_s = again_s
        self._force_s = force_s
        self._clock = clock
        self._wishes: dict[int, _Wish] = {}
        self._force_known = True

    def keep(self, wanted: Collection[int]) -> None:
        """Forget all but these workflow runs."""
        self._wishes = {one: wish for one, wish in self._wishes.items() if one in wanted}

    async def ask(self, number: int) -> bool:
        """Send a cancel unless one was sent a moment ago; whether one was taken."""
        now = self._clock()
        wish = self._wishes.get(number)
        if wish is not None and now - wish.last < self._again_s:
            return False
        force = wish is not None and now - wish.first >= self._force_s and self._force_known
        path = f"/actions/runs/{number}/{'force-cancel' if force else 'cancel'}"
        # Before it is sent: a second wish meanwhile is the same wish.
        self._wishes[number] = _Wish(now if wish is None else wish.first, now)
        try:
            answer = await self._api.post(path)
        except (GithubError, GithubLimitError) as error:
            log.warning("could not cancel: %s", error, extra={"action": "cancel_failed"})
            self._take_back(number, wish)
            return False
        if force and answer.status == 404:
            self._force_known = False
        if force:
            log.warning("cancelled by force", extra={"action": "force_cancel", "status": answer.status})
        if answer.status not in (202, 404, 409):
            log.warning("cancel was answered %s", answer.status, extra={"action": "cancel_failed"})
            self._take_back(number, wish)
        return True

    def _take_back(self, number: int, wish: _Wish | None) -> None:
        if wish is None:
            self._wishes.pop(number, None)
        else:
            self._wishes[number] = wish
