"""How much the ingest takes: the numbers, and who has had how much.

A runner's token may be in the hands of the program it runs, so nothing a token allows may cost the bot much. Used by
`ingest` and `bodies`. Limits: the counts are in memory, and begin again when the bot does.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cluster_bot.web.answers import RefusedError

# Beyond so many attempts whoever has been silent longest is forgotten; far more than may be under way.
_REMEMBERED = 2000
_KIB, _MIB = 2**10, 2**20


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers; bytes, seconds, counts."""

    claim_bytes: int = 4 * _KIB
    events_bytes: int = 256 * _KIB
    artifact_bytes: int = 16 * _MIB
    # Of log events an attempt may have kept; other kinds have as much more as `reserve_bytes`, so that a program that
    # said too much still gets its verdict.
    kept_bytes: int = 32 * _MIB
    reserve_bytes: int = 1 * _MIB
    artifacts_ahead: int = 10_000
    grace_s: float = 600.0
    body_s: float = 60.0
    idle_s: float = 75.0
    # For the rest of a body that was refused, so that its sender hears the answer.
    linger_s: float = 2.0
    # Of one attempt: requests at once, and a second; so many may come in one go after a silence.
    at_once: int = 4
    a_second: float = 50.0
    in_a_go: float = 200.0
    # Of all: bytes of bodies that are being received.
    bodies_bytes: int = 128 * _MIB


@dataclass(slots=True)
class Tally:
    """What one attempt has had."""

    room: float
    seen_at: float
    at_once: int = 0
    kept_bytes: int = 0


class Tallies:
    """What each attempt has had, and all together."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._tallies: dict[tuple[str, int], Tally] = {}
        self._receiving = 0

    @contextmanager
    def visit(self, run_id: str, attempt: int) -> Iterator[Tally]:
        """One request of an attempt; raises RefusedError (429) where there are too many."""
        tally = self._of(run_id, attempt)
        if tally.room < 1 or tally.at_once >= self._bounds.at_once:
            raise RefusedError(429, "These are too many requests at once; wait a second.", after_s=1)
        tally.room -= 1
        tally.at_once += 1
        try:
            yield tally
        finally:
            tally.at_once -= 1

    @contextmanager
    def receiving(self, size: int) -> Iterator[None]:
        """While a body of up to `size` bytes is held; raises RefusedError (503) where all together are too large."""
        if self._receiving + size > self._bounds.bodies_bytes:
            raise RefusedError(503, "Too much is being received just now; send it again.", after_s=2)
        self._receiving += size
        try:
            yield
        finally:
            self._receiving -= size

    def _of(self, run_id: str, attempt: int) -> Tally:
        now = time.monotonic()
        tally = self._tallies.pop((run_id, attempt), None) or Tally(self._bounds.in_a_go, now)
        tally.room = min(self._bounds.in_a_go, tally.room + (now - tally.seen_at) * self._bounds.a_second)
        tally.seen_at = now
        # Put back at the end: the first is who has been silent longest.
        self._tallies[run_id, attempt] = tally
        if len(self._tallies) > _REMEMBERED:
            self._tallies.pop(next(iter(self._tallies)))
        return tally
