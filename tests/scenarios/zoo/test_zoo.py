"""What the follower makes of launchers that break their promises: never a second execution, never a false end."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster_bot.runs.ports import Place
from cluster_bot.runs.run import Observation, Reason, Run, Sighting, Status
from cluster_runner.wire import Event

from . import animals
from .cage import Cage, Tame
from .conftest import ADA, RULES, keep

Talk = Callable[..., list[Event]]


def executed_once(cage: Cage, run: Run) -> bool:
    return cage.executions == {(run.id, run.attempt): 1}


async def test_a_tame_one_succeeds(tmp_path: Path, talk: Talk) -> None:
    async with keep(tmp_path, Tame(Cage())) as keeper:
        run = await keeper.submit()
        run = await keeper.status(run, Status.RUNNING)
        keeper.launcher.write(run, *talk())
        run = await keeper.status(run, Status.SUCCEEDED)
        assert (run.attempt, run.machine and run.machine.name) == (1, "box")
        assert executed_once(keeper.cage, run)


async def test_one_that_tells_is_looked_at_at_once(tmp_path: Path) -> None:
    telling = animals.Telling(Cage())
    async with keep(tmp_path, telling, poll_s=3600) as keeper:
        run = await keeper.until(await keeper.submit(), lambda now: now.handle is not None)
        assert run.handle is not None
        keeper.cage.sightings[run.handle] = Observation(Sighting.RUNNING, "told")
        telling.changed()
        await keeper.until(run, lambda now: now.detail == "told")


async def test_a_slow_start_can_be_cancelled_and_is_stopped_when_it_comes(tmp_path: Path) -> None:
    slow = animals.Slow(Cage())
    async with keep(tmp_path, slow) as keeper:
        run = await keeper.submit()
        await slow.asked.wait()
        run = await keeper.scheduler.cancel(run.number, ADA)
        assert run.status is Status.STOPPING
        slow.let.set()
        run = await keeper.until(run, lambda now: now.handle is not None)
        assert run.handle is not None
        keeper.cage.sightings[run.handle] = Observation(Sighting.FINISHED)
        await keeper.until(run, lambda now: now.gone_at is not None)
        keeper.now += RULES.outcome_grace_s
        run = await keeper.status(run, Status.CANCELLED)
        assert run.reason is Reason.CANCELLED_BY_USER
        assert keeper.cage.stops[run.handle] >= 1


async def test_what_comes_to_life_while_it_is_cancelled_is_stopped(tmp_path: Path) -> None:
    async with keep(tmp_path, animals.Late(Cage())) as keeper:
        run = await keeper.status(await keeper.submit(), Status.STARTING)
        await keeper.scheduler.cancel(run.number, ADA)
        handle = await asyncio.wait_for(keeper.cage.stop_wishes.get(), 20)
        run = await keeper.store.load(run.id)
        assert (run.status, run.handle) == (Status.STOPPING, handle)
        keeper.launcher.write(run, Event(1, 0.0, "outcome", {"result": "stopped", "duration_s": 0.1}))
        run = await keeper.status(run, Status.CANCELLED)
        assert run.reason is Reason.CANCELLED_BY_USER


async def test_a_spool_that_cannot_go_yet_is_asked_about_again(tmp_path: Path, talk: Talk) -> None:
    clinging = animals.Clinging(Cage())
    async with keep(tmp_path, clinging) as keeper:
        run = await keeper.status(await keeper.submit(), Status.RUNNING)
        keeper.launcher.write(run, *talk())
        await keeper.status(run, Status.SUCCEEDED)
        # Before people have been told, it stays in any case.
        assert not clinging.gone.is_set()
        await keeper.store.save_place(run.id, Place(closed=True))
        await asyncio.wait_for(clinging.gone.wait(), 20)


@pytest.mark.parametrize("kind", [animals.Never, animals.Forgetful, animals.Busy])
async def test_a_lost_answer_leads_to_one_execution(tmp_path: Path, talk: Talk, kind: type[Tame]) -> None:
    async with keep(tmp_path, kind(Cage())) as keeper:
        run = await keeper.submit()
        run = await keeper.until(run, lambda now: now.handle is not None)
        keeper.launcher.write(run, *talk())
        run = await keeper.status(run, Status.SUCCEEDED)
        assert executed_once(keeper.cage, run)


async def test_where_nobody_can_know_it_is_never_repeated(tmp_path: Path) -> None:
    async with keep(tmp_path, animals.Blind(Cage())) as keeper:
        run = await keeper.submit()
        run = await keeper.status(run, Status.LOST)
        assert run.reason is Reason.DISPATCH_UNKNOWN
        assert sum(keeper.cage.launches.values()) == 1


async def test_a_moody_one_is_asked_again_until_it_starts(tmp_path: Path, talk: Talk) -> None:
    moody = animals.Moody(Cage())
    async with keep(tmp_path, moody) as keeper:
        run = await keeper.submit()
        for refusal in range(1, 4):
            run = await keeper.until(run, lambda now, n=refusal: now.attempt == n and now.retry_at is not None)
            assert run.status is Status.QUEUED
            keeper.now += RULES.retry_pause_s
        run = await keeper.status(run, Status.RUNNING)
        keeper.launcher.write(run, *talk())
        run = await keeper.status(run, Status.SUCCEEDED)
        assert executed_once(keeper.cage, run)


async def test_waiting_for_a_moody_one_has_an_end(tmp_path: Path) -> None:
    async with keep(tmp_path, animals.Moody(Cage())) as keeper:
        run = await keeper.submit()
        await keeper.until(run, lambda now: now.retry_at is not None)
        keeper.now += RULES.queue_limit_s + 1
        run = await keeper.status(run, Status.TIMED_OUT)
        assert run.reason is Reason.QUEUE_LIMIT
        assert keeper.cage.launches == {}


async def test_a_refusal_for_good_is_told_in_the_launchers_words(tmp_path: Path) -> None:
    async with keep(tmp_path, animals.Proud(Cage())) as keeper:
        run = await keeper.status(await keeper.submit(), Status.FAILED)
        assert (run.reason, run.detail) == (Reason.LAUNCHER_REFUSED, "no GPU of that name")


@pytest.mark.parametrize("kind", [animals.Mute, animals.Hanging, animals.Curt, animals.Liar])
async def test_a_look_that_says_nothing_true_ends_no_run(tmp_path: Path, talk: Talk, kind: type[Tame]) -> None:
    async with keep(tmp_path, kind(Cage())) as keeper:
        run = await keeper.submit()
        run = await keeper.until(run, lambda now: now.handle is not None)
        keeper.launcher.write(run, *talk(exit_code=None))
        run = await keeper.status(run, Status.RUNNING)
        keeper.now += RULES.outcome_grace_s / 2
        keeper.launcher.write(run, *talk(exit_code=7)[5:])
        run = await keeper.status(run, Status.FAILED)
        assert run.outcome is not None and run.outcome.exit_code == 7


async def test_gone_without_a_word_is_lost_after_the_grace_and_a_late_word_is_noted(tmp_path: Path, talk: Talk) -> None:
    async with keep(tmp_path, Tame(Cage())) as keeper:
        run = await keeper.submit()
        run = await keeper.status(run, Status.RUNNING)
        assert run.handle is not None
        keeper.cage.sightings[run.handle] = Observation(Sighting.FINISHED)
        run = await keeper.until(run, lambda now: now.gone_at is not None)
        assert run.status is Status.RUNNING
        keeper.now += RULES.outcome_grace_s
        run = await keeper.status(run, Status.LOST)
        assert run.reason is Reason.RUNNER_VANISHED
        await keeper.store.append(run.id, run.attempt, talk())
        keeper.wishes.give(run.id)
        run = await keeper.until(run, lambda now: now.note != "")
        assert run.status is Status.LOST


async def test_what_provably_never_ran_is_launched_anew(tmp_path: Path, talk: Talk) -> None:
    async with keep(tmp_path, Tame(Cage())) as keeper:
        run = await keeper.submit()
        first = await keeper.status(run, Status.RUNNING, Status.STARTING)
        first = await keeper.until(run, lambda now: now.handle is not None)
        assert first.handle is not None
        keeper.cage.sightings[first.handle] = Observation(Sighting.MISSING, never_ran=True)
        run = await keeper.until(run, lambda now: now.attempt == 2 and now.handle is not None)
        keeper.launcher.write(run, *talk())
        await keeper.status(run, Status.SUCCEEDED)


async def test_after_a_restart_nothing_is_given_up_before_the_launcher_was_asked(tmp_path: Path, talk: Talk) -> None:
    cage = Cage()
    async with keep(tmp_path, animals.Distant(cage)) as keeper:
        run = await keeper.submit()
        run = await keeper.until(run, lambda now: now.handle is not None)
        assert run.handle is not None
        cage.sightings[run.handle] = Observation(Sighting.FINISHED)
        await keeper.until(run, lambda now: now.gone_at is not None)
    distant = animals.Distant(cage)
    distant.unknown = 3
    distant.write(run, *talk())
    async with keep(tmp_path, distant) as keeper:
        keeper.now += 10 * RULES.outcome_grace_s
        await keeper.status(run, Status.SUCCEEDED)


async def test_a_stop_is_wished_until_it_works(tmp_path: Path) -> None:
    async with keep(tmp_path, animals.Stubborn(Cage())) as keeper:
        run = await keeper.submit()
        run = await keeper.until(run, lambda now: now.handle is not None)
        assert run.handle is not None
        await keeper.scheduler.cancel(run.number, ADA)
        for _ in range(3):
            async with asyncio.timeout(10):
                assert await keeper.cage.stop_wishes.get() == run.handle
            keeper.now += 6
        await keeper.until(run, lambda now: now.gone_at is not None)
        keeper.now += RULES.outcome_grace_s
        await keeper.status(run, Status.CANCELLED)


async def test_a_stammering_spool_is_heard_out(tmp_path: Path, talk: Talk) -> None:
    async with keep(tmp_path, animals.Stammering(Cage())) as keeper:
        run = await keeper.submit()
        run = await keeper.until(run, lambda now: now.handle is not None)
        for event in talk(lines=20):
            keeper.launcher.write(run, event)
        run = await keeper.status(run, Status.SUCCEEDED)
        logs = await keeper.store.events(run.id, run.attempt, 0, kinds=("log",))
        assert [event.body["text"] for event in logs] == [f"{i}\n" for i in range(20)]


async def test_a_run_is_told_what_it_waited_for_and_its_clock_starts_with_it(tmp_path: Path, talk: Talk) -> None:
    async with keep(tmp_path, Tame(Cage())) as keeper:
        keeper.launcher.cage.sightings = {}
        run = await keeper.submit()
        run = await keeper.until(run, lambda now: now.handle is not None)
        keeper.now += 40
        keeper.launcher.write(run, *talk(exit_code=None))
        run = await keeper.until(run, lambda now: now.program_at is not None)
        keeper.now += 59 + RULES.setup_allowance_s
        keeper.launcher.write(run, *talk()[-1:])
        await keeper.status(run, Status.SUCCEEDED)
