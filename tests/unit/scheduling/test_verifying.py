"""Verification without a Discord: what is verified, the schedule, who waits too long, and what admins are told once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster_bot.errors import UserError
from cluster_bot.hints import LocalHints
from cluster_bot.runs.orders import EVERYWHERE
from cluster_bot.runs.ports import GpuOffer, Place, Submission
from cluster_bot.runs.run import Member, Origin, Reason, Run, Status
from cluster_bot.runs.spec import RunSpec, Where
from cluster_bot.scheduling import verifying
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.scheduling.verifying import Asked, State, Table, Verifier, owner_of, word_of
from cluster_bot.store import SqlStore
from offering import Offering

NOWHERE = Origin("", {"interaction": "0", "token": "", "guild": None, "channel": "0", "threads": False})
HOUR_S = 3600.0


class World:
    """A store, launchers that accept everything, a clock, and one life of a verifier after the other."""

    def __init__(self, store: SqlStore, *launchers: Offering) -> None:
        self.store = store
        self.now = time.time()
        self.launchers = list(launchers)
        self.restart()

    def restart(self) -> None:
        """A new life, which knows what the store does."""
        hints = LocalHints()
        self.desk = Desk(self.store.book, values={"verify_every_h": 0}, clock=self.clock)
        scheduler = Scheduler(self.store, self.launchers, wishes=hints, news=hints, desk=self.desk, clock=self.clock)
        self.verifier = Verifier(scheduler, self.store, say=said, clock=self.clock)

    def clock(self) -> float:
        """Now."""
        return self.now

    async def every(self, hours: float) -> None:
        """An operator's order."""
        await self.desk.change(
            EVERYWHERE, Member("1", "carol"), "", lambda one: one.with_value("verify_every_h", hours)
        )

    async def end(self, run: Run, status: Status = Status.SUCCEEDED, *, silent: bool = False) -> None:
        """It ran, its feed told what it printed, and somebody looked whether that was the last."""
        reason = Reason.COMPLETED if status is Status.SUCCEEDED else Reason.EXIT_CODE
        done = replace(run, status=status, reason=reason, started_at=self.now, finished_at=self.now)
        await self.store.save(done)
        state = {"first_s": 0.5, "said": not silent, "ended": True}
        await self.store.save_place(run.id, Place(state, closed=True))
        await self.verifier.conclude(str(run.origin.data["verification"]))

    async def end_all(self, *failing: str) -> None:
        """All of them, those at these launchers in failure."""
        for run in await self.store.unfinished():
            await self.end(run, Status.FAILED if run.launcher in failing else Status.SUCCEEDED)

    async def told(self) -> list[str]:
        """What the admins were told, in order, orders apart."""
        return [one.text for one in reversed(await self.desk.journal(EVERYWHERE, 100)) if one.text]


def said(table: Table, fails: bool) -> str:
    return f"failing: {', '.join(row.name for row in table.failing)}" if fails else "all well"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    yield store
    await store.close()


@pytest.fixture
def world(store: SqlStore) -> World:
    github = Offering("github", GpuOffer("NVIDIA"), GpuOffer("AMD"))
    return World(store, github, Offering("modal", GpuOffer("T4"), GpuOffer("H100")), Offering("local", GpuOffer(None)))


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (Asked(), ["github NVIDIA", "modal T4", "local"]),
        (Asked(all_gpus=True), ["github NVIDIA", "github AMD", "modal T4", "modal H100", "local"]),
        (Asked(launcher="modal"), ["modal T4"]),
        (Asked(gpu="h100"), ["modal H100"]),
        (Asked(launcher="github", all_gpus=True), ["github NVIDIA", "github AMD"]),
    ],
)
async def test_what_is_verified(world: World, asked: Asked, meant: list[str]) -> None:
    targets, left_out = await world.verifier.targets(asked)
    assert ([f"{one.launcher} {one.gpu or ''}".strip() for one in targets], left_out) == (meant, 0)


async def test_more_than_a_table_holds_are_left_out_and_counted(store: SqlStore) -> None:
    world = World(store, Offering("modal", *(GpuOffer(f"G{n}") for n in range(verifying.MOST + 3))))
    table = await world.verifier.begin("one", Asked(all_gpus=True), NOWHERE)
    assert (len(table.rows), table.left_out) == (verifying.MOST, 3)
    assert len(await store.unfinished()) == verifying.MOST


async def test_a_gpu_nobody_has_names_those_there_are(world: World) -> None:
    with pytest.raises(UserError, match=r"choose one of `NVIDIA` \(github\), `AMD` \(github\)\."):
        await world.verifier.begin("one", Asked(launcher="github", gpu="H100"), NOWHERE)


