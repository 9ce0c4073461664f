"""Where runs wait that another run keeps from starting: their place in GitHub's concurrency groups.

Called by `watch`. Our workflow files have no `concurrency`, but an admin may add one, for what several runners or
workflows of the repository share. A look asks twice at most: for the group of one run whose group is not known, and for
the members of one group, which tells the place of all of them. A GitHub that has no such endpoints (Enterprise, for
some time to come) is asked again after an hour. All of it is for people alone, so trouble with it is nobody else's.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from cluster_bot.launchers.github_actions.api import Answer, GithubApi, GithubError, GithubLimitError
from cluster_bot.log import get_logger

log = get_logger(__name__)

AGAIN_S = 10.0
UNKNOWN_AGAIN_S = 3600.0


@dataclass(slots=True)
class _Group:
    asked_at: float = float("-inf")
    etag: str = ""
    places: dict[int, int] = field(default_factory=dict)


class Turns:
    """The places of waiting workflow runs; `words` tells people."""

    def __init__(self, api: GithubApi, clock: Callable[[], float] = time.monotonic, again_s: float = AGAIN_S) -> None:
        self._api = api
        self._clock = clock
        self._again_s = again_s
        self._groups: dict[str, _Group] = {}
        self._group_of: dict[int, str] = {}
        self._asked_at: dict[int, float] = {}
        self._not_before = float("-inf")
        self._answered = False

    def words(self, number: int) -> str:
        """Which place a waiting run has; "its turn" alone where GitHub has not told."""
        name = self._group_of.get(number, "")
        place = self._groups[name].places.get(number) if name in self._groups else None
        return f"waits for its turn in {name!r}, {place} before it" if place else "waits for its turn"

    async def look(self, waiting: Collection[int]) -> None:
        """Ask about the runs that wait for others."""
        self._group_of = {one: name for one, name in self._group_of.items() if one in waiting}
        self._asked_at = {one: at for one, at in self._asked_at.items() if one in waiting}
        named = set(self._group_of.values())
        self._groups = {name: group for name, group in self._groups.items() if name in named}
        try:
            await self._ask(waiting)
        except (GithubError, GithubLimitError) as error:
            log.info("places not known: %s", error, extra={"action": "places_unknown", "launcher": "github"})
        except (AttributeError, TypeError, ValueError) as error:
            # Of another form than GitHub describes.
            log.warning("places not understood: %r", error, extra={"action": "places_unknown", "launcher": "github"})

    async def _ask(self, waiting: Collection[int]) -> None:
        nameless = [one for one in waiting if one not in self._group_of and self._due(self._asked_at.get(one))]
        if nameless and self._clock() >= self._not_before:
            await self._ask_for_its_group(min(nameless, key=lambda one: (self._asked_at.get(one, 0.0), one)))
        due = [name for name, group in self._groups.items() if self._due(group.asked_at)]
        if due:
            await self._ask_for_members(min(due, key=lambda name: self._groups[name].asked_at))

    def _due(self, asked_at: float | None) -> bool:
        return asked_at is None or asked_at + self._api.purse.stretch(self._again_s) <= self._clock()

    async def _ask_for_its_group(self, number: int) -> None:
        self._asked_at[number] = self._clock()
        answer = await self._api.get(f"/actions/runs/{number}/concurrency_groups")
        self._answered |= answer.status == 200
        if answer.status == 404 and not self._answered:
            # Else it is this run that is gone.
            self._not_before = self._clock() + UNKNOWN_AGAIN_S
        for group in _listed(answer, "concurrency_groups"):
            if any(member.get("position") for member in group.get("group_members") or ()):
                name = str(group.get("group_name"))
                self._group_of[number] = name
                self._groups.setdefault(name, _Group())

    async def _ask_for_members(self, name: str) -> None:
        group = self._groups[name]
        group.asked_at = self._clock()
        answer = await self._api.get(f"/actions/concurrency_groups/{quote(name, safe='')}", etag=group.etag or None)
        if answer.status == 304:
            return
        group.etag = answer.headers.get("etag", "")
        group.places = {}
        for place, member in enumerate(_listed(answer, "group_members")):
            group.places.setdefault(int(member.get("run_id") or 0), place)
        for number, of in list(self._group_of.items()):
            if of == name and not group.places.get(number):
                # It has its turn there, and may be waiting in another one by now.
                del self._group_of[number]
                self._asked_at.pop(number, None)
        for number, place in group.places.items():
            if place:
                self._group_of.setdefault(number, name)


def _listed(answer: Answer, name: str) -> list[dict[str, Any]]:
    found = answer.body.get(name) if answer.status == 200 and isinstance(answer.body, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
