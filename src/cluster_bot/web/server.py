"""The web server: one listening socket and the routes behind it.

Opened by the composition root around everything that runners report to, and closed before the store is. Each concern
brings its routes from a module of its own. Plain HTTP: in front of it stands whatever gives PUBLIC_URL its TLS.
Limits: without an access log, because a path names runs and a header holds tokens.
"""

import errno
import logging
import os
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from cluster_bot.errors import StartupError
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import Hints, Store
from cluster_bot.web.answers import in_json
from cluster_bot.web.bounds import Bounds
from cluster_bot.web.health import Health, Ready
from cluster_bot.web.ingest import Ingest
from cluster_bot.web.metrics import LoopLag
from cluster_bot.web.tokens import Tokens

log = get_logger(__name__)

# Of requests under way when the server ends: runners send again what was not acknowledged.
_END_S = 5.0


class Routed(Protocol):
    """A part of the web side with routes of its own."""

    def routes(self) -> Sequence[web.RouteDef]:
        """What to serve."""


class WebServer:
    """Serves while it is entered; `port` is where, also where 0 was asked for.

    `more` are the rooms that not every bot has; `lag` is measured as long as it serves.
    """

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        *,
        wishes: Hints,
        news: Hints,
        ready: Ready,
        host: str = "127.0.0.1",
        port: int = 8080,
        clock: Callable[[], float] = time.time,
        bounds: Bounds | None = None,
        more: Sequence[Routed] = (),
        lag: LoopLag | None = None,
    ) -> None:
        self._bounds = bounds or Bounds()
        self._lag = lag
        ingest = Ingest(store, tokens, wishes=wishes, news=news, clock=clock, bounds=self._bounds)
        self._routes = [*ingest.routes(), *Health(store, ready).routes()]
        for one in more:
            self._routes += one.routes()
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._port

    async def __aenter__(self) -> Self:
        """Listen; raises StartupError with one sentence where that cannot be."""
        app = web.Application(middlewares=[in_json])
        app.add_routes(self._routes)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_http_logger(),
            shutdown_timeout=_END_S,
            keepalive_timeout=self._bounds.idle_s,
            lingering_time=self._bounds.linger_s,
            auto_decompress=False,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise StartupError(self._sentence(error)) from None
        self._port = self._runner.addresses[0][1]
        if self._lag is not None:
            self._lag.start()
        log.info("listening", extra={"action": "listen", "host": self._host, "port": self._port})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the requests under way, and listen no more."""
        if self._lag is not None:
            self._lag.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def _sentence(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"Port {self._port} of {self._host} is taken by another program; stop that one, or set WEB_PORT."
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return f"The web server can't listen on {self._host}, port {self._port} ({why}); set WEB_HOST and WEB_PORT."


def _http_logger() -> logging.Logger:
    """Where aiohttp reports; not what is no HTTP: everybody may send that, and it may quote a header with a token."""
    logger = get_logger("cluster_bot.web.http")
    logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
