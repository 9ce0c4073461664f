"""The way of every API request: record, route, token, limits, faults, handler, ETag, answer.

The one place where errors become answers. Called by `server.py` for everything below /api/v3.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from ...faults import Fault
from ..access import SCOPES, AccessError, Token, is_jwt
from ..service import Service
from . import actions, apps, concurrency, contents, git, hooks, pulls, repository, runners
from .route import Answer, ApiError, Call, Route, not_found

log = logging.getLogger(__name__)
PREFIX = "/api/v3"
MODULES = (actions, apps, concurrency, contents, git, hooks, pulls, repository, runners)
HIDDEN = "***"
SECRET_INPUTS = ("payload", "token")
"""Inputs of a dispatch that the record does not keep."""
VERSIONS = ("2022-11-28", "2026-03-10")


class DroppedError(Exception):
    """A fault asks for the connection to be cut instead of an answer."""


class Pipeline:
    def __init__(self, service: Service) -> None:
        self._service = service
        found = [route for module in MODULES for route in module.routes.all]
        # The plainest first: `/branches/main` before `/branches/{branch}`.
        self._routes = sorted(found, key=lambda route: route.template.count("{"))
        service.templates = [route.template for route in self._routes]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.rel_url.raw_path.removeprefix(PREFIX)
        route, params = self._find(request.method, path)
        entry = self._service.record.open(
            time=self._service.world.now(),
            method=request.method,
            path=path,
            route=route.template if route else None,
            query=dict(request.query),
        )
        token = _token(request)
        call = Call(
            self._service,
            entry,
            {name: unquote(value) for name, value in params.items()},
            f"{request.scheme}://{request.host}{PREFIX}",
            token=token,
        )
        call.caller = self._service.access.find(token)
        limits = self._service.limits
        purse = call.caller.purse if call.caller else ""
        limits.enter(purse)
        try:
            answer = await self._answer(request, call, route)
        except ApiError as error:
            entry.error = str(error)
            answer = Answer(error.status, error.body(), error.headers)
        except DroppedError:
            entry.error = "connection dropped"
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        except Exception as error:
            # A bug of ours: answered and recorded, as an aiohttp traceback page would hide it from tests.
            log.exception("the sandbox failed on %s %s", request.method, path)
            entry.error = f"sandbox failure: {error!r}"
            answer = Answer(500, {"message": f"The sandbox itself failed: {error!r}"})
        finally:
            limits.leave(purse)
        return self._respond(request, call, route, answer)

    def _find(self, method: str, path: str) -> tuple[Route | None, dict[str, str]]:
        for route in self._routes:
            found = route.pattern.fullmatch(path) if route.method == method else None
            if found:
                return route, found.groupdict()
        return None, {}

    async def _answer(self, request: web.Request, call: Call, route: Route | None) -> Answer:
        call.raw = await request.read()
        call.body = _json(call.raw) if route is None or route.access != "job" else None
        call.request.body = _recorded(call.body)
        self._authorize(call, route)
        if route is None:
            raise not_found()
        if (version := request.headers.get("X-GitHub-Api-Version", VERSIONS[0])) not in VERSIONS:
            raise ApiError(400, f'API version "{version}" is not supported.')
        if call.params.get("owner") not in (None, self._service.world.owner):
            raise not_found()
        if call.params.get("repo") not in (None, self._service.world.name):
            raise not_found()
        if call.params.get("org") not in (None, self._service.world.owner):
            raise not_found()
        if route.access == "user" and call.caller is not None:
            self._limit(call, call.caller)
        fault = self._service.faults.take("before", call.request)
        if fault is not None and (replaced := await self._strike(fault, call)) is not None:
            return replaced
        result = route.handler(call)
        answer = result if isinstance(result, Answer) else Answer(200, result)
        fault = self._service.faults.take("after", call.request)
        if fault is not None and (replaced := await self._strike(fault, call)) is not None:
            return replaced
        return answer

    def _authorize(self, call: Call, route: Route | None) -> None:
        if route is not None and route.access == "job":
            return
        if route is not None and route.access == "app":
            try:
                call.app = self._service.access.app_of(call.token)
            except AccessError as error:
                raise ApiError(401, str(error)) from None
            return
        caller = call.caller
        if caller is None:
            if is_jwt(call.token):
                raise ApiError(403, "Resource not accessible by integration")
            raise ApiError(401, "Bad credentials" if call.token else "Requires authentication")
        if route is None:
            return
        if caller.scopes is None:
            call.headers["X-Accepted-GitHub-Permissions"] = f"{route.permission}={route.level}"
        else:
            call.headers["X-OAuth-Scopes"] = ", ".join(caller.scopes)
            call.headers["X-Accepted-OAuth-Scopes"] = ", ".join(
                scope for scope, opened in SCOPES.items() if route.permission in opened
            )
        if not caller.may(route.permission, route.level):
            # A private repository is not even there for a classic token without the scope.
            raise not_found() if caller.scopes is not None else ApiError(403, caller.refusal)

    def _limit(self, call: Call, caller: Token) -> None:
        limits = self._service.limits
        if limits.primary_spent(caller.purse):
            raise ApiError(403, PRIMARY, limits.headers(caller.purse))
        if limits.secondary_spent(caller.purse, call.request.method):
            retry = str(self._service.world.policy.secondary_retry_s)
            raise ApiError(403, SECONDARY, {"Retry-After": retry})

    async def _strike(self, fault: Fault, call: Call) -> Answer | None:
        """Let a fault have its way; the answer it puts in place, None to go on."""
        call.request.fault = True
        await fault.act(call.request)
        if fault.latency > 0:
            passed = asyncio.Event()
            asyncio.get_running_loop().call_later(fault.latency, passed.set)
            await passed.wait()
        if fault.drop_connection:
            raise DroppedError
        if fault.status is None:
            return None
        call.request.error = f"fault: {fault.status}"
        body = (
            {"message": f"{fault.status}: ordered fault", "documentation_url": ""} if fault.body is None else fault.body
        )
        return Answer(fault.status, body, dict(fault.headers))

    def _respond(self, request: web.Request, call: Call, route: Route | None, answer: Answer) -> web.Response:
        limits, entry = self._service.limits, call.request
        body, kind = answer.body, "application/json; charset=utf-8"
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"X-GitHub-Request-Id": secrets.token_hex(8).upper(), "X-GitHub-Media-Type": "github.v3; format=json"}
        status = answer.status
        if request.method == "GET" and status == 200:
            etag = f'W/"{hashlib.sha256(data).hexdigest()}"'
            headers |= {
                "ETag": etag,
                "Cache-Control": "private, max-age=60, s-maxage=60",
                "Vary": "Accept, Authorization",
            }
            if etag in request.headers.get("If-None-Match", ""):
                status, data = 304, b""
        if call.caller is not None:
            if route is not None and route.access == "user" and status != 304:
                limits.count(call.caller.purse)
            headers |= limits.headers(call.caller.purse)
        headers |= call.headers
        if status not in (204, 304):
            headers["Content-Type"] = kind
        headers |= answer.headers
        entry.status = status
        if route is not None and route.access != "job" and not entry.fault:
            for tell in self._service.answered:
                tell(entry, answer.body if data else None)
        return web.Response(status=status, body=data, headers=headers)


PRIMARY = "API rate limit exceeded for user ID 1."
SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID."
)


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else ""


def _json(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        raise ApiError(400, "Problems parsing JSON") from None


def _recorded(body: Any) -> Any:
    """The body as the record keeps it: without payload and token."""
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), dict):
        return body
    inputs = {name: HIDDEN if name in SECRET_INPUTS and value else value for name, value in body["inputs"].items()}
    return {**body, "inputs": inputs}
