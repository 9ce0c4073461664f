"""Hints between processes, by core NATS: what one process gives, the others on the same database hear too.

Made by the composition root where there is a NATS_URL. Within the process hints go the local way, so a NATS that is
away, slow or wrong costs nothing but what only other processes would have told; it is connected to in the background
and for ever. What was given meanwhile is lost, as hints may be: everybody looks again by themselves.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import OutboundBufferLimitError

from cluster_bot.hints.local import LocalHints
from cluster_bot.log import get_logger

log = get_logger(__name__)

AGAIN_S = 1.0
# What waits to be sent, in hints; older ones are the less worth the more there are.
MOST_WAITING = 1000
_RUN_ID = re.compile(rb"[0-9A-Za-z_-]{1,64}")


class NatsHints:
    """The `Hints` port of one kind; `Wire` makes it."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self.local = LocalHints()

    def give(self, run_id: str) -> None:
        """Tell every listener here, and those of the other processes."""
        self.local.give(run_id)
        self._send(run_id)

    def listen(self, ear: Callable[[str], None]) -> None:
        """Call `ear(run id)` for each hint from now on, wherever it was given."""
        self.local.listen(ear)


class Wire:
    """One connection for all kinds of hint, from entering to leaving; `scope` is what processes must have in common.

    The scope is the database's address, of which only a digest travels.
    """

    def __init__(self, url: str, scope: str, *, again_s: float = AGAIN_S) -> None:
        self._url = url
        self._prefix = f"cluster-bot.{hashlib.sha256(scope.encode()).hexdigest()[:16]}"
        self._again_s = again_s
        self._kinds: dict[str, NatsHints] = {}
        self._waiting: asyncio.Queue[tuple[str, str]] = asyncio.Queue(MOST_WAITING)
        self._work: asyncio.Task[None] | None = None
        self._told = False
        self.connected = asyncio.Event()

    def hints(self, kind: str) -> NatsHints:
        """The hints of a kind; to be asked for before entering."""
        made = self._kinds[kind] = NatsHints(lambda run_id: self._put(kind, run_id))
        return made

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(self._serve(), name="nats")
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})

    def _put(self, kind: str, run_id: str) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait((kind, run_id))

    async def _serve(self) -> None:
        """Connect, hear and send until cancelled."""
        never = asyncio.Event()
        while True:
            client = Client()
            try:
                await self._talk(client)
            except Exception as error:
                # The border: hints are not worth a bot. What the library mends by itself does not come here.
                await self._troubled(error)
            finally:
                self.connected.clear()
                # Of one that never connected nothing else would let go.
                await _close(client)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(never.wait(), self._again_s)

    async def _talk(self, client: Client) -> None:
        await self._connect(client)
        for kind, hints in self._kinds.items():
            await client.subscribe(f"{self._prefix}.{kind}", cb=_heard_by(hints))
        # Twice: the library's first question may overtake what it has not written yet.
        await client.flush()
        await client.flush()
        self._well()
        while True:
            kind, run_id = await self._waiting.get()
            try:
                await client.publish(f"{self._prefix}.{kind}", run_id.encode())
            except OutboundBufferLimitError:
                # It is away, and as much waits for it as may.
                continue

    async def _connect(self, client: Client) -> None:
        """Try for ever; the library does so again whenever the connection is lost."""

        async def lost() -> None:
            self.connected.clear()

        async def back() -> None:
            self._well()

        # The library's word for it is a whole number; it waits for any.
        options: dict[str, Any] = {"reconnect_time_wait": self._again_s}
        await client.connect(
            servers=[self._url],
            name="cluster-bot",
            # What we give ourselves was heard here already.
            no_echo=True,
            max_reconnect_attempts=-1,
            # While it is away, what is given is lost and not kept for later.
            pending_size=64 * 1024,
            error_cb=self._troubled,
            disconnected_cb=lost,
            reconnected_cb=back,
            **options,
        )

    def _well(self) -> None:
        log.info("NATS is connected", extra={"action": "nats_connected"})
        self._told = False
        self.connected.set()

    async def _troubled(self, error: Exception) -> None:
        """Log it once, however often it is tried again; never with the address, which may hold a password."""
        if not self._told:
            self._told = True
            said = type(error).__name__
            log.warning("NATS can't be used (%s); it is tried again", said, extra={"action": "nats_trouble"})


def _heard_by(hints: NatsHints) -> Callable[[Msg], Awaitable[None]]:
    async def heard(message: Msg) -> None:
        # Anybody may write there: what is no run's id is no hint.
        if _RUN_ID.fullmatch(message.data):
            hints.local.give(message.data.decode())

    return heard


async def answers(url: str, within_s: float) -> str:
    """ "" where a NATS at `url` lets us in, else what is wrong, without the address; for `cluster-bot check`."""
    client, said = Client(), []

    async def told(error: Exception) -> None:
        said.append(error)

    try:
        async with asyncio.timeout(within_s):
            # Few tries in quick succession: the library makes one of a server that refuses, and goes on.
            options: dict[str, Any] = {"max_reconnect_attempts": 1, "reconnect_time_wait": 0.05}
            await client.connect([url], allow_reconnect=False, error_cb=told, **options)
    except TimeoutError:
        return "it does not answer in time"
    except Exception as error:
        # Whatever the library makes of an address; its words might quote it, so only what it is about is said.
        cause = said[-1] if said else error
        # The server may hang up before its reason is read: one of the tries mostly has it.
        if any("uthorization" in str(one) for one in (*said, error)):
            return "it refuses the user or the password"
        return getattr(cause, "strerror", None) or type(cause).__name__
    finally:
        await _close(client)
    return ""


async def _close(client: Client) -> None:
    """Let go of a connection, whatever became of it."""
    with contextlib.suppress(Exception):
        # One that was never begun has nothing to let go of, and the library says so with an error.
        await client.close()
