"""What `cluster-bot check` says of PUBLIC_URL: who answers there, and whether the bot answers here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from cluster_bot.check.here import _public_url, _reached
from cluster_bot.check.lines import Said
from cluster_bot.errors import StartupError
from cluster_bot.settings import Settings


@asynccontextmanager
async def serving(body: dict[str, Any], status: int = 200) -> AsyncIterator[int]:
    """Somebody who answers /healthz so; the port."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/healthz", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def look(public: int | None, port: int = 1) -> Said:
    address = None if public is None else f"http://127.0.0.1:{public}"
    return await _public_url(Settings.read(None, public_url=address, web_port=port))


async def test_not_set() -> None:
    said = await look(None)
    assert not said.warning
    assert "comes at a run's end" in said.text


async def test_the_bot_is_reached() -> None:
    async with serving({"healthy": True}) as bot:
        said = await look(bot, bot)
    assert said.text == "the bot answers there, but only runners on this machine can reach that address"


async def test_no_bot_runs() -> None:
    said = await look(1)
    assert said.warning
    assert "can't be tried while no bot runs at http://127.0.0.1:1" in said.text


@pytest.mark.parametrize(
    ("body", "status", "words"), [({}, 502, "it answers 502"), ({"hello": 1}, 200, "another program answers")]
)
async def test_the_bot_answers_here_and_not_there(body: dict[str, Any], status: int, words: str) -> None:
    async with serving({"healthy": True}) as bot, serving(body, status) as proxy:
        with pytest.raises(StartupError) as error:
            await look(proxy, bot)
    assert words in str(error.value)
    assert "look at the name in DNS, the firewall, and the proxy" in str(error.value)


def test_an_address_without_tls_is_a_warning() -> None:
    assert "without TLS" in _reached("http://bot.example.org").text
    assert _reached("http://localhost:8080").warning
    assert not _reached("https://bot.example.org").warning
