"""The page's server part: its files, its event stream, the messages of a channel, sample programs.

What a person does there goes through the control API (`/sandbox/members/...`), as a test would do it. Everything is
behind the same door: loopback only, no foreign Host or Origin. Nothing here runs a program or renders content; the
browser is told to run these files' scripts and nobody else's.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from cluster_sandbox.discord.guard import Handler, guarded
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json
from cluster_sandbox.discord.server import DiscordServer

from .feed import Feed
from .views import Views

STATIC = Path(__file__).parent / "static"
KEEP_ALIVE_S = 15.0
RETRY_MS = 500
HISTORY = 100

# Scripts, styles and pictures from here alone, and no way to make markup out of text.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A file to try, offered where a channel is empty: it fills the file option of `command`."""

    name: str
    says: str
    """What it does, in a few words."""
    data: bytes = field(repr=False)
    command: str
    option: str


class Page:
    """`hint`: the sentence that says what to do first, in the page's markdown."""

    def __init__(self, server: DiscordServer, *, hint: str = "", samples: Sequence[Sample] = ()) -> None:
        self._server = server
        self._views = Views(server)
        self._hint = hint
        self._samples = {one.name: one for one in samples}
        # Another life of the server numbers its events anew, so a page that was left open must start over.
        self._life = secrets.token_hex(8)
        self._files = {str(path.relative_to(STATIC)): path.read_bytes() for path in STATIC.rglob("*") if path.is_file()}
        self._streams: set[asyncio.Transport] = set()
        self._closing = False

    def serve(self) -> None:
        """Be there when the server starts."""
        self._server.serve_also(self._add_routes)

    @property
    def streams(self) -> int:
        """How many pages are connected."""
        return len(self._streams)

    def drop_streams(self) -> None:
        """Cut every page's connection, as a network would; they come back by themselves."""
        for transport in list(self._streams):
            transport.abort()

    def _add_routes(self, app: web.Application) -> None:
        table: list[tuple[str, Handler]] = [
            ("/", self._index),
            ("/page/static/{path:.+}", self._static),
            ("/page/stream", self._stream),
            ("/page/messages", self._messages),
            ("/page/samples/{name}", self._sample),
        ]
        for path, handler in table:
            app.router.add_get(path, guarded(handler, lambda: self._server.url))
        app.on_shutdown.append(self._close)

    async def _close(self, app: web.Application) -> None:
        self._closing = True
        self._server.service.pulse.ring()

    # --- files --------------------------------------------------------------------------------------

    async def _index(self, request: web.Request) -> web.Response:
        return self._file("index.html")

    async def _static(self, request: web.Request) -> web.Response:
        return self._file(request.match_info["path"])

    def _file(self, name: str) -> web.Response:
        if name not in self._files:
            return web.Response(status=404, text=f"there is no {name}", headers=HEADERS)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        charset = None if kind.startswith("image/") and kind != "image/svg+xml" else "utf-8"
        return web.Response(body=self._files[name], content_type=kind, charset=charset, headers=HEADERS)

    async def _sample(self, request: web.Request) -> web.Response:
        sample = self._samples[request.match_info["name"]]
        return web.Response(body=sample.data, content_type="application/octet-stream", headers=HEADERS)

    # --- what there is ------------------------------------------------------------------------------

    def _viewer(self, request: web.Request) -> Acting:
        """The member that a page acts as; a name nobody has is refused, not made."""
        wanted = request.query.get("as", "")
        for one in self._server.people:
            if wanted in ("", one.name):
                return one
        raise ValueError(f"nobody here is called {wanted!r}")

    async def _messages(self, request: web.Request) -> Json:
        """The newest messages of a channel below `before`, oldest first; `more`: whether there are older ones."""
        viewer = self._viewer(request).user_id
        channel = self._server.channel(request.query["channel_id"])
        if not self._views.sees_channel(channel, viewer):
            raise ValueError("that channel is not yours to see")
        before = int(request.query["before"]) if "before" in request.query else None
        there = self._server.service.world.messages.get(channel.id, {}).values()
        seen = [one for one in there if self._views.sees_message(one, viewer) and (before is None or one.id < before)]
        return {
            "messages": [self._views.message(one) for one in seen[-HISTORY:]],
            "more": len(seen) > HISTORY,
        }

    def _hello(self, acting: Acting) -> Json:
        return {
            "life": self._life,
            "guild": self._views.guild.name,
            "bot_id": str(self._server.bot_user_id),
            "me": str(acting.user_id),
            "hint": self._hint,
            "file_bytes": self._server.policy.file_bytes,
            "samples": [
                {"name": one.name, "says": one.says, "command": one.command, "option": one.option}
                for one in self._samples.values()
            ],
        }

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: one batch each, numbered by the newest event in it, from which a page can go on."""
        acting = self._viewer(request)
        last = request.headers.get("Last-Event-ID", "")
        feed = Feed(self._server, self._views, acting, int(last) if last.isdigit() else None)
        headers = {**HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        self._streams.add(transport)
        try:
            await response.write(f"retry: {RETRY_MS}\n\n".encode())
            await self._tell(response, feed, acting)
        except ConnectionError:
            pass  # the page was closed
        finally:
            self._streams.discard(transport)
        return response

    async def _tell(self, response: web.StreamResponse, feed: Feed, acting: Acting) -> None:
        pulse = self._server.service.pulse
        hello: Json | None = self._hello(acting)
        while not self._closing:
            version = pulse.version
            batch = feed.batch()
            if hello is not None:
                batch, hello = {"hello": hello, **batch}, None
            if batch:
                await response.write(f"id: {feed.seq}\ndata: {json.dumps(batch)}\n\n".encode())
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    await pulse.after(version)
            except TimeoutError:
                await response.write(b": still here\n\n")
