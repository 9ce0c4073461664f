"""The other host: where GitHub keeps logs and artifacts, and redirects to.

Its own port, signed addresses for a minute, and no Authorization: Azure refuses a request that carries one beside a
signature. Answers in Azure's XML.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from aiohttp import web

from ..record import Request
from .world import World


@dataclass(slots=True)
class Blob:
    data: bytes
    content_type: str
    expires: float
    filename: str


@dataclass(slots=True)
class StorageFault:
    """Answer the next `times` requests with `status`, or cut the connection after half the bytes (`cut`)."""

    status: int = 503
    times: int = 1
    cut: bool = False


@dataclass(slots=True)
class Storage:
    world: World
    base: str = ""
    blobs: dict[str, Blob] = field(default_factory=dict)
    faults: deque[StorageFault] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)

    def link(self, data: bytes, content_type: str, filename: str) -> str:
        """A signed address for `data`."""
        now = self.world.now()
        self.blobs = {key: blob for key, blob in self.blobs.items() if blob.expires > now}
        key = secrets.token_urlsafe(24)
        self.blobs[key] = Blob(data, content_type, now + self.world.policy.link_s, filename)
        return f"{self.base}/actions-results/{filename}?se={int(now + self.world.policy.link_s)}&sig={key}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        entry = Request(len(self.requests) + 1, self.world.now(), request.method, request.path, None, {"sig": "***"})
        self.requests.append(entry)
        answer = await self._answer(request)
        entry.status = answer.status
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        fault = self._fault()
        if fault is not None and not fault.cut:
            return _xml(fault.status, "ServerBusy", "The server is busy.")
        if "Authorization" in request.headers:
            return _xml(401, "InvalidAuthenticationInfo", "Server failed to authenticate the request.")
        blob = self.blobs.get(request.query.get("sig", ""))
        if blob is None or blob.expires <= self.world.now() or request.method not in ("GET", "HEAD"):
            return _xml(403, "AuthenticationFailed", "Signature not valid in the specified time frame.")
        if fault is not None:
            return await self._cut(request, blob)
        disposition = {"Content-Disposition": f'attachment; filename="{blob.filename}"'}
        return web.Response(body=blob.data, content_type=blob.content_type, headers=disposition)

    def _fault(self) -> StorageFault | None:
        while self.faults and self.faults[0].times <= 0:
            self.faults.popleft()
        if not self.faults:
            return None
        self.faults[0].times -= 1
        return self.faults[0]

    @staticmethod
    async def _cut(request: web.Request, blob: Blob) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(blob.data))})
        await response.prepare(request)
        await response.write(blob.data[: len(blob.data) // 2])
        if request.transport is not None:
            request.transport.abort()
        return response


def _xml(status: int, code: str, message: str) -> web.Response:
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>'
    )
    return web.Response(status=status, text=text, content_type="application/xml")
