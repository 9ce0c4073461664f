"""What a member sees of `/run modal` where nothing goes wrong."""

from __future__ import annotations

import re

import pytest

from cluster_bot.runs.run import Status
from job_programs import CHATTING, HOLDING, SHORT, TIDY

from .hall import Hall

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEAVES_FILES = """
import os
for name, size in (("small.txt", 10), ("large.bin", 1_500_000)):
    with open(os.path.join(os.environ["CLUSTER_ARTIFACTS"], name), "wb") as file:
        file.write(b"x" * size)
print("left")
"""


async def test_lines_come_while_the_program_runs_and_then_the_verdict(hall: Hall) -> None:
    place = await hall.hold(HOLDING)
    await hall.says(place, "before")
    call = await hall.call(place)
    assert (call.gpu, call.status) == ("T4", "running")
    await hall.says(place, f"https://modal.com/id/{call.id}")
    place.ledger.go()
    await hall.ends(place, Status.SUCCEEDED, "exit code 0")
    assert hall.lines(place) == ["before", "after"]
    assert place.ledger.begun == 1


async def test_a_gpu_by_its_count_and_a_time_limit_reach_modal(hall: Hall) -> None:
    place = await hall.open(SHORT, gpu="h100:2", time_limit_s=400)
    await hall.ends(place, Status.SUCCEEDED)
    call = await hall.call(place)
    assert call.container is not None
    assert (call.container.gpu, call.container.gpu_count) == ("H100", 2)
    # The program's own time and what else a run takes, in steps.
    assert call.timeout_s == 1200


async def test_what_was_never_offered_is_refused_before_anything_is_called(hall: Hall) -> None:
    before = len(hall.modal.calls)
    for gpu in ("V100", "A10:8", "H100:", "T4 T4"):
        asked = await hall.give(SHORT, gpu=gpu)
        assert "has no such GPU; choose one of `T4`, `L4`" in (await asked.answered()).content
    assert len(hall.modal.calls) == before


async def test_files_are_attached(hall: Hall) -> None:
    place = await hall.open(LEAVES_FILES)
    await hall.ends(place, Status.SUCCEEDED)
    sizes = {one.filename: one.size for one in hall.shown(place)[-1].attachments}
    assert sizes == {"large.bin": 1_500_000, "small.txt": 10}


async def test_cancel_ends_a_program_that_runs_and_lets_it_tidy_up(hall: Hall) -> None:
    place = await hall.hold(TIDY)
    await hall.says(place, "before")
    await hall.cancel(place)
    await hall.ends(place, Status.CANCELLED, "its owner cancelled it")
    assert place.ledger.notes() == ["begin", "tidied"]
    assert hall.lines(place) == ["before", "tidied up"]


async def test_a_program_that_takes_too_long_is_ended_by_its_own_limit(hall: Hall) -> None:
    place = await hall.open(HOLDING, time_limit_s=1)
    await hall.ends(place, Status.TIMED_OUT, "the time limit of 1.00 s was over")
    assert hall.lines(place) == ["before"]


async def test_a_bot_that_is_away_misses_nothing(hall: Hall) -> None:
    place = await hall.hold(CHATTING)
    await hall.says(place, "line 3")
    before = len(hall.server.events)
    await hall.restart(place.ledger.go)
    await hall.ends(place, Status.SUCCEEDED)
    assert not any("waits for" in event.content for event in hall.server.events[before:])
    (said,) = [int(found[1]) for note in place.ledger.notes() if (found := re.fullmatch(r"said (\d+)", note))]
    assert hall.logged(place) == [f"line {number}" for number in range(said)]


async def test_a_waiting_run_says_what_it_waits_for_and_is_cancelled_at_once(hall: Hall) -> None:
    hall.modal.hold_containers()
    try:
        first, second = await hall.open(SHORT), await hall.open(SHORT)
        await hall.says(first, "waits for a container with T4 at Modal")
        await hall.says(second, "1 more of this bot's runs wait too")
        await hall.cancel(first)
        await hall.ends(first, Status.CANCELLED)
    finally:
        hall.modal.release_containers()
    await hall.ends(second, Status.SUCCEEDED)
    assert (first.ledger.begun, second.ledger.begun) == (0, 1)
