"""A bot without a library: plain HTTP and a plain websocket, for answers that discord.py would hide."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from cluster_sandbox.discord import DiscordServer, Interaction
from cluster_sandbox.discord.model import Json

ALL_INTENTS = (1 << 0) | (1 << 1) | (1 << 9) | (1 << 10) | (1 << 12) | (1 << 15)


@dataclass
class Socket:
    """One gateway connection."""

    ws: aiohttp.ClientWebSocketResponse
    seen: list[Json] = field(default_factory=list)

    @classmethod
    async def connect(cls, session: aiohttp.ClientSession, server: DiscordServer) -> Self:
        socket = cls(await session.ws_connect(server.gateway_url))
        assert (await socket.receive())["op"] == 10
        return socket

    async def send(self, op: int, data: Any) -> None:
        await self.ws.send_json({"op": op, "d": data})

    async def receive(self) -> Json:
        frame: Json = await self.ws.receive_json(timeout=10)
        self.seen.append(frame)
        return frame

    async def event(self, name: str) -> Json:
        """The data of the next event of that name."""
        while True:
            frame = await self.receive()
            if frame["t"] == name:
                return dict(frame["d"])

    async def identify(self, server: DiscordServer, *, intents: int = ALL_INTENTS, token: str = "") -> Json:
        await self.send(2, {"token": token or server.bot_token, "intents": intents, "properties": {}})
        return await self.event("READY")

    async def close_code(self) -> int | None:
        """Read to the end; the code of the close."""
        async with asyncio.timeout(10):
            async for _ in self.ws:
                pass
        return self.ws.close_code


@dataclass
class Api:
    """REST calls that return status and body."""

    server: DiscordServer
    session: aiohttp.ClientSession

    async def __call__(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **options: Any
    ) -> tuple[int, Any]:
        headers = {} if token is None else {"Authorization": token}
        url = self.server.api_url + path
        async with self.session.request(method, url, json=body, headers=headers, **options) as response:
            if response.status == 204:
                return 204, None
            assert response.headers["Content-Type"] == "application/json"
            return response.status, await response.json()

    async def code(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, int]:
        """Status and Discord's code of a refusal."""
        status, answer = await self(method, path, body, **options)
        assert status >= 400, answer
        return status, answer["code"]

    async def upload(self, path: str, files: dict[str, bytes], payload: str = "{}") -> tuple[int, Any]:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("payload_json", payload, content_type="application/json")
        for index, (name, data) in enumerate(files.items()):
            form.add_field(f"files[{index}]", data, filename=name)
        async with self.session.post(self.server.api_url + path, data=form) as response:
            return response.status, await response.json()

    async def send(self, channel_id: int | str, text: str = "hello", **fields: Any) -> Json:
        """Create a message that must succeed."""
        status, answer = await self("POST", f"/channels/{channel_id}/messages", {"content": text, **fields})
        assert status == 200, answer
        return dict(answer)

    async def react(self, interaction: Interaction, body: Json) -> tuple[int, Any]:
        """Call an interaction back."""
        path = f"/interactions/{interaction.id}/{interaction.token}/callback"
        return await self("POST", path, body, params={"with_response": "1"})

    def hook(self, interaction: Interaction) -> str:
        return f"/webhooks/{self.server.application_id}/{interaction.token}"

    async def register(self, *commands: Json) -> None:
        """Register these as the only global commands."""
        path = f"/applications/{self.server.application_id}/commands"
        status, answer = await self("PUT", path, list(commands))
        assert status == 200, answer


@asynccontextmanager
async def connected(server: DiscordServer, session: aiohttp.ClientSession) -> AsyncIterator[Socket]:
    """A connection that is logged in."""
    socket = await Socket.connect(session, server)
    await socket.identify(server)
    try:
        yield socket
    finally:
        await socket.ws.close()
