"""A receiver of webhooks over a real socket, for tests of the sender."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Arrival:
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """`status` is what it answers; while `closed` is set it answers nothing until it is opened."""

    url: str = ""
    status: int = 202
    arrivals: list[Arrival] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def events(self) -> list[str]:
        return [one.headers["X-GitHub-Event"] for one in self.arrivals]

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.arrivals.append(Arrival(dict(request.headers), body))
        await self.open.wait()
        return web.Response(status=self.status, text="heard", headers={"Location": "http://127.0.0.1:9/"})


@asynccontextmanager
async def receiving(**options: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**options)
    receiver.open.set()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        receiver.open.set()
        await runner.cleanup()
