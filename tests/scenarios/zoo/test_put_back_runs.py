"""Runs that a backup brought back as they waited, though they were launched since: none is executed twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from cluster_bot.errors import StaleRunError
from cluster_bot.runs.advance import PutBack, Recalled, advance
from cluster_bot.runs.run import Reason, Run, Status

from . import animals
from .cage import Cage, Tame
from .conftest import RULES, Keeper, keep
from .test_zoo import Talk, executed_once


async def put_back(keeper: Keeper) -> Run:
    """A run that the scheduler executes, of which the database has forgotten all but that it was asked for."""
    run = await keeper.submit()
    run = await keeper.until(run, lambda now: bool(keeper.cage.launches))
    while True:
        now = await keeper.store.load(run.id)
        fresh = Run(run.id, run.number, run.spec, run.owner, run.origin, run.created_at, version=now.version)
        try:
            return await keeper.store.save(advance(fresh, PutBack(watched=True), keeper.now, RULES))
        except StaleRunError:
            continue


async def recall(keeper: Keeper, run: Run, recalled: Recalled) -> None:
    """What its feed does when it has looked."""
    for _ in range(3):
        # Its follower looks at it meanwhile, and lets it be.
        keeper.wishes.give(run.id)
        await keeper.store.usage(run.owner.id, keeper.now)
    assert await keeper.store.load(run.id) == run
    await keeper.store.save(advance(run, recalled, keeper.now, RULES))
    keeper.wishes.give(run.id)


async def test_what_its_launcher_knows_is_followed_on(tmp_path: Path, talk: Talk) -> None:
    async with keep(tmp_path, Tame(Cage())) as keeper:
        run = await put_back(keeper)
        await recall(keeper, run, Recalled())
        await keeper.until(run, lambda now: now.handle is not None)
        keeper.launcher.write(run, *talk())
        run = await keeper.status(run, Status.SUCCEEDED)
        assert keeper.cage.launches == {(run.id, 1): 1}


async def test_what_nobody_knows_and_people_saw_is_not_launched_again(tmp_path: Path) -> None:
    async with keep(tmp_path, Tame(Cage())) as keeper:
        run = await put_back(keeper)
        keeper.cage.launches.clear()
        await recall(keeper, run, Recalled(Status.RUNNING))
        await keeper.until(run, lambda now: now.gone_at is not None)
        keeper.now += RULES.outcome_grace_s
        run = await keeper.status(run, Status.LOST)
        assert (run.reason, keeper.cage.launches) == (Reason.RUNNER_VANISHED, {})


@pytest.mark.parametrize("recalled", [Recalled(), Recalled(Status.RUNNING)], ids=["unseen", "seen"])
async def test_where_nobody_can_be_asked_nothing_is_repeated(tmp_path: Path, recalled: Recalled) -> None:
    async with keep(tmp_path, animals.Blind(Cage())) as keeper:
        run = await put_back(keeper)
        if not run.status.final:
            await recall(keeper, run, recalled)
        run = await keeper.status(run, Status.LOST)
        assert run.reason is Reason.DISPATCH_UNKNOWN
        assert executed_once(keeper.cage, run)
        assert keeper.cage.launches == {(run.id, 1): 1}


async def test_a_verdict_that_people_saw_needs_no_launcher(tmp_path: Path) -> None:
    async with keep(tmp_path, Tame(Cage())) as keeper:
        run = await put_back(keeper)
        await recall(keeper, run, Recalled(Status.FAILED, 990.0))
        run = await keeper.status(run, Status.FAILED)
        assert run == replace(run, reason=Reason.RESTORED, finished_at=990.0, doubted=False)
        assert keeper.cage.launches == {(run.id, 1): 1}
