"""One look at all workflow runs of the repository: a list request a tick, however many runs there are.

Called by `launcher`. The request is conditional, so that a look at which nothing has changed costs nothing of GitHub's
hourly budget. Limits: the newest thousand runs; what is not among the hundred newest is looked for on the pages after
them, and at last by its id, two a look.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster_bot.launchers.github_actions.api import Answer, GithubApi, GithubError

_RANK = {"in_progress": 1, "completed": 2}
PAGE = 100
MOST_PAGES = 10
SINGLES_A_LOOK = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """A workflow run as last seen; times as GitHub writes them, `workflow` its file's name."""

    id: int
    title: str
    status: str
    conclusion: str | None
    url: str
    created_at: str
    workflow: str
    updated_at: str = field(default="", compare=False)

    @property
    def over(self) -> bool:
        """Whether it is completed."""
        return self.status == "completed"

    @property
    def waits(self) -> bool:
        """Whether it has no runner yet."""
        return not self.over and self.status != "in_progress"

    @property
    def waits_its_turn(self) -> bool:
        """Whether another run of its concurrency group keeps it from asking for a runner."""
        return self.status == "pending"

    def follows(self, known: "Seen | None") -> bool:
        """Whether this may take the place of what is known: what is over stays over, and what is older is no news.

        Lists and deliveries overtake each other; GitHub's times are whole seconds.
        """
        if known is None:
            return True
        if self.updated_at != known.updated_at and self.updated_at and known.updated_at:
            return self.updated_at > known.updated_at and not (known.over and not self.over)
        return _RANK.get(self.status, 0) >= _RANK.get(known.status, 0)


@dataclass(slots=True)
class _Page:
    etag: str
    ids: list[int]


class Listing:
    """What is known of workflow runs. `look` asks GitHub; the rest reads what it said.

    `found` is told of each run that a look, and not `hear`, saw in a new state.
    """

    def __init__(
        self,
        api: GithubApi,
        found: Callable[[Seen], None] = lambda seen: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._found = found
        self._clock = clock
        self._pages: dict[int, _Page] = {}
        self._seen: dict[int, Seen] = {}
        self._missing_since: dict[int, float] = {}
        self._singles: dict[int, str] = {}
        self._asked_singly: dict[int, float] = {}
        self._lock = asyncio.Lock()
        self.changed_at = 0.0
        self.looked_at = 0.0
        """When the last look that was answered began, by the monotonic clock; 0 where there was none."""

    def get(self, run_id: int) -> Seen | None:
        """A run as last seen."""
        return self._seen.get(run_id)

    def missing_for(self, run_id: int) -> float:
        """For how many seconds GitHub has been saying that it has no such run; 0 where it has not."""
        since = self._missing_since.get(run_id)
        return 0.0 if since is None else self._clock() - since

    def titled(self, title: str) -> list[Seen]:
        """The runs of that title, oldest first."""
        return sorted((one for one in self._seen.values() if one.title == title), key=lambda one: one.id)

    def waiting(self, workflow: str, before: int | None = None) -> int:
        """How many runs of a workflow file have no runner yet; with `before`, those older ones that may have one."""
        waiting = (one for one in self._seen.values() if one.waits and one.workflow == workflow)
        return sum(before is None or (one.id < before and not one.waits_its_turn) for one in waiting)

    async def look(self, wanted: Collection[int], not_before: float = 0.0) -> None:
        """Ask GitHub, unless a look that began at `not_before` or later has been answered while this one waited.

        `wanted` are the runs that must be found. Raises GithubError or GithubLimitError.
        """
        async with self._lock:
            if not_before and self.looked_at >= not_before:
                return
            began = self._clock()
            missing = {one for one in wanted if not self._is_over(one)}
            listed: set[int] = set()
            for number in range(1, MOST_PAGES + 1):
                page = await self._page(number)
                listed.update(page)
                missing -= listed
                if len(page) < PAGE or not any(one < min(page) for one in missing):
                    break
            # As it is now: what was heard during the look stays.
            self._seen = {number: one for number, one in self._seen.items() if number in listed or number in wanted}
            for one in sorted(missing, key=lambda one: self._asked_singly.get(one, 0.0))[:SINGLES_A_LOOK]:
                await self._single(one)
            self._asked_singly = {one: at for one, at in self._asked_singly.items() if one in wanted}
            self._singles = {one: etag for one, etag in self._singles.items() if one in wanted}
            self._missing_since = {one: at for one, at in self._missing_since.items() if one in wanted}
            self.looked_at = began

    async def _page(self, number: int) -> list[int]:
        known = self._pages.get(number)
        parameters = {"event": "workflow_dispatch", "per_page": str(PAGE)}
        if number > 1:
            parameters["page"] = str(number)
        answer = await self._api.get("/actions/runs", parameters, etag=known.etag if known else None)
        if answer.status == 304 and known is not None and all(one in self._seen for one in known.ids):
            return known.ids
        if answer.status == 304:
            # We have forgotten what it was: ask for it whole.
            answer = await self._api.get("/actions/runs", parameters)
        runs = _runs(answer)
        self._take(runs)
        ids = [one.id for one in runs]
        self._pages[number] = _Page(answer.headers.get("etag", ""), ids)
        if not self._pages[number].etag:
            del self._pages[number]
        return ids

    async def _single(self, run_id: int) -> None:
        self._asked_singly[run_id] = self._clock()
        answer = await self._api.get(f"/actions/runs/{run_id}", etag=self._singles.get(run_id))
        if answer.status == 404:
            self._missing_since.setdefault(run_id, self._clock())
        elif answer.status == 200 and isinstance(answer.body, dict):
            self._singles[run_id] = answer.headers.get("etag", "")
            self._take([seen_in(answer.body)])

    def hear(self, one: Seen) -> bool:
        """Take what GitHub told by itself; whether it is news."""
        known = self._seen.get(one.id)
        if not one.follows(known):
            return False
        self._seen[one.id] = one
        self._missing_since.pop(one.id, None)
        return one != known

    def _take(self, runs: Iterable[Seen]) -> None:
        for one in runs:
            known = self._seen.get(one.id)
            self._missing_since.pop(one.id, None)
            if not one.follows(known):
                continue
            self._seen[one.id] = one
            if known != one:
                self.changed_at = self._clock()
            if known is None or known.status != one.status:
                self._found(one)

    def _is_over(self, run_id: int) -> bool:
        seen = self._seen.get(run_id)
        return seen is not None and seen.over


def _runs(answer: Answer) -> list[Seen]:
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise GithubError(f"GitHub answered {answer.status} to the list of runs ({answer.message[:200]})", sent=True)
    return [seen_in(one) for one in answer.body.get("workflow_runs", ())]


def seen_in(run: Mapping[str, Any]) -> Seen:
    """A workflow run as GitHub's API and its webhook write it."""
    return Seen(
        id=int(run["id"]),
        title=str(run.get("display_title") or ""),
        status=str(run.get("status") or ""),
        conclusion=run.get("conclusion"),
        url=str(run.get("html_url") or ""),
        created_at=str(run.get("created_at") or ""),
        # GitHub adds the ref behind an @ in some answers.
        updated_at=str(run.get("updated_at") or ""),
        workflow=str(run.get("path") or "").partition("@")[0].rpartition("/")[2],
    )
