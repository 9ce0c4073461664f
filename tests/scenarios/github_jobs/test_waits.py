"""What takes the bot long: these runs were begun with the halls, and are looked at last of all."""

from __future__ import annotations

import pytest

from cluster_bot.runs.run import Status

from .conftest import Halls

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_step_is_told_where_nothing_else_is_heard(halls: Halls) -> None:
    place = await halls.silent
    await halls.late.succeeds_once(place)
    assert halls.late.lines(place) == ["before", "after"]


async def test_an_error_before_it_took_effect_is_dispatched_again_where_runners_claim(halls: Halls) -> None:
    place, fault = halls.live_error_before
    assert fault.hits == 1
    await halls.live.succeeds_once(place)
    # More where the second met the trouble that another test had ordered.
    assert halls.live.dispatches_of(place) >= 2


async def test_an_error_before_it_took_effect_is_told_as_unknown_where_they_do_not(halls: Halls) -> None:
    place, fault = halls.late_error_before
    await halls.late.ends(place, Status.LOST, "github was asked and never said whether it started")
    assert (place.ledger.begun, halls.late.jobs(place), fault.hits) == (0, [], 1)


async def test_the_queue_limit_ends_a_wait_for_a_machine_and_one_for_github(halls: Halls) -> None:
    hall, waits, limited = await halls.impatient
    await hall.says(waits, "waits for a runner")
    await hall.says(limited, "GitHub's limit is used up; it lets us ask again at ")
    for place in (waits, limited):
        await hall.ends(place, Status.TIMED_OUT, "it waited too long for a machine; try again later")
        assert place.ledger.begun == 0
    assert [job.conclusion for job in hall.jobs(waits)] == ["cancelled"]
    assert hall.jobs(limited) == []
