"""Every request the server was sent, stamped when it arrived, with the answer it got.

Written by the REST pipeline before anything can refuse the request, so that a retry storm, a wrong token and
an unknown route are all there. Tokens in paths are masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Request:
    """One request. `route` is the template, None for an unknown one; `status` None while or where unanswered."""

    seq: int
    time: float
    method: str
    path: str
    route: str | None
    query: dict[str, str]
    body: Any = None
    files: tuple[str, ...] = ()
    status: int | None = None
    error: str | None = None
    fault: bool = False
    """Whether an ordered fault changed the answer."""


class Record:
    def __init__(self) -> None:
        self.requests: list[Request] = []

    def open(self, *, time: float, method: str, path: str, route: str | None, query: dict[str, str]) -> Request:
        request = Request(len(self.requests) + 1, time, method, path, route, query)
        self.requests.append(request)
        return request
