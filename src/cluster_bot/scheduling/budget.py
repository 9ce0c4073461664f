"""All writes of a bot share one budget; who may go first is decided here.

Discord allows a bot 50 requests a second over all channels. When many runs talk at once, verdicts go before first
lines, and first lines before the tails of logs, so that nobody waits for an end behind somebody's flood.
"""

import asyncio
import heapq
import itertools
from enum import IntEnum


class Priority(IntEnum):
    """Lower goes first."""

    VERDICT = 0
    FIRST = 1
    STATUS = 2
    TAIL = 3


class Budget:
    """At most `per_s` turns a second, with a burst of a fifth of it; waiting turns are given by priority, then age."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._burst = max(1.0, per_s / 5)
        self._tokens = self._burst
        self._stamp: float | None = None
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._ages = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, priority: Priority) -> None:
        """Return when one write may be made."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._ages), turn))
        self._give()
        await turn

    def _give(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._stamp is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._stamp) * self._per_s)
        self._stamp = now
        while self._waiting and self._tokens >= 1.0:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._tokens -= 1.0
                turn.set_result(None)
        if self._waiting and self._timer is None:
            self._timer = loop.call_later((1.0 - self._tokens) / self._per_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._give()
