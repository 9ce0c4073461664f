"""The way of every request: record, find the route, check token and rate limit, faults, handler, answer.

The one place where errors become answers. Called by `server.py` for everything below /api and /cdn.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from ...faults import Fault
from ...record import Request
from ..buckets import too_many
from ..errors import ApiError, api_error
from ..policy import Bucket
from ..service import Service
from . import callbacks, cdn, channels, commands, guilds, messages, threads, users, webhooks
from .body import read_body
from .route import NO_CONTENT, Answer, Call, Route

log = logging.getLogger(__name__)
API_PREFIX = re.compile(r"^/api/v(?:9|10)(?=/)")
SECRET_PARAMETER = "interaction_token"
MODULES = (users, guilds, channels, messages, threads, commands, callbacks, webhooks, cdn)


class DroppedError(Exception):
    """A fault asks for the connection to be cut instead of an answer."""


class Pipeline:
    def __init__(self, service: Service) -> None:
        self._service = service
        routes = [route for module in MODULES for route in module.routes.all]
        # `/users/@me` goes before `/users/{user_id}`.
        self._routes = sorted(routes, key=lambda route: route.parameters)
        service.templates = [route.template for route in self._routes]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = API_PREFIX.sub("", request.rel_url.raw_path)
        arrived = self._service.clock.now()
        route, params = self._find(request.method, path)
        masked = path.replace(params[SECRET_PARAMETER], "***") if SECRET_PARAMETER in params else path
        entry = self._service.record.open(
            time=arrived,
            method=request.method,
            path=masked,
            route=route.template if route else None,
            query=dict(request.query),
        )
        params = {name: unquote(value) for name, value in params.items()}
        headers: dict[str, str] = {}
        try:
            answer = await self._answer(request, entry, route, params, headers)
        except ApiError as error:
            entry.error = str(error)
            answer = Answer(error.status, error.body(), headers=error.headers)
        except DroppedError:
            entry.error = "connection dropped"
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        except Exception as error:
            # A bug of ours: answered and recorded, as an aiohttp traceback page would hide it from tests.
            log.exception("the sandbox failed on %s %s", request.method, masked)
            entry.error = f"sandbox failure: {error!r}"
            answer = Answer(500, {"message": f"The sandbox itself failed: {error!r}", "code": 0})
        entry.status = answer.status
        return _response(answer, headers)

    def _find(self, method: str, path: str) -> tuple[Route | None, dict[str, str]]:
        for route in self._routes:
            found = route.pattern.fullmatch(path) if route.method == method else None
            if found:
                return route, found.groupdict()
        return None, {}

    async def _answer(
        self,
        request: web.Request,
        entry: Request,
        route: Route | None,
        params: dict[str, str],
        headers: dict[str, str],
    ) -> Answer:
        body, files = await read_body(request, self._service.policy)
        entry.body, entry.files = body, tuple(one.filename for one in files.values())
        if route is None:
            raise self._no_route(request.method, API_PREFIX.sub("", request.rel_url.raw_path))
        if route.auth and request.headers.get("Authorization") != f"Bot {self._service.token}":
            raise api_error("unauthorized")
        self._limit(route, params, headers)
        fault = self._service.faults.take("before", entry)
        if fault is not None and (replaced := await self._strike(fault, entry)) is not None:
            return replaced
        result = route.handler(Call(self._service, entry, params, body, files))
        if inspect.isawaitable(result):
            result = await result
        answer = _as_answer(result)
        fault = self._service.faults.take("after", entry)
        if fault is not None and (replaced := await self._strike(fault, entry)) is not None:
            return replaced
        return answer

    def _no_route(self, method: str, path: str) -> ApiError:
        others = sorted({route.method for route in self._routes if route.pattern.fullmatch(path)})
        if others:
            message = f"405: Method Not Allowed (the sandbox knows {', '.join(others)} for {path})"
            return ApiError(405, 0, message)
        return ApiError(404, 0, f"404: Not Found (the sandbox has no route {method} {path})")

    def _limit(self, route: Route, params: dict[str, str], headers: dict[str, str]) -> None:
        if route.limit == "none":
            return
        policy, buckets = self._service.policy, self._service.buckets
        if route.limit != "webhook":
            buckets.take_global()
        sizes: dict[str, Bucket] = {
            "default": policy.default_bucket,
            "message": policy.message_bucket,
            "edit": policy.edit_bucket,
            "webhook": policy.webhook_bucket,
        }
        name = route.limit if route.limit != "default" else f"{route.method} {route.template}"
        major = ":".join(params.get(one, "") for one in ("channel_id", "guild_id", "application_id", SECRET_PARAMETER))
        headers.update(buckets.take(name, sizes[route.limit], major))

    async def _strike(self, fault: Fault, entry: Request) -> Answer | None:
        """Let a fault have its way; the answer it puts in place, None to go on."""
        entry.fault = True
        await fault.act(entry)
        if fault.latency > 0:
            await asyncio.sleep(fault.latency)
        if fault.drop_connection:
            raise DroppedError
        if fault.status is None:
            return None
        entry.error = f"fault: {fault.status}"
        if fault.status == 429:
            error = too_many(1.0, "user")
            body = error.body() if fault.body is None else fault.body
            return Answer(429, body, headers={**error.headers, **fault.headers})
        body = {"message": f"{fault.status}: ordered fault", "code": 0} if fault.body is None else fault.body
        return Answer(fault.status, body, headers=dict(fault.headers))


def _as_answer(result: Any) -> Answer:
    if isinstance(result, Answer):
        return result
    return Answer(NO_CONTENT) if result is None else Answer(200, result)


def _response(answer: Answer, headers: dict[str, str]) -> web.Response:
    merged = {**headers, **answer.headers}
    if answer.status == NO_CONTENT:
        return web.Response(status=NO_CONTENT, headers=merged)
    if isinstance(answer.body, bytes):
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers={**merged, "Content-Type": answer.content_type},
        )
    # Exactly `application/json`: discord.py hands a body with a charset parameter back as plain text.
    merged["Content-Type"] = "application/json"
    return web.Response(status=answer.status, body=json.dumps(answer.body).encode(), headers=merged)