async def test_a_run_works_only_if_it_said_its_word(world: World) -> None:
    await world.verifier.begin("one", Asked(launcher="github", all_gpus=True), NOWHERE)
    first, second = await world.store.unfinished()
    assert word_of(first) != word_of(second)
    await world.end(first)
    await world.end(second, silent=True)
    table = await world.verifier.look("one")
    assert [(row.state, row.silent) for row in table.rows] == [(State.WORKS, False), (State.FAILS, True)]


async def test_who_waits_too_long_still_waits_and_is_ended_by_any_life(world: World) -> None:
    await world.verifier.begin("one", Asked(), NOWHERE)
    github, modal, local = await world.store.unfinished()
    await world.end(local)
    begun = replace(modal, status=Status.RUNNING, started_at=world.now)
    await world.store.save(begun)
    world.now += verifying.WAIT_S + 1
    world.restart()
    await world.verifier.tick()
    table = await world.verifier.look("one")
    assert [row.state for row in table.rows] == [State.STILL_WAITS, State.RUNS, State.WORKS]
    assert (await world.store.load(github.id)).status is Status.CANCELLED
    assert not table.over
    assert [row.name for row in table.failing] == ["github NVIDIA"]


async def test_a_machine_that_is_busy_with_members_runs_is_not_broken(world: World) -> None:
    spec = RunSpec({"a.py": "print()"}, "a.py", "github", 60, gpu="NVIDIA")
    scheduled = await world.verifier._scheduler.submit(Submission(spec, Member("1", "ada"), Origin("key", {})))
    await world.store.save(replace(scheduled, status=Status.RUNNING, started_at=world.now))
    await world.verifier.begin("one", Asked(launcher="github"), NOWHERE)
    world.now += verifying.WAIT_S + 1
    await world.verifier.tick()
    [row] = (await world.verifier.look("one")).rows
    assert (row.state, row.busy, row.fails) == (State.STILL_WAITS, True, False)


# --- the schedule -----------------------------------------------------------------------------------------------


async def test_an_order_switches_the_schedule_on_and_off_at_once_and_lives_on(world: World) -> None:
    await world.verifier.tick()
    assert await world.store.unfinished() == []
    await world.every(2.0)
    await world.verifier.tick()
    assert len(await world.store.unfinished()) == 3
    await world.end_all()
    world.now += 2 * HOUR_S - 1
    world.restart()
    await world.desk.open()
    await world.verifier.tick()
    assert await world.store.unfinished() == [], "it is not time yet, and a restart is no reason"
    world.now += 1
    await world.verifier.tick()
    assert len(await world.store.unfinished()) == 3
    await world.end_all()
    await world.every(0.0)
    world.now += 100 * HOUR_S
    await world.verifier.tick()
    assert await world.store.unfinished() == []
    assert await world.told() == []


async def test_admins_are_told_once_when_one_fails_and_once_when_all_is_well(world: World) -> None:
    await world.every(1.0)
    for failing, told in (
        ((), []),
        (("modal",), ["failing: modal T4"]),
        (("modal",), []),
        (("modal", "github"), ["failing: github NVIDIA, modal T4"]),
        ((), ["all well"]),
        ((), []),
    ):
        before = await world.told()
        world.now += HOUR_S
        await world.verifier.tick()
        await world.end_all(*failing)
        # Whoever looks again, in whatever life, says nothing again.
        world.restart()
        await world.desk.open()
        await world.verifier.tick()
        assert (await world.told())[len(before) :] == told


async def test_a_bot_that_died_while_it_gave_the_runs_gives_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.every(1.0)
    submit, given = Scheduler.submit, 0

    async def dies(self: Scheduler, submission: Submission, *, trial: bool = False) -> Run:
        nonlocal given
        given += 1
        if given == 2:
            raise KeyboardInterrupt
        return await submit(self, submission, trial=trial)

    monkeypatch.setattr(Scheduler, "submit", dies)
    with pytest.raises(KeyboardInterrupt):
        await world.verifier.tick()
    monkeypatch.undo()
    assert len(await world.store.unfinished()) == 1
    world.restart()
    await world.desk.open()
    world.now += 5
    await world.verifier.tick()
    runs = await world.store.unfinished()
    assert [run.where for run in runs] == [Where("github", "NVIDIA"), Where("modal", "T4"), Where("local")]
    assert len({run.owner for run in runs}) == 1


async def test_nothing_to_ask_at_all_is_told_too(store: SqlStore) -> None:
    world = World(store, Offering("modal"))
    await world.every(1.0)
    await world.verifier.tick()
    assert await world.told() == ["failing: modal"]
    await world.verifier.tick()
    assert len(await world.told()) == 1


async def test_runs_count_against_nobody(world: World) -> None:
    await world.verifier.begin("one", Asked(), NOWHERE)
    assert (await world.store.usage("1", world.now)).live == 0
    assert len(await world.store.of_member(owner_of("one").id, 10)) == 3
