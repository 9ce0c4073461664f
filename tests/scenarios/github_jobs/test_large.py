"""A program that is too large for the inputs of a dispatch."""

from __future__ import annotations

import random

import pytest

from job_programs import SHORT

from .conftest import Halls

pytestmark = pytest.mark.asyncio(loop_scope="session")
# What can't be packed any smaller than three quarters of it.
LARGE = SHORT + "# " + "".join(random.Random(0).choices("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH", k=120_000))


async def test_a_large_program_is_fetched_by_the_runner(halls: Halls) -> None:
    hall = halls.live
    place = await hall.open(LARGE)
    await hall.succeeds_once(place)
    assert hall.lines(place) == ["hello from the runner"]
    (job,) = hall.jobs(place)
    assert job.inputs["payload"] == ""


async def test_without_a_public_address_it_is_refused_before_anything_is_dispatched(halls: Halls) -> None:
    hall = halls.late
    before, known = hall.dispatches(), hall.query("SELECT COUNT(*) FROM runs")
    answered = await (await hall.give(LARGE, name="large.py")).answered()
    assert answered.ephemeral
    assert answered.content == (
        "`large.py` is too large to be sent to GitHub from here (about 48 kB when packed); make it smaller, or ask an "
        "admin to give this bot a public address."
    )
    assert (hall.dispatches(), hall.query("SELECT COUNT(*) FROM runs")) == (before, known)
