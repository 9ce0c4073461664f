"""A route, a call of it and an answer, as the handlers see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ...record import Request
from ..access import App, Token

if TYPE_CHECKING:
    from ..service import Service

DOCS = "https://docs.github.com/rest"
MOST_PER_PAGE = 100


class ApiError(Exception):
    """An answer that refuses, in GitHub's form."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers, self.errors = status, dict(headers or {}), errors

    def body(self) -> dict[str, Any]:
        errors = {"errors": self.errors} if self.errors else {}
        return {"message": str(self), **errors, "documentation_url": DOCS, "status": str(self.status)}


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
    caller: Token | None = None
    """Whose token it is, on a route that wants one."""
    app: App | None = None
    """Who signed the request, on a route for Apps."""
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

    def from_cursor(self, items: list[Any], key: Callable[[Any], int]) -> list[Any]:
        """The part of `items`, newest first, that follows the cursor; sets the Link header."""
        size = min(max(self._count("per_page", 30), 1), MOST_PER_PAGE)
        cursor = self.query.get("cursor", "")
        if cursor and not cursor.isdigit():
            raise ApiError(422, "Invalid cursor")
        found = [one for one in items if not cursor or key(one) < int(cursor)]
        if len(found) > size:
            query = urlencode({**self.query, "per_page": str(size), "cursor": str(key(found[size - 1]))})
            self.headers["Link"] = f'<{self.base}{self.request.path}?{query}>; rel="next"'
        return found[:size]

    def _count(self, name: str, default: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdigit() else default

    def _address(self, page: int) -> str:
        return f"{self.base}{self.request.path}?{urlencode({**self.query, 'page': str(page)})}"


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    template: str
    handler: Handler
    access: str
    """user: a token of the API; free: the same, outside the rate limit; app: a JSON web token of an App; job: the token
    of a running job."""
    permission: str
    level: str
    """What a token of the API must be allowed."""
    pattern: re.Pattern[str]


class Routes:
    """The routes of one module, and the permission they need: to read for a GET, else to write.

    A handler returns a JSON value or an Answer.
    """

    def __init__(self, permission: str = "metadata") -> None:
        self.all: list[Route] = []
        self._permission = permission

    def __call__(
        self, method: str, template: str, *, access: str = "user", permission: str = ""
    ) -> Callable[[Handler], Handler]:
        # `{name}` is one segment, `{name+}` the rest of the path. Every second part is a parameter.
        parts = re.split(r"{([a-z_]+\+?)}", template)
        pattern = "".join(
            re.escape(part) if index % 2 == 0 else f"(?P<{part.rstrip('+')}>{'.+' if part[-1] == '+' else '[^/]+'})"
            for index, part in enumerate(parts)
        )
        level = "read" if method == "GET" else "write"

        def add(handler: Handler) -> Handler:
            needed = permission or self._permission
            shown = template.replace("+}", "}")
            self.all.append(Route(method, shown, handler, access, needed, level, re.compile(pattern)))
            return handler

        return add
