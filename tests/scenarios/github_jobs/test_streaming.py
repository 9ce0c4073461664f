"""What a member sees of a run on GitHub, and when."""

from __future__ import annotations

import time

import pytest

from cluster_bot.runs.run import Status
from job_programs import CHATTING, HOLDING, SHORT, TIDY

from .conftest import Halls
from .hall import Hall

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_lines_come_from_the_runner_while_github_has_no_log(halls: Halls) -> None:
    hall = halls.live
    place = await hall.open(HOLDING)
    await hall.says(place, "before")
    job = await hall.job(place, lambda job: job.status == "in_progress")
    assert job.job is not None
    status, body = await hall.ask_github(f"/actions/jobs/{job.job.id}/logs")
    assert (status, b"BlobNotFound" in body) == (404, True)
    assert hall.logged(place) == ["before"], "it entered through the bot's web side: nothing else is there yet"
    assert all(artifact.run_id != job.id for artifact in hall.github.world.artifacts.values())
    place.ledger.go()
    await hall.succeeds_once(place)
    assert hall.lines(place) == ["before", "after"]


async def test_without_a_public_address_everything_comes_at_the_end_once_and_in_order(halls: Halls) -> None:
    hall = halls.late
    place = await hall.hold(HOLDING)
    assert hall.logged(place) == []
    place.ledger.go()
    await hall.succeeds_once(place)
    assert hall.lines(place) == ["before", "after"]


async def test_the_status_links_the_workflow_run(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        place = await hall.hold(HOLDING)
        (job,) = hall.jobs(place)
        await hall.says(place, f"[github job](<{hall.github.url}/{hall.github.full_name}/actions/runs/{job.id}>)")
        place.ledger.go()
        await hall.ends(place, Status.SUCCEEDED)

    await halls.both(play)


async def test_a_short_run(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        place = await hall.open(SHORT, gpu="AMD")
        await hall.succeeds_once(place)
        assert hall.lines(place) == ["hello from the runner"]

    await halls.both(play)


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        place = await hall.hold(CHATTING)
        if hall.live:
            await hall.says(place, "line 3")
        await hall.restart()
        if hall.live:
            # What was said while nobody listened has come, and it goes on.
            said = len(hall.logged(place))
            await hall.says(place, f"line {said + 10}")
        place.ledger.go()
        await hall.succeeds_once(place)
        count = int(place.ledger.notes()[-1].removeprefix("said "))
        assert hall.logged(place) == hall.lines(place) == [f"line {n}" for n in range(count)]

    await halls.both(play)


async def test_the_button_ends_a_run_and_the_program_tidies_up(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        place = await hall.hold(TIDY)
        await hall.cancel(place)
        pressed_at = time.monotonic()
        await hall.ends(place, Status.CANCELLED, "its owner cancelled it")
        assert time.monotonic() - pressed_at < 15, "seconds, however busy the machine"
        assert place.ledger.notes() == ["begin", "tidied"]
        assert hall.lines(place) == ["before", "tidied up"]
        job = await hall.job(place, lambda job: job.completed)
        assert job.conclusion == "cancelled" or hall.live, "a run that is over by its own word is not cancelled again"

    await halls.both(play)
