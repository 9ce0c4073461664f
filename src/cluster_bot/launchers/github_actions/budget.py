"""What GitHub still takes from us this hour: for each credential as its answers say, and the pace that fits.

Used by `api`, which asks which credential to use next, and by `watch`, whose looks are what can wait: when requests go
faster than the hour, they become rarer, so that what is left is for dispatches. Pure but for its clocks.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

HOUR_S = 3600.0
# Where GitHub has not said: what it takes from a person's token.
ASSUMED_LIMIT = 5000
# With so little left, or less than this part of the limit, looks get only a quarter of it.
LOW_COUNT = 200
LOW_PART = 0.1
# Looks are never rarer than this, however little is left.
LONGEST_PAUSE_S = 120.0
LONGEST_STRETCH = 10.0


@dataclass(slots=True)
class Budget:
    """One credential's. `remaining` None: not known; `reset_at` is seconds since the epoch, `quiet_until` monotonic."""

    limit: int = ASSUMED_LIMIT
    remaining: int | None = None
    reset_at: float = 0.0
    quiet_until: float = 0.0

    def left(self, now: float) -> int:
        """Requests before the reset; after it everything is there again."""
        return self.limit if self.remaining is None or now >= self.reset_at else self.remaining


class Purse:
    """The budgets of all credentials, by index. `wall` is seconds since the epoch, `clock` never jumps."""

    def __init__(
        self, count: int, *, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.budgets: Sequence[Budget] = [Budget() for _ in range(count)]
        self._wall = wall
        self._clock = clock
        self._reading = 0

    def note(self, index: int, headers: Mapping[str, str]) -> None:
        """What an answer's headers (names in lower case) say of the budget; others are ignored."""
        numbers = [headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")]
        if headers.get("x-ratelimit-resource", "core") != "core" or not all(one.isdigit() for one in numbers):
            return
        limit, remaining, reset = map(int, numbers)
        budget = self.budgets[index]
        if limit and reset == budget.reset_at and budget.remaining is not None:
            # Two threads ask: an answer may overtake an earlier one.
            remaining = min(remaining, budget.remaining)
        if limit:
            budget.limit, budget.remaining, budget.reset_at = limit, remaining, float(reset)

    def be_quiet(self, index: int, after_s: float, *, all_of_them: bool) -> None:
        """GitHub named a limit: of this credential, or of us, whoever we say we are."""
        for budget in self.budgets if all_of_them else [self.budgets[index]]:
            budget.quiet_until = max(budget.quiet_until, self._clock() + after_s)

    def choose(self, *, write: bool) -> int | None:
        """The credential for the next request: that with most left; None where none may be used now.

        Reads stay with one until it has half of the best, for GitHub may tell what has not changed by credential.
        """
        ready = [index for index in range(len(self.budgets)) if self._wait_of(index) <= 0]
        if not ready:
            return None
        now = self._wall()
        best = max(ready, key=lambda index: self.budgets[index].left(now))
        if write:
            return best
        if self._reading not in ready or 2 * self.budgets[self._reading].left(now) < self.budgets[best].left(now):
            self._reading = best
        return self._reading

    def wait_s(self) -> float:
        """Seconds until a credential may be used again; 0 where one may now."""
        return max(0.0, min(map(self._wait_of, range(len(self.budgets)))))

    def _wait_of(self, index: int) -> float:
        budget, now = self.budgets[index], self._wall()
        quiet_s = budget.quiet_until - self._clock()
        # A second more: the reset is rounded.
        return max(quiet_s, budget.reset_at + 1 - now) if budget.left(now) <= 0 else quiet_s

    def stretch(self, pause_s: float) -> float:
        """`pause_s` between two looks, or as much longer as what is left asks for."""
        now = self._wall()
        known = [one for one in self.budgets if one.remaining is not None and now < one.reset_at]
        if len(known) < len(self.budgets):
            return pause_s
        left, limit = sum(one.left(now) for one in known), sum(one.limit for one in known)
        return stretched(pause_s, left, limit, max(one.reset_at for one in known) - now)


def stretched(pause_s: float, left: int, limit: int, reset_in_s: float) -> float:
    """The pause with `left` of `limit` requests for the next `reset_in_s` seconds."""
    if left <= max(LOW_PART * limit, min(LOW_COUNT, limit / 2)):
        return max(pause_s, min(4 * reset_in_s / max(left, 1), LONGEST_PAUSE_S))
    # More than 1: requests go faster than the hour.
    ahead = (reset_in_s / HOUR_S) / (left / limit)
    return pause_s if ahead <= 1 else max(pause_s, min(pause_s * min(ahead**6, LONGEST_STRETCH), LONGEST_PAUSE_S))
