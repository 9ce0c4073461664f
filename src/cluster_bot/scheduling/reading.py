"""What front ends may read of runs: one by its number, a member's page by page, choices, a run's log and files.

Called by the commands. It changes nothing and talks to no launcher.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cluster_bot.runs.ports import Store
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Run
from cluster_bot.runs.summary import Summary, Which
from cluster_bot.scheduling.logs import Log, whole_log

# Each log is in memory as a whole until it is sent.
LOGS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a member's runs, counted from 0, of so many; `live` and `total` are the member's runs in all."""

    runs: Sequence[Summary]
    number: int
    pages: int
    live: int
    total: int


@dataclass(frozen=True, slots=True)
class LeftFile:
    """A file the program left; `kept` says whether it was kept, `size` is bytes."""

    name: str
    size: int
    kept: bool


class Reading:
    """Reads the store for people. Raises UserError for whatever a member can mend."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._logs = asyncio.Semaphore(LOGS_AT_ONCE)

    async def run(self, number: int) -> Run:
        """The run people call #number; refuses any other number."""
        run = await self._store.by_number(number)
        if run is None:
            raise refuse(Refusal.UNKNOWN_RUN, number=number)
        return run

    async def place(self, run: Run) -> Mapping[str, Any]:
        """Where the run is shown: its feed's own JSON."""
        return (await self._store.place(run.id)).state

    async def page(self, member_id: str, number: int, size: int) -> Page:
        """A member's runs, live ones first; the last page where there is none of that number."""
        mine = Which(member_id)
        total = await self._store.count(mine)
        pages = max(1, -(-total // size))
        number = min(max(number, 0), pages - 1)
        runs = await self._store.summaries(mine, size, number * size)
        live = await self._store.count(Which(member_id, only_live=True))
        return Page(runs, number, pages, live, total)

    async def choices(self, member_id: str, typed: str, limit: int) -> Sequence[Summary]:
        """A member's runs with what was typed in number or name, live ones first."""
        return await self._store.summaries(Which(member_id, typed=typed), limit)

    async def live(self, member_id: str | None = None, typed: str = "", limit: int = 1000) -> Sequence[Summary]:
        """Unfinished runs, a member's or everybody's, newest first."""
        return await self._store.summaries(Which(member_id, only_live=True, typed=typed), limit)

    async def live_count(self) -> int:
        """How many runs are unfinished."""
        return await self._store.count(Which(only_live=True))

    async def log_size(self, run: Run) -> int:
        """About how many characters of output are kept."""
        return await self._store.log_size(run.id, run.attempt) if run.attempt else 0

    async def files(self, run: Run) -> Sequence[LeftFile]:
        """The files the program left, kept or not."""
        events = await self._store.events(run.id, run.attempt, 0, kinds=("artifact",)) if run.attempt else []
        return [
            LeftFile(str(one.body["name"]), int(one.body["size"]), one.body.get("stored") is not None) for one in events
        ]

    @asynccontextmanager
    async def log(self, run: Run, most_bytes: int) -> AsyncIterator[Log]:
        """The run's log so far, as long as the block lasts; whoever comes when too many are in memory waits."""
        async with self._logs:
            yield await whole_log(self._store, run.id, run.attempt, most_bytes=most_bytes) if run.attempt else Log(b"")
