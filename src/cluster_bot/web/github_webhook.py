"""`POST /github/webhook`: what GitHub tells by itself, so that nobody waits for the next look at it.

Routed by `server` where a secret is set. Hints only: what is told goes to an ear that the composition root gives, after
the answer, and everything would come out the same without it. Who sends must know the secret, and what was taken is
refused when it comes again: the signature covers the body alone, so it is by the signature that a delivery is known.
Limits: what was taken is remembered for the last thousands, and not beyond an end of the bot; an older delivery is a
hint again, which whoever hears it measures against what is known.
"""

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from cluster_bot.log import get_logger
from cluster_bot.meter import WEBHOOKS, Meter
from cluster_bot.web.answers import RefusedError
from cluster_bot.web.bodies import read_body
from cluster_bot.web.bounds import Bounds, Tallies

log = get_logger(__name__)

PATH = "/github/webhook"
# GitHub sends up to 25 MB; what is told of a run is some 30 KB.
MOST_BYTES = 2**20
EVENTS = ("workflow_run", "workflow_job")
# All that senders may hold of our memory together, known or not.
_BOUNDS = Bounds(bodies_bytes=32 * 2**20)
# GitHub gives up after ten.
_BODY_S = 8.0
_REMEMBERED = 10_000
_SMALL_BYTES = 128 * 2**10
_LOG_EVERY_S = 1.0
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_DELIVERY = re.compile(r"[0-9A-Za-z-]{1,64}")

# Told of a delivery: the event's name and its payload. Called in the loop, and returns at once.
Ear = Callable[[str, Mapping[str, Any]], None]


class GithubWebhook:
    """The route. `repository` is OWNER/NAME; of others nothing is passed on."""

    def __init__(self, secret: str, repository: str, ear: Ear, meter: Meter) -> None:
        self._secret = secret.encode()
        self._repository = repository.lower()
        self._ear = ear
        self._meter = meter
        self._tallies = Tallies(_BOUNDS)
        self._taken: dict[str, None] = {}
        self._logged_at = float("-inf")
        self._unlogged = 0

    def routes(self) -> Sequence[web.RouteDef]:
        """What to serve."""
        return [web.post(PATH, self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            signature, body = await self._read(request)
            self._check(signature, body)
            result = await self._take(_only(request, "X-GitHub-Event"), body)
        except RefusedError as refused:
            self._refused(refused, request)
            raise
        self._remember(signature)
        self._meter.count(WEBHOOKS, result)
        return web.json_response({"taken": result == "taken"}, status=202)

    async def _read(self, request: web.Request) -> tuple[str, bytes]:
        """Signature and body; what needs no body is refused before one is read."""
        signature = _only(request, "X-Hub-Signature-256")
        if not _SIGNATURE.fullmatch(signature):
            raise RefusedError(403, "The delivery is not signed (X-Hub-Signature-256); set the webhook's secret.")
        if request.content_type != "application/json":
            raise RefusedError(415, "Set the webhook's content type to application/json.")
        length = MOST_BYTES if request.content_length is None else min(request.content_length, MOST_BYTES)
        with self._tallies.receiving(length):
            return signature, await read_body(request, MOST_BYTES, _BODY_S)

    def _check(self, signature: str, body: bytes) -> None:
        ours = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(ours, signature):
            raise RefusedError(403, "The signature is not this body's; set the webhook's secret as it is here.")
        if signature in self._taken:
            raise RefusedError(409, "This delivery was taken before.")

    async def _take(self, event: str, body: bytes) -> str:
        """Pass on what is for us; what became of it."""
        try:
            payload = json.loads(body) if len(body) <= _SMALL_BYTES else await asyncio.to_thread(json.loads, body)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, dict):
            raise RefusedError(400, "The body is no JSON object.")
        if event == "ping":
            # Of an organisation's webhook it names no repository.
            asyncio.get_running_loop().call_soon(self._tell, event, payload)
            return "ping"
        repository = payload.get("repository")
        name = repository.get("full_name") if isinstance(repository, dict) else None
        if event not in EVENTS or not isinstance(name, str) or name.lower() != self._repository:
            return "not_ours"
        # GitHub hears that it was taken before anything comes of it.
        asyncio.get_running_loop().call_soon(self._tell, event, payload)
        return "taken"

    def _tell(self, event: str, payload: Mapping[str, Any]) -> None:
        try:
            self._ear(event, payload)
        except Exception:
            # The border: it was a hint, signed, and of a form nobody expected; the next look at GitHub tells all.
            log.exception("hint not understood", extra={"action": "webhook_failed", "event": event})

    def _remember(self, signature: str) -> None:
        self._taken[signature] = None
        if len(self._taken) > _REMEMBERED:
            del self._taken[next(iter(self._taken))]

    def _refused(self, refused: RefusedError, request: web.Request) -> None:
        """Count it, and log it unless strangers send more than a person would read."""
        self._meter.count(WEBHOOKS, f"refused_{refused.status}")
        now = time.monotonic()
        if now - self._logged_at < _LOG_EVERY_S:
            self._unlogged += 1
            return
        delivery = _only(request, "X-GitHub-Delivery")
        facts = {
            "action": "webhook_refused",
            "status": refused.status,
            # Only what looks like one: it is a stranger's text.
            "delivery": delivery if _DELIVERY.fullmatch(delivery) else "?",
            "unlogged": self._unlogged,
        }
        log.warning("webhook refused: %s", refused.sentence, extra=facts)
        self._logged_at, self._unlogged = now, 0


def _only(request: web.Request, name: str) -> str:
    """A header's value, "" where there is none or more than one."""
    given = request.headers.getall(name, [])
    return given[0] if len(given) == 1 else ""
