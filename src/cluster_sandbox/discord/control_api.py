"""The control API: what tests do with the server object, over HTTP, for other processes. Below /sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from .server import DiscordServer


class ControlApi:
    def __init__(self, server: DiscordServer) -> None:
        self._server = server

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/sandbox", self._about)

    async def _about(self, request: web.Request) -> web.Response:
        server = self._server
        return web.json_response({"api_url": server.api_url, "gateway_url": server.gateway_url})
