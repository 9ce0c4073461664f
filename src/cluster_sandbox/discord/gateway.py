"""The gateway: websocket sessions of the bot, numbered events, heartbeats, resuming.

`messaging.py`, `threads.py` and `interactions.py` call `dispatch`; tests break connections with `drop` and
`disconnect_hard`. Every session of the bot gets every event, as on the real service when two processes log in
with one token. Frames are uncompressed text, which clients that ask for compression accept.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

from aiohttp import WSMsgType, web

from ..pulse import Pulse
from .clock import Clock
from .model import Json
from .payloads import Payloads
from .policy import Policy
from .world import World

REPLAYABLE = 5000


class Intent(IntFlag):
    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_MESSAGES = 1 << 9
    GUILD_REACTIONS = 1 << 10
    DIRECT_MESSAGES = 1 << 12
    MESSAGE_CONTENT = 1 << 15


class CloseError(Exception):
    """Ends a connection with a close code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


@dataclass(eq=False)
class Connection:
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    outgoing: asyncio.Queue[str | CloseError] = field(default_factory=asyncio.Queue)
    session: Session | None = None
    received: deque[float] = field(default_factory=deque)

    def send(self, op: int, data: Any, *, event: str | None = None, seq: int | None = None) -> None:
        self.outgoing.put_nowait(json.dumps({"op": op, "d": data, "s": seq, "t": event}))


@dataclass(eq=False)
class Session:
    """One login. Lives on for a while without a connection, collecting what a RESUME will replay."""

    id: str
    intents: int
    shard: list[int]
    seq: int = 0
    past: deque[tuple[int, str, Json]] = field(default_factory=lambda: deque(maxlen=REPLAYABLE))
    connection: Connection | None = None
    lost_at: float | None = None

    def send(self, event: str, data: Json) -> None:
        self.seq += 1
        self.past.append((self.seq, event, data))
        if self.connection is not None:
            self.connection.send(0, data, event=event, seq=self.seq)


