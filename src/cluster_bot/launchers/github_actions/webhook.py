"""What GitHub's webhook tells, and how far it may be relied on.

Called by `watch`. Every delivery is a hint: it moves what is known of a run forward, never back, and rings whoever
waits. While deliveries come, looks at GitHub may be rare. A look that finds what no delivery told within some seconds
has found a miss: then looks are as frequent as without a webhook, for a while at least. What was missed is asked for
again, where the token may.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from cluster_bot.launchers.github_actions.api import GithubApi, GithubError, GithubLimitError
from cluster_bot.log import get_logger

log = get_logger(__name__)

# A run's title is its id and attempt; runs of other titles are nobody's here.
TITLE = re.compile(r"([0-9a-f]{32})-[1-9][0-9]*")
# How much later than a look a delivery may come and still count as sent in time.
LATE_S = 10.0
# After a miss, for how long deliveries are not relied on whatever comes.
SHY_S = 60.0
# After a job's end, within what time the end of its run should have been told.
RUN_ENDS_WITHIN_S = 5.0
# Of one asking: how many deliveries are sent again at most.
MOST_AGAIN = 10
_TOLD = ("in_progress", "completed")


def run_named(title: str) -> str | None:
    """The id of the run whose workflow run has this title; None where it is none of ours."""
    match = TITLE.fullmatch(title)
    return match[1] if match else None


class Reliance:
    """Whether deliveries come: `on` from the first one, off after a miss."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owed: dict[tuple[int, str], float] = {}
        self._shy_until = float("-inf")
        self.on = False

    def delivered(self, number: int = 0, status: str = "") -> None:
        """A delivery came; of which workflow run and status, where it tells one."""
        self._owed.pop((number, status), None)
        if not self.on and self._clock() >= self._shy_until:
            self.on = True

    def found(self, number: int, status: str) -> None:
        """A look found this, of which no delivery had told until then."""
        if self.on and status in _TOLD:
            self._owed.setdefault((number, status), self._clock() + LATE_S)

    def missed(self) -> bool:
        """Whether a delivery that was owed did not come; asked before each look. Says so once."""
        now = self._clock()
        if not any(due <= now for due in self._owed.values()):
            return False
        self._owed.clear()
        self._shy_until = now + SHY_S
        self.on = False
        log.warning("GitHub's webhook missed something", extra={"action": "webhook_missed"})
        return True


class Redelivery:
    """Asks GitHub to send again what it could not deliver. `address` is where this bot's webhook is."""

    def __init__(self, api: GithubApi, address: str) -> None:
        self._api = api
        self._address = address
        self._hook: int | None = None
        self._asked: set[str] = set()

    async def ask(self) -> None:
        """One round; a token that may not see webhooks asks for nothing, and trouble ends the round."""
        try:
            again = await self._failed()
            for guid, delivery in again[:MOST_AGAIN]:
                # Once each: what fails again is known from looking.
                self._asked.add(guid)
                await self._api.post(f"/hooks/{self._hook}/deliveries/{delivery}/attempts")
        except (GithubError, GithubLimitError) as error:
            log.info("no redelivery: %s", error, extra={"action": "redelivery_failed"})
            return
        if again:
            log.info("redelivery", extra={"action": "redelivery", "deliveries": len(again[:MOST_AGAIN])})

    async def _failed(self) -> list[tuple[str, int]]:
        """GUID and id of the deliveries of the newest hundred that never arrived, oldest first."""
        if self._hook is None:
            self._hook = await self._find()
        if self._hook is None:
            return []
        answer = await self._api.get(f"/hooks/{self._hook}/deliveries", {"per_page": "100"})
        if answer.status != 200 or not isinstance(answer.body, list):
            self._hook = None
            return []
        arrived = {str(one.get("guid")) for one in answer.body if 200 <= int(one.get("status_code") or 0) < 300}
        failed = {
            str(one["guid"]): int(one["id"])
            for one in answer.body
            if one.get("event") == "workflow_run" and str(one.get("guid")) not in arrived | self._asked
        }
        return list(failed.items())[::-1]

    async def _find(self) -> int | None:
        answer = await self._api.get("/hooks", {"per_page": "100"})
        if answer.status != 200 or not isinstance(answer.body, list):
            return None
        return next((int(one["id"]) for one in answer.body if _address_of(one) == self._address), None)


def _address_of(hook: Mapping[str, Any]) -> str:
    return str((hook.get("config") or {}).get("url") or "").rstrip("/")
