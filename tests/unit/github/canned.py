"""A GitHub that answers what it is told to: for answers no well-behaved stand-in would give."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

REPOSITORY = "gpu-club/kernels"
BELOW = f"/repos/{REPOSITORY}"


@dataclass
class Asked:
    """One request: what was asked, with which headers and body."""

    what: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Canned:
    """Answers by "METHOD path-below-the-repository"; a list is used up in turn, its last answer stays."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def say(self, what: str, *answers: web.Response | Callable[[], web.Response]) -> None:
        """From now on answer `what` so."""
        self.answers[what] = list(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        what = f"{request.method} {request.path.removeprefix(BELOW)}"
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.asked.append(Asked(what, dict(request.query), {k.lower(): v for k, v in request.headers.items()}, body))
        answers = self.answers.get(what)
        if answers is None:
            return reply({"message": "Not Found"}, 404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer() if callable(answer) else _copy(answer)

    def count(self, what: str) -> int:
        """How often `what` was asked."""
        return sum(one.what == what for one in self.asked)


def reply(body: Any, status: int = 200, **headers: str) -> web.Response:
    """A JSON answer; underscores in header names are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(text=json.dumps(body), status=status, headers=named, content_type="application/json")


def _copy(answer: web.Response) -> web.Response:
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    return web.Response(body=answer.body, status=answer.status, headers=headers)


@asynccontextmanager
async def canned() -> AsyncIterator[Canned]:
    """Such a GitHub on loopback."""
    said = Canned()
    app = web.Application(client_max_size=1 << 22)
    app.router.add_route("*", "/{path:.*}", said.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    said.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield said
    finally:
        await runner.cleanup()
