"""A route and a call of it, as the handlers see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...record import Request
from ..errors import form_error
from ..limits import Upload, require_dict
from ..model import Json
from ..service import Service

Limit = Literal["default", "message", "edit", "webhook", "none"]
"""Which bucket counts a route's requests; "none" is for interaction callbacks and files."""


@dataclass(slots=True)
class Answer:
    status: int = 200
    body: Any = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


NO_CONTENT = 204


@dataclass(slots=True)
class Call:
    """One request on its way through a handler."""

    service: Service
    request: Request
    params: Mapping[str, str]
    body: Any = None
    files: Mapping[int, Upload] = field(default_factory=dict)

    def id(self, name: str) -> int:
        """An id from the path; 50035 when it is no number."""
        value = self.params[name]
        if not value.isdigit():
            raise form_error(name, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
        return int(value)

    @property
    def json(self) -> Json:
        return require_dict(self.body)

    @property
    def at(self) -> float:
        """When the request arrived, unix seconds."""
        return self.request.time

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A number from the query, within bounds."""
        text = self.request.query.get(name, str(default))
        if not text.isdigit() or not low <= int(text) <= high:
            message = f"int value should be between {low} and {high}."
            raise form_error(name, "NUMBER_TYPE_MAX", message)
        return int(text)

    def flag(self, name: str) -> bool:
        return self.request.query.get(name, "").lower() in ("1", "true")


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    template: str
    handler: Handler
    auth: bool
    limit: Limit
    pattern: re.Pattern[str]

    @property
    def parameters(self) -> int:
        return self.template.count("{")


class Routes:
    """The routes of one module. A handler returns a JSON value, None for 204, or an Answer."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def __call__(
        self, method: str, template: str, *, auth: bool = True, limit: Limit = "default"
    ) -> Callable[[Handler], Handler]:
        parts = re.split(r"{([a-z_]+)}", template)
        # Odd positions are parameter names.
        pattern = "".join(
            re.escape(part) if index % 2 == 0 else f"(?P<{part}>[^/]+)" for index, part in enumerate(parts)
        )

        def add(handler: Handler) -> Handler:
            self.all.append(Route(method, template, handler, auth, limit, re.compile(pattern)))
            return handler

        return add
