"""A web server with a real store behind it, and who comes to its door: a runner, and strangers with bare sockets."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from cluster_bot.hints import LocalHints
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore
from cluster_bot.web import Tokens, WebServer
from cluster_bot.web.bounds import Bounds
from cluster_runner.wire import Event, event_to_line

NOW = 1_700_000_000.0
HELLO = Event(1, NOW, "hello", {"machine": "host"})
OUTCOME_BODY = {"result": "exited", "exit_code": 0, "duration_s": 1.0}


def log(number: int, text: str = "line\n") -> Event:
    """A log event."""
    return Event(number, NOW, "log", {"stream": "stdout", "text": text})


def outcome(number: int) -> Event:
    """An outcome event."""
    return Event(number, NOW, "outcome", OUTCOME_BODY)


def lines(*events: Event) -> bytes:
    """The events as a body."""
    return b"".join(map(event_to_line, events))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    said: Any
    headers: dict[str, str]


@dataclass
class Porch:
    """The open server, its store, and all hints that were given."""

    server: WebServer
    store: SqlStore
    tokens: Tokens
    client: aiohttp.ClientSession
    now: list[float]
    wished: list[str] = field(default_factory=list)
    news: list[str] = field(default_factory=list)
    not_ready: list[str] = field(default_factory=list)

    async def launched(self, key: str = "key", **more: Any) -> Run:
        """A run in its first attempt."""
        spec = RunSpec({"a.py": "print('ü')\n"}, "a.py", "github", 60, arguments=("--n", "1"))
        asked = Submission(spec, Member("1", "ann"), Origin(key, {}))
        run = (await self.store.admit(asked, Limits(1000, 1000), NOW)).run
        return await self.store.save(replace(run, **{"status": Status.STARTING, "attempt": 1, **more}))

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; every answer but 204 is a JSON object, and every refusal a sentence."""
        given = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://127.0.0.1:{self.server.port}{path}"
        sent = None if body is None else io.BytesIO(body)
        async with self.client.request(method, url, data=sent, headers={**given, **(headers or {})}) as answer:
            text = await answer.text()
            said = json.loads(text) if text else None
            if answer.status >= 400:
                assert said is not None and said["error"].endswith(".")
                assert not token or token not in text
            return Answer(answer.status, said, dict(answer.headers))

    async def as_runner(self, run: Run, method: str, what: str, body: bytes | None = None, attempt: int = 1) -> Answer:
        """One request below the run, with the token of an attempt."""
        token = self.tokens.mint(run.id, attempt, self.now[0] + 3600)
        return await self.ask(method, f"/runs/{run.id}/{what}", body, token=token)

    async def post(self, run: Run, *events: Event, attempt: int = 1) -> Answer:
        """Post events; none: a heartbeat."""
        return await self.as_runner(run, "POST", "events", lines(*events), attempt)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A bare connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    def head(self, run: Run, what: str, *headers: str, method: str = "POST") -> bytes:
        """The beginning of a request with a good token."""
        token = self.tokens.mint(run.id, 1, self.now[0] + 3600)
        first = [f"{method} /runs/{run.id}/{what} HTTP/1.1", "Host: here", f"Authorization: Bearer {token}"]
        return "\r\n".join([*first, *headers, "", ""]).encode()


@asynccontextmanager
async def porch(folder: Path, bounds: Bounds | None = None) -> AsyncIterator[Porch]:
    """All of it, over a new database in `folder`."""
    store = await SqlStore.open(f"sqlite:///{folder / 'bot.sqlite3'}")
    tokens, now = Tokens(b"k" * 32), [NOW]
    wishes, news = LocalHints(), LocalHints()
    said: list[str] = []

    async def ready() -> str:
        return "".join(said)

    server = WebServer(
        store, tokens, wishes=wishes, news=news, ready=ready, port=0, clock=lambda: now[0], bounds=bounds
    )
    try:
        async with server, aiohttp.ClientSession() as client:
            made = Porch(server, store, tokens, client, now, not_ready=said)
            wishes.listen(made.wished.append)
            news.listen(made.news.append)
            yield made
    finally:
        await store.close()


async def answer_on(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """The next answer on a bare connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
    body = await reader.readexactly(int(fields["Content-Length"]))
    return int(head.split()[1]), json.loads(body)
