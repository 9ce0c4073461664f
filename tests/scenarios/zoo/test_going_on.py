"""A run whose launcher refuses goes on at the next, and is executed once; where it may have run it never does."""

from collections.abc import Callable
from pathlib import Path

from cluster_bot.runs.run import Observation, Reason, Run, Sighting, Status
from cluster_bot.runs.spec import Where
from cluster_runner.wire import Event

from . import animals
from .cage import Cage, Tame
from .conftest import Keeper, keep

Talk = Callable[..., list[Event]]


def second(cage: Cage | None = None) -> Tame:
    """A tame launcher to go on at."""
    launcher = Tame(cage or Cage())
    launcher.name = "second"
    return launcher


async def ended_there(keeper: Keeper, run: Run, there: Tame, talk: Talk) -> Run:
    """The run at its end, executed once, by `there`."""
    run = await keeper.until(run, lambda now: now.handle is not None)
    assert run.launcher == there.name
    there.write(run, *talk())
    run = await keeper.status(run, Status.SUCCEEDED)
    assert there.cage.executions == {(run.id, run.attempt): 1}
    return run


async def test_the_next_one_is_told_at_once(tmp_path: Path, talk: Talk) -> None:
    proud, other = animals.Proud(Cage()), second()
    # Nobody looks by himself: but for the hint, the run would lie there.
    async with keep(tmp_path, proud, other, poll_s=3600) as keeper:
        run = await ended_there(keeper, await keeper.submit("second"), other, talk)
        assert (run.attempt, len(run.declined), run.spec.launcher) == (2, 1, proud.name)
        assert proud.cage.executions == {}
        assert (run.id, 1) in proud.cage.discards
        assert other.cage.discards <= {(run.id, 2)}


async def test_one_that_only_refuses_for_now_is_not_asked_again(tmp_path: Path, talk: Talk) -> None:
    moody, other = animals.Moody(Cage()), second()
    async with keep(tmp_path, moody, other) as keeper:
        run = await ended_there(keeper, await keeper.submit("second"), other, talk)
        assert moody.cage.launches == {}
        assert run.attempt == 2


async def test_what_provably_never_ran_goes_on(tmp_path: Path, talk: Talk) -> None:
    first, other = Tame(Cage()), second()
    async with keep(tmp_path, first, other) as keeper:
        run = await keeper.until(await keeper.submit("second"), lambda now: now.handle is not None)
        assert run.handle is not None
        first.cage.sightings[run.handle] = Observation(Sighting.MISSING, "no machine", never_ran=True)
        run = await keeper.until(run, lambda now: now.launcher == "second")
        run = await ended_there(keeper, run, other, talk)
        assert run.declined == ("no machine",)
        assert (run.id, 1) in first.cage.discards


async def test_the_last_one_refuses_for_good(tmp_path: Path) -> None:
    last = animals.Proud(Cage())
    last.name = "last"
    async with keep(tmp_path, animals.Proud(Cage()), last) as keeper:
        run = await keeper.status(await keeper.submit("last"), Status.FAILED)
        assert (run.reason, run.launcher, len(run.declined)) == (Reason.LAUNCHER_REFUSED, "last", 1)


async def test_the_same_launcher_may_be_named_again(tmp_path: Path, talk: Talk) -> None:
    moody = animals.Moody(Cage())
    async with keep(tmp_path, moody, poll_s=3600) as keeper:
        run = await keeper.submit(moody.name, moody.name, moody.name)
        run = await ended_there(keeper, run, moody, talk)
        assert (run.attempt, len(run.declined)) == (4, 3)


async def test_a_restart_in_between_loses_nothing(tmp_path: Path, talk: Talk) -> None:
    proud, other = animals.Proud(Cage()), second()
    async with keep(tmp_path, proud) as keeper:
        run = await keeper.until(await keeper.submit("second"), lambda now: now.launcher == "second")
        assert run.status is Status.QUEUED
    async with keep(tmp_path, proud, other) as keeper:
        await ended_there(keeper, run, other, talk)


async def test_a_bot_that_died_before_it_asked_asks_and_goes_on(tmp_path: Path, talk: Talk) -> None:
    proud, other = animals.Proud(Cage()), second()
    slow = animals.Slow(Cage())
    async with keep(tmp_path, slow) as keeper:
        run = await keeper.submit("second")
        await slow.asked.wait()
    async with keep(tmp_path, proud, other) as keeper:
        await ended_there(keeper, run, other, talk)
        # What the earlier life may have begun must never begin.
        assert (run.id, 1) in proud.cage.discards


async def test_nobody_knows_so_it_stays(tmp_path: Path) -> None:
    blind, other = animals.Blind(Cage()), second()
    async with keep(tmp_path, blind, other) as keeper:
        run = await keeper.status(await keeper.submit("second"), Status.LOST)
        assert (run.reason, run.launcher, run.declined) == (Reason.DISPATCH_UNKNOWN, blind.name, ())
        assert other.cage.launches == {}


async def test_a_refusal_after_a_lost_answer_is_no_proof(tmp_path: Path, talk: Talk) -> None:
    torn, other = animals.Torn(Cage()), second()
    async with keep(tmp_path, torn, other) as keeper:
        run = await keeper.submit("second")
        await torn.refused.wait()
        await ended_there(keeper, run, torn, talk)
        assert other.cage.launches == {}


async def test_a_refusal_after_a_lost_answer_goes_on_where_the_first_can_be_forbidden(
    tmp_path: Path, talk: Talk
) -> None:
    reticent, other = animals.Reticent(Cage()), second()
    async with keep(tmp_path, reticent, other) as keeper:
        run = await ended_there(keeper, await keeper.submit("second"), other, talk)
        assert (run.id, 1) in reticent.cage.discards
        assert reticent.cage.executions == {}


async def test_how_long_runs_waited_is_remembered(tmp_path: Path, talk: Talk) -> None:
    async with keep(tmp_path, animals.Crowded(Cage())) as keeper:
        for wait_s in (5.0, 30.0, 7.0):
            run = await keeper.until(await keeper.submit(gpu="T4"), lambda now: now.handle is not None)
            keeper.now += wait_s
            keeper.launcher.write(run, *talk())
            await keeper.status(run, Status.SUCCEEDED)
        assert keeper.waits.usual(Where(keeper.launcher.name, "T4")) == 7.0
