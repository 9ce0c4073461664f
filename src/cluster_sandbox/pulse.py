"""A bell for whoever watches a stand-in: something changed, look again.

Rung by whatever changes the stand-in; heard by pages and by who waits for a state. It says neither what changed nor how
often: a reader compares what it sees with what it has shown, so a ring too many costs a look and none can be missed.
"""

from __future__ import annotations

import asyncio


class Pulse:
    """`version` grows with every ring."""

    def __init__(self) -> None:
        self.version = 0
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self.version += 1
        # Readers hold the old event: setting it wakes exactly those who waited before this ring.
        self._rung.set()
        self._rung = asyncio.Event()

    async def after(self, version: int) -> None:
        """Return once the version is above `version`, which may be at once."""
        while self.version <= version:
            await self._rung.wait()
