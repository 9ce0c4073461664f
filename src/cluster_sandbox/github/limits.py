"""GitHub's rate limits: the primary one by the hour, the secondary ones by the minute and by requests at once."""

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

    def _use(self, token: str) -> _Use:
        use = self._uses[token]
        if use.reset <= self._now():
            use.reset, use.used = self._now() + self._policy.primary_window_s, 0
        return use

    def headers(self, token: str) -> dict[str, str]:
        """What every answer carries."""
        use = self._use(token)
        return {
            "X-RateLimit-Limit": str(self._policy.primary_limit),
            "X-RateLimit-Remaining": str(max(self._policy.primary_limit - use.used, 0)),
            "X-RateLimit-Reset": str(int(use.reset)),
            "X-RateLimit-Used": str(use.used),
            "X-RateLimit-Resource": "core",
        }

    def primary_spent(self, token: str) -> bool:
        return self._use(token).used >= self._policy.primary_limit

    def count(self, token: str) -> None:
        """A request that costs: any but a 304."""
        self._use(token).used += 1

    def secondary_spent(self, token: str, method: str) -> bool:
        """Count a request's points; True where it is one too many for this minute, or at once."""
        use, now = self._use(token), self._now()
        while use.points and use.points[0][0] < now - MINUTE_S:
            use.points.popleft()
        cost = 1 if method in ("GET", "HEAD") else WRITE_POINTS
        if sum(points for _, points in use.points) + cost > self._policy.points_per_minute:
            return True
        use.points.append((now, cost))
        return use.under_way > self._policy.most_concurrent

    def enter(self, token: str) -> None:
        self._uses[token].under_way += 1

    def leave(self, token: str) -> None:
        self._uses[token].under_way -= 1
