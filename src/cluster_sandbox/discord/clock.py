"""The server's idea of now, which a test can push forward, and the ids that carry that time.

Everything that grows old here (tokens, nonces, messages, signed addresses, rate-limit windows) asks this
clock, so `advance` ages all of it at once. It never goes backwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

EPOCH_MS = 1_420_070_400_000
"""First millisecond of 2015, where snowflakes start to count."""


@dataclass(eq=False, slots=True)
class Alarm:
    """One callback due at a time of the clock. `cancel` may be called at any time."""

    due: float
    callback: Callable[[], None]
    handle: asyncio.TimerHandle | None = field(default=None, repr=False)
    over: bool = False

    def cancel(self) -> None:
        self.over = True
        if self.handle is not None:
            self.handle.cancel()


class Clock:
    """Wall-clock time plus what was added by `advance`, in unix seconds."""

    def __init__(self) -> None:
        # Monotonic underneath: a step of the machine's clock must not reorder the record.
        self._start = time.time() - time.monotonic()
        self._offset = 0.0
        self._alarms: set[Alarm] = set()

    def now(self) -> float:
        return self._start + time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Move now forward; alarms that became due ring before this returns."""
        if seconds < 0:
            raise ValueError("a clock only goes forward")
        self._offset += seconds
        for alarm in sorted(self._alarms, key=lambda one: one.due):
            if alarm.handle is not None:
                alarm.handle.cancel()
            if alarm.due <= self.now():
                self._ring(alarm)
            else:
                self._arm(alarm)

    def call_at(self, due: float, callback: Callable[[], None]) -> Alarm:
        """Run `callback` in the event loop when the clock reaches `due`."""
        alarm = Alarm(due, callback)
        self._alarms.add(alarm)
        self._arm(alarm)
        return alarm

    def stop(self) -> None:
        """Cancel every alarm."""
        for alarm in self._alarms:
            alarm.cancel()
        self._alarms.clear()

    def _arm(self, alarm: Alarm) -> None:
        loop = asyncio.get_running_loop()
        alarm.handle = loop.call_later(max(0.0, alarm.due - self.now()), self._ring, alarm)

    def _ring(self, alarm: Alarm) -> None:
        self._alarms.discard(alarm)
        if not alarm.over:
            alarm.over = True
            alarm.callback()


class Snowflakes:
    """Ids as Discord makes them: the time in milliseconds above, a counter below; strictly increasing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        fresh = (int(self._clock.now() * 1000) - EPOCH_MS) << 22
        self._last = max(fresh, self._last + 1)
        return self._last


def snowflake_time(snowflake: int) -> float:
    """Unix seconds at which an id was made."""
    return ((snowflake >> 22) + EPOCH_MS) / 1000


def timestamp(seconds: float) -> str:
    """A time as the API writes it: ISO 8601, microseconds, UTC offset."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
