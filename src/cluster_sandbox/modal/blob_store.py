"""Where clients and containers put what is too large for a message, over HTTP, as they do with Modal's bucket.

Spawned inputs and their outputs beyond 8 KiB come here, and files of mounts from 4 MiB on. Everything stays in memory.
"""

from __future__ import annotations

import hashlib
import secrets

from aiohttp import web

LARGEST = 1 << 30


class BlobStore:
    """`url` is where it listens once started. Whoever knows a blob's id may fetch it."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self, host: str) -> None:
        app = web.Application(client_max_size=LARGEST)
        app.router.add_put("/{blob}", self._put)
        app.router.add_get("/{blob}", self._get)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, 0).start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @staticmethod
    def new_id() -> str:
        return f"bl-{secrets.token_hex(16)}"

    async def _put(self, request: web.Request) -> web.Response:
        data = await request.read()
        self.content[request.match_info["blob"]] = data
        return web.Response(headers={"ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'})

    async def _get(self, request: web.Request) -> web.Response:
        data = self.content.get(request.match_info["blob"])
        return web.Response(status=404, text="no such blob") if data is None else web.Response(body=data)
