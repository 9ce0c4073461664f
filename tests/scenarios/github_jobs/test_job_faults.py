"""A job that goes wrong on GitHub's side, once it is dispatched."""

from __future__ import annotations

import pytest

from cluster_bot.runs.run import Status
from cluster_sandbox.github import StorageFault
from job_programs import HOLDING, SHORT, TIDY

from .conftest import Halls
from .hall import LIST, Hall

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_runner_that_dies_is_told_after_what_it_said(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        place = await hall.hold(HOLDING)
        if hall.live:
            await hall.says(place, "before")
        (job,) = hall.jobs(place)
        hall.github.kill_runner(job.id)
        silent = "the machine fell silent before the program's end was known"
        await hall.ends(place, Status.LOST, silent, "GitHub's job failed before its runner told how the program ended")
        assert hall.lines(place) == (["before"] if hall.live else [])
        assert silent in hall.shown(place)[-1].content, "after what was printed"
        assert (place.ledger.begun, len(hall.jobs(place)), hall.dispatches_of(place)) == (1, 1, 1)
        for machine in hall.github.machines:
            machine.online = True

    await halls.both(play)


async def test_a_queue_is_told_and_can_be_left(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        hall.github.hold_runners()
        first = await hall.open(SHORT)
        await hall.says(first, "waits for a runner")
        second = await hall.open(SHORT)
        await hall.says(second, "waits for a runner, 1 before it")
        await hall.cancel(second)
        await hall.ends(second, Status.CANCELLED, "its owner cancelled it")
        hall.github.release_runners()
        await hall.succeeds_once(first)
        assert second.ledger.begun == 0
        assert [job.conclusion for job in hall.jobs(second)] == ["cancelled"]

    await halls.both(play)


async def test_a_place_in_a_concurrency_group_is_told(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        first = await hall.hold(HOLDING, gpu="SHARED")
        second, third = [await hall.open(SHORT, gpu="SHARED") for _ in range(2)]
        await hall.says(second, 'waits for its turn in "the lab\'s one box", 1 before it')
        await hall.says(third, 'waits for its turn in "the lab\'s one box", 2 before it')
        first.ledger.go()
        for place in (first, second, third):
            await hall.succeeds_once(place)

    await halls.both(play)


async def test_somebody_cancels_it_on_github(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        running = await hall.hold(TIDY)
        hall.github.world.cancel(hall.jobs(running)[0])
        waiting = await hall.open(SHORT, gpu="NOBODY")
        hall.github.world.cancel(await hall.job(waiting))
        for place, notes in ((running, ["begin", "tidied"]), (waiting, [])):
            await hall.ends(place, Status.CANCELLED, "somebody stopped it where it ran, not through this bot")
            assert place.ledger.notes() == notes

    await halls.both(play)


async def test_github_ends_a_job_at_its_limit_that_never_got_to_the_program(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        hall.github.policy.minute_s = 0.1
        try:
            place = await hall.open(SHORT, gpu="STUCK")
            await hall.job(place, lambda job: job.completed)
        finally:
            hall.github.policy.minute_s = 60.0
        await hall.ends(place, Status.TIMED_OUT, "the time limit")
        assert place.ledger.begun == 0
        assert [job.conclusion for job in hall.jobs(place)] == ["timed_out"]

    await halls.both(play)


async def test_github_ends_it_in_the_queue(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        places = {}
        for conclusion in ("action_required", "stale"):
            places[conclusion] = place = await hall.open(SHORT, gpu="NOBODY")
            hall.github.conclude((await hall.job(place)).id, conclusion)
        refused = "GitHub waits for somebody's approval of the workflow run"
        await hall.ends(places["action_required"], Status.FAILED, "github refused to start it", refused)
        await hall.ends(places["stale"], Status.TIMED_OUT, "it waited too long for a machine")
        assert [(place.ledger.begun, len(hall.jobs(place))) for place in places.values()] == [(0, 1)] * 2

    await halls.both(play)


@pytest.mark.parametrize("fault", [StorageFault(503, 2), StorageFault(cut=True)], ids=["503", "cut"])
async def test_storage_that_fails_for_a_while(halls: Halls, fault: StorageFault) -> None:
    hall = halls.late
    hall.github.storage.faults.append(fault)
    place = await hall.open(SHORT)
    await hall.succeeds_once(place)
    assert hall.lines(place) == ["hello from the runner"]
    assert fault.times == 0


async def test_an_artifact_that_has_expired_leaves_the_end_unknown(halls: Halls) -> None:
    hall = halls.late
    hall.github.policy.retention_days = 0
    try:
        place = await hall.open(SHORT)
        unknown = "GitHub's job ended well, but its runner never told how the program ended"
        await hall.ends(place, Status.LOST, unknown)
    finally:
        hall.github.policy.retention_days = 90
    assert (place.ledger.begun, len(hall.jobs(place))) == (1, 1)


async def test_a_token_that_is_refused_for_a_while_in_the_middle(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        place = await hall.hold(HOLDING)
        await hall.struck(hall.fault(method="GET", route=LIST, status=401, body={"message": "Bad credentials"}))
        place.ledger.go()
        await hall.succeeds_once(place)

    await halls.both(play)
