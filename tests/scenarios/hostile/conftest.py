"""Halls for the tests of a process: one a mode, opened with its first test; programs run a few at a time.

A test asks for one program's end. Where it has not been run yet, it is begun together with the next few of its kind, so
that hostile programs share the machine with each other, and with an innocent one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from .corpus import Hostile
from .hall import PATIENCE_S, Hall, Mode, Seen, bubblewrap_trouble, open_hall

AT_ONCE = 4


class Halls:
    """The halls of this process, and what was run in them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._open: dict[Mode, asyncio.Task[Hall]] = {}
        self._runs: dict[tuple[Mode, str], asyncio.Task[Seen]] = {}
        self.innocents: dict[Mode, list[asyncio.Task[Seen]]] = {}

    async def hall(self, mode: Mode) -> Hall:
        """The hall of a mode."""
        if mode not in self._open:
            self._open[mode] = asyncio.create_task(self._stack.enter_async_context(open_hall(mode)))
        return await self._open[mode]

    async def seen(self, mode: Mode, name: str, programs: Sequence[Hostile]) -> Seen:
        """How the program of that name ended; `programs` are those of its kind, in their order."""
        hall = await self.hall(mode)
        first = next(place for place, one in enumerate(programs) if one.name == name)
        if (mode, name) not in self._runs:
            await self.begin_innocent(mode, hall)
            for one in programs[first : first + AT_ONCE]:
                if (mode, one.name) not in self._runs and mode not in one.spares:
                    work = hall.run(one.text, arguments=one.arguments, time_limit_s=one.time_limit_s)
                    self._runs[mode, one.name] = asyncio.create_task(work, name=one.name)
        return await self._runs[mode, name]

    async def begin_innocent(self, mode: Mode, hall: Hall) -> asyncio.Task[Seen]:
        """One more innocent run, that is under way."""
        begun = asyncio.Event()
        task = asyncio.create_task(hall.innocent(begun))
        self.innocents.setdefault(mode, []).append(task)
        async with asyncio.timeout(PATIENCE_S):
            await begun.wait()
        return task

    async def finished(self, mode: Mode) -> None:
        """Wait for all that was begun in a mode."""
        begun = [task for (where, _), task in self._runs.items() if where is mode]
        await asyncio.gather(*begun, return_exceptions=True)

    async def close(self) -> None:
        """Forget what nobody waits for any more."""
        tasks = [*self._runs.values(), *(task for those in self.innocents.values() for task in those)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def halls() -> AsyncIterator[Halls]:
    """Where to run programs."""
    async with AsyncExitStack() as stack:
        halls = Halls(stack)
        yield halls
        await halls.close()


def trouble(mode: Mode) -> str:
    """Why a mode can't be had on this machine; "" where it can."""
    if mode.root and os.geteuid() != 0:
        return "NOT TESTED: the bot as root needs root"
    if mode.bubblewrap and bubblewrap_trouble():
        return f"NOT TESTED: no bubblewrap here: {bubblewrap_trouble()}"
    return ""


def best_mode() -> Mode:
    """The mode that contains programs best, of those this machine has."""
    return next(mode for mode in Mode if not trouble(mode))


MODES = [
    pytest.param(mode, id=mode.value, marks=pytest.mark.skipif(bool(trouble(mode)), reason=trouble(mode) or "-"))
    for mode in Mode
]
