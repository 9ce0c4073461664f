"""The theatre: plays run side by side, each on a stage of its own, because most of a play is waiting.

A test sees one play. Where one process runs all tests, all its plays are begun with the first, a few at a time; with
xdist each process plays what it is given.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cluster_sandbox.discord import Policy

from .judge import complaints
from .lives import Zygote
from .stage import POLICY, Stage, open_stage

AT_ONCE = 5


@dataclass(frozen=True)
class Play:
    """What happens on a stage until everything is over."""

    name: str
    act: Callable[[Any], Awaitable[None]]
    policy: Policy = POLICY
    opened: Callable[[Zygote, Path, Policy], AbstractAsyncContextManager[Stage]] = open_stage

    def __str__(self) -> str:
        return self.name


class Theatre:
    """Plays what it is asked for, or has begun to before."""

    def __init__(self, zygote: Zygote, folder: Path) -> None:
        self._zygote = zygote
        self._folder = folder
        self._room = asyncio.Semaphore(AT_ONCE)
        self._begun: dict[str, asyncio.Task[list[str]]] = {}

    def begin(self, play: Play) -> asyncio.Task[list[str]]:
        """Play it as soon as there is room; once."""
        if play.name not in self._begun:
            self._begun[play.name] = asyncio.create_task(self._play(play), name=play.name)
        return self._begun[play.name]

    async def see(self, play: Play) -> None:
        """Wait for its end; fails where the judge has complaints."""
        found = await self.begin(play)
        assert not found, "\n".join([play.name, *found])

    async def see_all(self, plays: Sequence[Play]) -> None:
        """The same for several, side by side."""
        for play in plays:
            self.begin(play)
        for play in plays:
            await self.see(play)

    async def close(self) -> None:
        """End what nobody wants to see any more."""
        for task in self._begun.values():
            task.cancel()
        await asyncio.gather(*self._begun.values(), return_exceptions=True)

    async def _play(self, play: Play) -> list[str]:
        async with self._room, play.opened(self._zygote, self._folder / play.name, play.policy) as stage:
            await play.act(stage)
            found = complaints(stage)
            return [*found, stage.report()] if found else []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def theatre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Theatre]:
    """One for all tests of this folder."""
    async with Zygote() as zygote:
        house = Theatre(zygote, tmp_path_factory.mktemp("kill"))
        if "PYTEST_XDIST_WORKER" not in os.environ:
            for item in request.session.items:
                given = item.callspec.params if hasattr(item, "callspec") else {}
                for play in given.get("plays", [given["play"]] if "play" in given else []):
                    house.begin(play)
        try:
            yield house
        finally:
            await house.close()
