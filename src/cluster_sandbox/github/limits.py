"""GitHub's rate limits: the primary one by the hour, the secondary ones by the minute and by requests at once.

A purse is whoever spends: a user with all their tokens, or an installation of an App.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .policy import Policy

WRITE_POINTS = 5
MINUTE_S = 60.0


@dataclass(slots=True)
class _Use:
    reset: float = 0.0
    used: int = 0
    under_way: int = 0
    points: deque[tuple[float, int]] = field(default_factory=deque)


class Limits:
    def __init__(self, policy: Policy, now: Callable[[], float]) -> None:
        self._policy, self._now = policy, now
        self._uses: dict[str, _Use] = defaultdict(_Use)

    def _use(self, purse: str) -> _Use:
        use = self._uses[purse]
        if use.reset <= self._now():
            use.reset, use.used = self._now() + self._policy.primary_window_s, 0
        return use

    def headers(self, purse: str) -> dict[str, str]:
        """What every answer carries."""
        use = self._use(purse)
        return {
            "X-RateLimit-Limit": str(self._policy.primary_limit),
            "X-RateLimit-Remaining": str(max(self._policy.primary_limit - use.used, 0)),
            "X-RateLimit-Reset": str(int(use.reset)),
            "X-RateLimit-Used": str(use.used),
            "X-RateLimit-Resource": "core",
        }

    def primary_spent(self, purse: str) -> bool:
        return self._use(purse).used >= self._policy.primary_limit

    def count(self, purse: str) -> None:
        """A request that costs: any but a 304."""
        self._use(purse).used += 1

    def secondary_spent(self, purse: str, method: str) -> bool:
        """Count a request's points; True where it is one too many for this minute, or at once."""
        use, now = self._use(purse), self._now()
        while use.points and use.points[0][0] < now - MINUTE_S:
            use.points.popleft()
        cost = 1 if method in ("GET", "HEAD") else WRITE_POINTS
        if sum(points for _, points in use.points) + cost > self._policy.points_per_minute:
            return True
        use.points.append((now, cost))
        return use.under_way > self._policy.most_concurrent

    def enter(self, purse: str) -> None:
        self._uses[purse].under_way += 1

    def leave(self, purse: str) -> None:
        self._uses[purse].under_way -= 1
