"""Whether the bot is well, for whoever watches over it: `/healthz` and `/readyz`, both without a token.

Routed by `server`. `/healthz` says that the loop turns, nothing more: a restart would not mend what is outside.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from cluster_bot.errors import UnknownRunError
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import Store
from cluster_bot.web.answers import RefusedError

log = get_logger(__name__)

# "" where all is well, else why not, in a sentence that anybody may read.
Ready = Callable[[], Awaitable[str]]

_NOBODY = "0" * 32


class Health:
    """The two routes. One look serves all who ask within `look_again_s`, since anybody may."""

    def __init__(self, store: Store, ready: Ready, *, look_again_s: float = 1.0, answer_s: float = 5.0) -> None:
        self._store = store
        self._ready = ready
        self._look_again_s = look_again_s
        self._answer_s = answer_s
        self._one_look = asyncio.Lock()
        self._looked_at = float("-inf")
        self._why_not = ""

    def routes(self) -> Sequence[web.RouteDef]:
        """What to serve."""
        return [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"healthy": True})

    async def _readyz(self, request: web.Request) -> web.Response:
        async with self._one_look:
            if time.monotonic() - self._looked_at >= self._look_again_s:
                self._why_not = await self._look()
                self._looked_at = time.monotonic()
        if self._why_not:
            raise RefusedError(503, self._why_not, after_s=1)
        return web.json_response({"ready": True})

    async def _look(self) -> str:
        for part, ask in (("The database", self._ask_store), ("The bot", self._ready)):
            try:
                async with asyncio.timeout(self._answer_s):
                    why_not = await ask()
            except Exception:
                # Whatever keeps a part from telling keeps it from working; strangers need not know more.
                log.exception("not ready", extra={"action": "not_ready"})
                why_not = f"{part} does not answer."
            if why_not:
                return why_not
        return ""

    async def _ask_store(self) -> str:
        with contextlib.suppress(UnknownRunError):
            await self._store.standing(_NOBODY)
        return ""
