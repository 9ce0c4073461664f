"""Troubles ordered in advance: lost answers, errors, latency, dropped connections, a callback at a border.

The REST pipeline of a stand-in (Discord, GitHub) asks at two moments of each request: "before" (accepted, nothing has
happened) and "after" (the effect has happened, the answer has not left). A test that kills the bot does it from
`action`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .record import Request

Action = Callable[[Request], Awaitable[None] | None]


@dataclass(eq=False, kw_only=True)
class Fault:
    """One trouble for requests of one route.

    `route`: a template such as `/channels/{channel_id}/messages` (parameter names do not matter), None for all;
    `method`: None for all; `match`: looks at the request, body included. The first `skip` matching requests
    pass, the next `times` (None: all) are hit. On a hit `action` is called, `latency` seconds pass, then the
    connection is dropped or `status` is answered. With `status=None` and no drop the request goes on as if
    nothing were wrong: use that for mere latency or observation. An answered "before" has no effect on the
    server. A status of 429 gets the service's own body and headers unless `body` or `headers` say otherwise.
    """

    method: str | None = None
    route: str | None = None
    times: int | None = 1
    skip: int = 0
    when: Literal["before", "after"] = "before"
    status: int | None = 502
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    drop_connection: bool = False
    latency: float = 0.0
    action: Action | None = None
    match: Callable[[Request], bool] | None = None
    hits: int = 0

    def __post_init__(self) -> None:
        if self.when not in ("before", "after"):
            raise ValueError(f"when is 'before' or 'after', not {self.when!r}")

    @property
    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times

    async def act(self, request: Request) -> None:
        if self.action is not None:
            outcome = self.action(request)
            if inspect.isawaitable(outcome):
                await outcome


def same_template(one: str, other: str) -> bool:
    """Whether two route templates are equal but for the names of their parameters."""
    return re.sub(r"{[^}]*}", "{}", one) == re.sub(r"{[^}]*}", "{}", other)


class Faults:
    """The orders of one server. Oldest first; a request is hit by at most one per moment."""

    def __init__(self, routes: Callable[[], list[str]]) -> None:
        self._routes = routes
        self.pending: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Order a fault; ValueError for a route the server does not have (it would never strike)."""
        if fault.route is not None and not any(same_template(fault.route, known) for known in self._routes()):
            raise ValueError(f"no such route: {fault.route}")
        self.pending.append(fault)
        return fault

    def clear(self) -> None:
        self.pending.clear()

    def take(self, when: str, request: Request) -> Fault | None:
        """The fault that strikes this request now, counted as used."""
        for fault in self.pending:
            if fault.when != when or fault.spent or not self._matches(fault, request):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            return fault
        return None

    @staticmethod
    def _matches(fault: Fault, request: Request) -> bool:
        if fault.method is not None and fault.method.upper() != request.method:
            return False
        if fault.route is not None and not (request.route and same_template(fault.route, request.route)):
            return False
        return fault.match is None or fault.match(request)
