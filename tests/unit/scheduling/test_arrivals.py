"""A machine that was asked for: seen or not, come and gone, too late; whatever the scheduler says for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster_bot.errors import UserError
from cluster_bot.hints import LocalHints
from cluster_bot.runs.machines import Box, Expected, Invitation, Listed, Wanted
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Run
from cluster_bot.scheduling.arrivals import Arrivals
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.store import SqlStore
from offering import Offering

ONE = Expected("a" * 32, "box", "H100", "modal", Member("1", "ada"), "", until=100.0, test=False)
BOX = Box("box", ("nvidia", "H100"), online=False, busy=False, whose="gpu-club")


class Shed:
    """Machines as they are told to be; each look takes the next, the last one stays. None: not to be asked just now."""

    def __init__(self, *seen: Box | str | None) -> None:
        self.seen = list(seen)
        self.removed: list[str] = []

    async def listed(self) -> Listed:
        return Listed(())

    async def sight(self, name: str) -> Box | None:
        seen = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        if isinstance(seen, str):
            raise refuse(Refusal.GITHUB_AWAY, why=seen)
        return seen

    async def invite(self, wanted: Wanted) -> Invitation:
        return Invitation("", (), "", "", 0.0)

    async def remove(self, name: str) -> Box:
        self.removed.append(name)
        if self.seen[0] is None:
            raise refuse(Refusal.NO_SUCH_MACHINE)
        return BOX


class Told:
    """What was told, as it came."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[str] = asyncio.Queue()

    async def online(self, one: Expected, box: Box) -> None:
        self.told.put_nowait("online")

    async def gone(self, one: Expected) -> None:
        self.told.put_nowait("gone")

    async def tested(self, one: Expected, run: Run, output: str) -> None:
        self.told.put_nowait("tested")

    async def not_tested(self, one: Expected, why: str) -> None:
        self.told.put_nowait(why)

    async def given_up(self, one: Expected) -> None:
        self.told.put_nowait("given up")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    yield store
    await store.close()


async def first_told(
    store: SqlStore, shed: Shed, one: Expected, *, now: float = 0.0, said: int = 1, launcher: str = "modal"
) -> list[str]:
    """The first things that are told of a machine that was expected before the start."""
    hints = LocalHints()
    # The try is the bot's own: limits and pauses are not asked about it.
    desk = Desk(store.book, usual=Limits(gpus=(), live_per_member=0))
    scheduler = Scheduler(store, [Offering("modal", GpuOffer("H100"))], wishes=hints, news=hints, desk=desk)
    arrivals = Arrivals(scheduler, launcher, shed, store.expected, soon_s=0.01, clock=lambda: now)
    await arrivals.expect(one)
    teller = Told()
    work = asyncio.create_task(arrivals.run(teller), name="arrivals")
    try:
        async with asyncio.timeout(30):
            return [await teller.told.get() for _ in range(said)]
    finally:
        work.cancel()
        await asyncio.wait([work])


async def test_it_is_looked_for_until_it_is_connected(store: SqlStore) -> None:
    # `until` is so far away that the looks are close together.
    one = replace(ONE, until=3600.0)
    shed = Shed(None, "GitHub can't be reached", BOX, replace(BOX, online=True))
    assert await first_told(store, shed, one) == ["online"]


async def test_one_that_cannot_be_tried_is_there_all_the_same(store: SqlStore) -> None:
    told = await first_told(store, Shed(replace(BOX, online=True)), replace(ONE, test=True), said=2, launcher="github")
    assert told == [
        "online",
        "`/run github` is not switched on here; ask an admin, or choose another launcher.",
    ]


async def test_one_for_a_single_run_may_come_and_go_between_two_looks(store: SqlStore) -> None:
    one = replace(ONE, once=True, until=3600.0)
    assert await first_told(store, Shed(None, BOX, "GitHub can't be reached", None), one) == ["gone"]
    # After a restart too, it is known to have been there.
    assert await first_told(store, Shed(None), replace(one, id="b" * 32, listed=True)) == ["gone"]


@pytest.mark.parametrize("once", [False, True])
async def test_one_that_does_not_come_in_time_is_given_up(store: SqlStore, once: bool) -> None:
    shed = Shed(BOX)
    assert await first_told(store, shed, replace(ONE, once=once), now=101.0) == ["given up"]
    assert shed.removed == (["box"] if once else [])


async def test_the_last_one_of_a_name_counts_and_can_be_let_go(store: SqlStore) -> None:
    hints = LocalHints()
    scheduler = Scheduler(store, [], wishes=hints, news=hints, desk=Desk(store.book))
    arrivals = Arrivals(scheduler, "modal", Shed(None), store.expected)
    second = replace(ONE, id="b" * 32, name="BOX")
    await arrivals.expect(ONE)
    await arrivals.expect(second)
    assert await store.expected.all() == [second]
    assert await arrivals.remove(" box ") is None
    assert await store.expected.all() == []
    with pytest.raises(UserError, match="There is no runner of that name"):
        await arrivals.remove("box")
