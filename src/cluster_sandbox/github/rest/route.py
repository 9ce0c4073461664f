"""A route, a call of it and an answer, as the handlers see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...record import Request

if TYPE_CHECKING:
    from ..service import Service

DOCS = "https://docs.github.com/rest"
MOST_PER_PAGE = 100


class ApiError(Exception):
    """An answer that refuses, in GitHub's form."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})

    def body(self) -> dict[str, str]:
        return {"message": str(self), "documentation_url": DOCS, "status": str(self.status)}


def not_found() -> ApiError:
    return ApiError(404, "Not Found")


@dataclass(slots=True)
class Answer:
    """`body` None: an empty answer; bytes are sent as they are."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One request on its way through a handler. `base` is the API's address as the client named it."""

    service: Service
    request: Request
    params: Mapping[str, str]
    base: str
    body: Any = None
    raw: bytes = b""
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def number(self, name: str) -> int:
        """A number of the path; 404 where it is none, as GitHub."""
        if not self.params[name].isdigit():
            raise not_found()
        return int(self.params[name])

    def page(self, items: list[Any]) -> list[Any]:
        """The part of `items` that was asked for; sets the Link header."""
        size = min(max(self._count("per_page", 30), 1), MOST_PER_PAGE)
        page = max(self._count("page", 1), 1)
        last = max((len(items) + size - 1) // size, 1)
        links = []
        for relation, target, there in (
            ("prev", page - 1, page > 1),
            ("next", page + 1, page < last),
            ("last", last, page < last),
            ("first", 1, page > 1),
        ):
            if there:
                links.append(f'<{self._address(target)}>; rel="{relation}"')
        if links:
            self.headers["Link"] = ", ".join(links)
        return items[(page - 1) * size : page * size]

    def _count(self, name: str, default: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdigit() else default

    def _address(self, page: int) -> str:
        from urllib.parse import urlencode

        return f"{self.base}{self.request.path}?{urlencode({**self.query, 'page': str(page)})}"


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    template: str
    handler: Handler
    access: str
    """user: a token of the API; job: the token of a running job; free: a token, outside the rate limit."""
    pattern: re.Pattern[str]


class Routes:
    """The routes of one module. A handler returns a JSON value or an Answer."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def __call__(self, method: str, template: str, *, access: str = "user") -> Callable[[Handler], Handler]:
        parts = re.split(r"{([a-z_]+)}", template)
        # Odd positions are parameter names.
        pattern = "".join(
            re.escape(part) if index % 2 == 0 else f"(?P<{part}>[^/]+)" for index, part in enumerate(parts)
        )

        def add(handler: Handler) -> Handler:
            self.all.append(Route(method, template, handler, access, re.compile(pattern)))
            return handler

        return add
