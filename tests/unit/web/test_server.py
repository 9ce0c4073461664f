"""How the server begins and ends, and whether it says that the bot is well."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from cluster_bot.errors import StartupError
from cluster_bot.hints import LocalHints
from cluster_bot.store import SqlStore
from cluster_bot.web import Tokens, WebServer
from cluster_bot.web.answers import RefusedError
from cluster_bot.web.health import Health, Ready


async def well() -> str:
    return ""


def server(store: SqlStore, *, host: str = "127.0.0.1", port: int = 0) -> WebServer:
    hints = LocalHints()
    return WebServer(store, Tokens(b"k" * 32), wishes=hints, news=hints, ready=well, host=host, port=port)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await SqlStore.open(f"sqlite:///{tmp_path / 'bot.sqlite3'}")
    yield opened
    await opened.close()


async def status(port: int, path: str) -> int:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status


async def test_a_port_that_is_taken(store: SqlStore) -> None:
    async with server(store) as first:
        with pytest.raises(StartupError, match=rf"^Port {first.port} of 127.0.0.1 is taken .* WEB_PORT\.$"):
            await server(store, port=first.port).__aenter__()
        assert await status(first.port, "/healthz") == 200


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
async def test_a_host_that_is_not_this_machine(store: SqlStore, host: str) -> None:
    with pytest.raises(StartupError, match=r"^The web server can't listen on .* WEB_HOST and WEB_PORT\.$"):
        await server(store, host=host).__aenter__()


async def test_a_port_is_free_again_at_once(store: SqlStore) -> None:
    async with server(store) as first:
        assert await status(first.port, "/healthz") == 200
        port = first.port
    async with server(store, port=port):
        assert await status(port, "/healthz") == 200
    with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", port)):
        pass


async def test_an_idle_connection_does_not_keep_it_from_ending(store: SqlStore) -> None:
    async with server(store) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert (await reader.read()).endswith(b'{"healthy": true}')
    writer.close()


# --- health -----------------------------------------------------------------------------------------------------


async def refusal(store: SqlStore, ready: Ready, **more: float) -> RefusedError:
    [_, readyz] = Health(store, ready, **more).routes()
    with pytest.raises(RefusedError) as caught:
        await readyz.handler(None)  # type: ignore[arg-type]
    return caught.value


async def test_why_it_is_not_ready_is_said(store: SqlStore) -> None:
    async def not_yet() -> str:
        return "Discord has not let the bot in yet."

    refused = await refusal(store, not_yet)
    assert (refused.status, refused.sentence) == (503, "Discord has not let the bot in yet.")


async def test_whoever_fails_to_tell_is_not_ready(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> str:
        raise LookupError("secret")

    async def never() -> str:
        # However long the database took: from here on it is an hour later.
        loop = asyncio.get_running_loop()
        before = loop.time
        monkeypatch.setattr(loop, "time", lambda: before() + 3600)
        await asyncio.Event().wait()
        return ""

    assert (await refusal(store, fails)).sentence == "The bot does not answer."
    assert (await refusal(store, never, answer_s=3600)).sentence == "The bot does not answer."


async def test_a_database_that_is_away(tmp_path: Path) -> None:
    store = await SqlStore.open(f"sqlite:///{tmp_path / 'bot.sqlite3'}")
    await store.close()
    async with server(store) as one:
        assert await status(one.port, "/readyz") == 503
        assert await status(one.port, "/healthz") == 200
    assert (await refusal(store, well)).sentence == "The database does not answer."


async def test_many_who_ask_cost_one_look(store: SqlStore) -> None:
    looks = []

    async def look() -> str:
        looks.append(1)
        return ""

    [_, readyz] = Health(store, look, look_again_s=1e9).routes()
    await asyncio.gather(*(readyz.handler(None) for _ in range(100)))  # type: ignore[arg-type]
    assert len(looks) == 1
