"""Rate limits: fixed windows per bucket and major parameter, and the bot's own fifty requests a second.

The REST pipeline asks `take` for each request; the answer carries the headers a client plans by.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from dataclasses import dataclass

from .clock import Clock
from .errors import ApiError
from .policy import Bucket, Policy

VIA = {"Via": "1.1 google"}
"""discord.py takes a 429 without it for a ban by the edge network and gives up."""


@dataclass(slots=True)
class Window:
    limit: int
    seconds: float
    resets_at: float
    used: int = 0


def too_many(
    retry_after: float, scope: str, *, code: int = 0, message: str = "You are being rate limited."
) -> ApiError:
    """A 429 as the API sends it; `retry_after` in seconds, `scope` user, shared or global."""
    everywhere = scope == "global"
    headers = {**VIA, "Retry-After": str(math.ceil(retry_after)), "X-RateLimit-Scope": scope}
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    return ApiError(
        429,
        code,
        message,
        extra={"retry_after": round(retry_after, 3), "global": everywhere},
        headers=headers,
    )


class Buckets:
    def __init__(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._windows: dict[tuple[str, str], Window] = {}
        self._recent: deque[float] = deque()

    def take_global(self) -> None:
        """Count a request against the bot's limit; raises the global 429."""
        now = self._clock.now()
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if len(self._recent) >= self._policy.global_per_s:
            raise too_many(self._recent[0] + 1.0 - now, "global")
        self._recent.append(now)

    def take(self, name: str, size: Bucket, major: str) -> dict[str, str]:
        """Count a request; the headers for its answer. Raises the bucket's 429, which carries them too."""
        now = self._clock.now()
        window = self._windows.get((name, major))
        if window is None or window.resets_at <= now:
            window = Window(size[0], size[1], now + size[1])
            self._windows[name, major] = window
        if window.used >= window.limit:
            error = too_many(window.resets_at - now, "user")
            error.headers.update(self._headers(name, window, now))
            raise error
        window.used += 1
        return self._headers(name, window, now)

    def take_hidden(self, name: str, size: Bucket, major: str) -> None:
        """Count against a limit that no header announces."""
        now = self._clock.now()
        window = self._windows.get((name, major))
        if window is None or window.resets_at <= now:
            window = self._windows[name, major] = Window(size[0], size[1], now + size[1])
        if window.used >= window.limit:
            raise too_many(window.resets_at - now, "user")
        window.used += 1

    @staticmethod
    def _headers(name: str, window: Window, now: float) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(window.limit - window.used),
            "X-RateLimit-Reset": f"{window.resets_at:.3f}",
            "X-RateLimit-Reset-After": f"{max(0.0, window.resets_at - now):.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(name.encode()).hexdigest()[:32],
        }