class Gateway:
    """All sessions of the one bot. `ready` is set while at least one connection is logged in."""

    def __init__(
        self, world: World, payloads: Payloads, policy: Policy, clock: Clock, token: str, pulse: Pulse
    ) -> None:
        self._world = world
        self._payloads = payloads
        self._policy = policy
        self._clock = clock
        self._token = token
        self._pulse = pulse
        self._sessions: dict[str, Session] = {}
        self._open: list[Connection] = []
        self.url = ""
        """Set once the port is known."""
        self.ready = asyncio.Event()
        self.logins = 0
        """How often a connection has logged in or resumed."""
        self._login = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many connections are logged in now."""
        return sum(1 for one in self._open if one.session is not None)

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    async def wait_ready(self, timeout: float = 10.0, *, logins: int = 0) -> None:
        """Return once a bot is connected and was sent READY; TimeoutError after `timeout` seconds.

        After a kill the old connection may look alive for a moment: wait for `logins` above those before it.
        """
        async with asyncio.timeout(timeout):
            while self.logins < logins or not self.ready.is_set():
                await (self._login if self.ready.is_set() else self.ready).wait()

    def drop(self, *, resumable: bool = True) -> None:
        """Close every connection as the service does for maintenance; without `resumable` the sessions end."""
        for connection in list(self._open):
            self._detach(connection, keep=resumable)
            connection.outgoing.put_nowait(CloseError(4000, "dropped"))

    def disconnect_hard(self) -> None:
        """Cut every connection without a closing handshake, as a lost network does. Sessions can be resumed."""
        for connection in list(self._open):
            self._detach(connection, keep=True)
            if connection.transport is not None:
                connection.transport.abort()

    def dispatch(self, event: str, data: Json, intent: Intent | None = None) -> None:
        """Send an event to every session that asked for its kind (None: whatever it asked for)."""
        self._pulse.ring()
        if event != "INTERACTION_CREATE" and not self._hears(data):
            return
        for session in list(self._sessions.values()):
            expired = session.lost_at is not None and (
                self._clock.now() - session.lost_at > self._policy.resume_window_s
            )
            if expired:
                del self._sessions[session.id]
            elif intent is None or session.intents & intent:
                session.send(event, data)

    def dispatch_message(self, event: str, data: Json) -> None:
        """Send a message event; without the content intent its text is blank, as far as the service blanks it."""
        if not self._hears(data):
            return
        intent = Intent.GUILD_MESSAGES if "guild_id" in data else Intent.DIRECT_MESSAGES
        bot = str(self._world.bot.id)
        own = data["author"]["id"] == bot or any(one["id"] == bot for one in data["mentions"])
        blank = {**data, "content": "", "embeds": [], "attachments": [], "components": []}
        for session in list(self._sessions.values()):
            if session.intents & intent:
                clear = own or "guild_id" not in data or session.intents & Intent.MESSAGE_CONTENT
                session.send(event, data if clear else blank)

    def _hears(self, data: Json) -> bool:
        return self._world.hears(int(data.get("guild_id") or 0) or None, int(data.get("channel_id") or 0) or None)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """The websocket endpoint: one call per connection."""
        socket = web.WebSocketResponse(max_msg_size=64 * 1024)
        await socket.prepare(request)
        connection = Connection(socket, request.transport)
        self._open.append(connection)
        connection.send(10, {"heartbeat_interval": int(self._policy.heartbeat_s * 1000)})
        writer = asyncio.create_task(self._write(connection), name="discord-gateway-writer")
        try:
            await self._read(connection)
        finally:
            # 1000 and 1001 from the client end the session; anything else leaves it to be resumed.
            self._detach(connection, keep=socket.close_code not in (1000, 1001))
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def close(self) -> None:
        """Say goodbye to every connection; for the end of the server."""
        for connection in list(self._open):
            self._detach(connection, keep=False)
            await connection.socket.close(code=1001)

    async def _write(self, connection: Connection) -> None:
        while True:
            item = await connection.outgoing.get()
            try:
                if isinstance(item, CloseError):
                    await connection.socket.close(code=item.code, message=item.reason.encode())
                    return
                await connection.socket.send_str(item)
            except ConnectionError:
                return  # the reader sees the same end and cleans up

    async def _read(self, connection: Connection) -> None:
        async for frame in connection.socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            try:
                self._receive(connection, frame.data)
            except CloseError as closed:
                self._detach(connection, keep=closed.code not in (4003, 4004, 4014))
                connection.outgoing.put_nowait(closed)

    def _receive(self, connection: Connection, text: str) -> None:
        self._count(connection)
        try:
            message = json.loads(text)
            op, data = message["op"], message.get("d")
        except (ValueError, TypeError, KeyError) as error:
            raise CloseError(4002, "Error while decoding payload.") from error
        if op == 1:
            connection.send(11, None)
        elif op == 2:
            self._identify(connection, data)
        elif op == 6:
            self._resume(connection, data)
        elif connection.session is None:
            raise CloseError(4003, "Not authenticated.")
        elif op == 8:
            self._chunk(connection.session, data)
        elif op not in (3, 4):
            raise CloseError(4001, "Unknown opcode.")

    def _count(self, connection: Connection) -> None:
        limit, seconds = self._policy.gateway_bucket
        now = self._clock.now()
        connection.received.append(now)
        while connection.received[0] <= now - seconds:
            connection.received.popleft()
        if len(connection.received) > limit:
            raise CloseError(4008, "Rate limited.")

    def _identify(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise CloseError(4005, "Already authenticated.")
        if data.get("token", "").removeprefix("Bot ") != self._token:
            raise CloseError(4004, "Authentication failed.")
        intents = data.get("intents")
        if not isinstance(intents, int):
            raise CloseError(4013, "Invalid intent(s).")
        if intents & self._policy.disallowed_intents:
            raise CloseError(4014, "Disallowed intent(s).")
        session = Session(secrets.token_hex(16), intents, data.get("shard") or [0, 1])
        self._sessions[session.id] = session
        self._attach(connection, session)
        guilds = self._world.bots_guilds
        session.send(
            "READY",
            {
                "v": 10,
                "user": self._payloads.me(),
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "resume_gateway_url": self.url,
                "shard": session.shard,
                "application": {"id": str(self._world.application_id), "flags": 0},
            },
        )
        for guild in guilds:
            session.send("GUILD_CREATE", self._payloads.guild_create(guild))
        self._logged_in()

    def _resume(self, connection: Connection, data: Json) -> None:
        if data.get("token", "").removeprefix("Bot ") != self._token:
            raise CloseError(4004, "Authentication failed.")
        session = self._sessions.get(data.get("session_id", ""))
        seq = data.get("seq") or 0
        oldest = session.past[0][0] if session and session.past else 1
        late = (
            session is not None
            and session.lost_at is not None
            and (self._clock.now() - session.lost_at > self._policy.resume_window_s)
        )
        if session is None or late or seq < oldest - 1 or seq > session.seq:
            connection.send(9, False)
            return
        if session.connection is not None:
            self._detach(session.connection, keep=True)
        self._attach(connection, session)
        for number, event, payload in session.past:
            if number > seq:
                connection.send(0, payload, event=event, seq=number)
        # `d` must be an object: discord.py writes into it.
        session.send("RESUMED", {})
        self._logged_in()

    def _chunk(self, session: Session, data: Json) -> None:
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None or self._world.bot.id not in guild.members:
            return
        wanted = {int(one) for one in data.get("user_ids") or []}
        query = data.get("query") or ""
        found = [
            one
            for one in guild.members.values()
            if (one.user.id in wanted if wanted else one.user.name.startswith(query))
        ]
        session.send(
            "GUILD_MEMBERS_CHUNK",
            {
                "guild_id": str(guild.id),
                "members": [self._payloads.member(one) for one in found],
                "chunk_index": 0,
                "chunk_count": 1,
                "not_found": [],
                "nonce": data.get("nonce"),
            },
        )

    def _logged_in(self) -> None:
        self.logins += 1
        self.ready.set()
        self._pulse.ring()
        login, self._login = self._login, asyncio.Event()
        login.set()

    def _attach(self, connection: Connection, session: Session) -> None:
        connection.session, session.connection, session.lost_at = session, connection, None

    def _detach(self, connection: Connection, *, keep: bool) -> None:
        """Take a connection out of service at once, before its socket has noticed."""
        if connection in self._open:
            self._open.remove(connection)
        session, connection.session = connection.session, None
        if session is not None and session.connection is connection:
            session.connection, session.lost_at = None, self._clock.now()
            if not keep:
                self._sessions.pop(session.id, None)
        if not self.connections:
            self.ready.clear()
            self._pulse.ring()
