"""The two halls of this folder, opened with its first test, at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest_asyncio

from cluster_sandbox.faults import Fault
from halls import Place
from job_programs import HOLDING, SHORT

from .hall import DISPATCH, Hall, open_hall


@dataclass(frozen=True, slots=True)
class Halls:
    """`live`: runners report by themselves; `late`: the bot has no public address."""

    live: Hall
    late: Hall
    live_error_before: tuple[Place, Fault]
    late_error_before: tuple[Place, Fault]
    """Runs whose dispatch had no effect, begun first of all, since a bot takes up to a minute to give them up."""
    silent: asyncio.Task[Place]
    """A run in the late hall whose program waited until its step was told."""
    impatient: asyncio.Task[tuple[Hall, Place, Place]]
    """A hall with a short queue limit, when two runs are over there: one had no machine, one a GitHub with a limit."""

    async def both(self, play: Callable[[Hall], Awaitable[None]]) -> None:
        """Play it in both, at the same time."""
        async with asyncio.TaskGroup() as group:
            for hall in (self.live, self.late):
                group.create_task(_named(play, hall), name="live" if hall.live else "late")


async def _named(play: Callable[[Hall], Awaitable[None]], hall: Hall) -> None:
    await play(hall)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def halls() -> AsyncIterator[Halls]:
    async with AsyncExitStack() as stack:
        opened = [stack.enter_async_context(open_hall(live=live)) for live in (True, False)]
        live, late = await asyncio.gather(*opened)
        errors = await _error_before(live), await _error_before(late)
        silent = asyncio.create_task(_silent(late), name="silent")
        hurried = await stack.enter_async_context(open_hall(live=False, settings={"QUEUE_LIMIT_S": "4"}))
        impatient = asyncio.create_task(_impatient(hurried), name="impatient")
        yield Halls(live, late, *errors, silent, impatient)
        for task in (silent, impatient):
            task.cancel()
        await asyncio.wait([silent, impatient])


async def _silent(hall: Hall) -> Place:
    place = await hall.hold(HOLDING)
    await hall.says(place, "step 3 of 4: Run the program")
    place.ledger.go()
    return place


async def _impatient(hall: Hall) -> tuple[Hall, Place, Place]:
    waits = await hall.open(SHORT, gpu="NOBODY")
    await hall.verdict(waits)
    hall.github.limit_primary(method="POST", route=DISPATCH, reset_s=3600)
    limited = await hall.open(SHORT)
    await hall.verdict(limited)
    return hall, waits, limited


async def _error_before(hall: Hall) -> tuple[Place, Fault]:
    fault = hall.fault(method="POST", route=DISPATCH, when="before", status=502)
    place = await hall.open(SHORT)
    await hall.struck(fault)
    return place, fault
