"""What the page's server part lets in, and what it tells the browser to refuse; no browser needed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from browsing import Alone

from cluster_sandbox.discord.limits import Upload
from cluster_sandbox.discord.model import Json
from cluster_sandbox.page.page import STATIC


@pytest_asyncio.fixture(loop_scope="session")
async def http(alone: Alone) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(alone.server.url, timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


async def batches(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[int, Json]]:
    """The stream's batches with their numbers."""
    number = 0
    async for line in answer.content:
        name, _, value = line.decode().strip().partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            yield number, json.loads(value)


@pytest.mark.parametrize("path", ["/", "/page/static/app.js", "/page/static/base.css", "/page/stream"])
async def test_every_answer_is_strict(alone: Alone, http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as answer:
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy and "http" not in policy and "*" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/page/messages?channel_id=1", "/page/stream", "/page/samples/plot.py"])
@pytest.mark.parametrize("foreign", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
async def test_foreigners_stay_outside(
    alone: Alone, http: aiohttp.ClientSession, path: str, foreign: dict[str, str]
) -> None:
    async with http.get(path, headers=foreign) as answer:
        assert answer.status == 403


async def test_only_its_own_files_are_served(alone: Alone, http: aiohttp.ClientSession) -> None:
    for path in ("..%2fpage.py", "%2e%2e/page.py", "/etc/passwd", "gone.js"):
        async with http.get(f"/page/static/{path}") as answer:
            assert answer.status == 404
    async with http.get("/page/samples/..%2fREADME.md") as answer:
        assert answer.status == 400


async def test_what_a_program_wrote_is_never_a_page_here(alone: Alone, http: aiohttp.ClientSession) -> None:
    service, general = alone.server.service, alone.server.channel_id("general")
    files = {0: Upload("page.html", b"<script>1</script>", "")}
    service.messaging.create(service.world.channel(general), service.world.bot, {}, files)
    async with http.get("/page/messages", params={"channel_id": str(general)}) as answer:
        (message,) = (await answer.json())["messages"]
    async with http.get(message["attachments"][0]["url"]) as answer:
        assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_private_things_are_for_one_member(alone: Alone, http: aiohttp.ClientSession) -> None:
    server = alone.server
    general, you = server.channel_id("general"), server.member("you")
    server.deny(server.channel_id("news"), "VIEW_CHANNEL", member=server.member("friend"))
    thread = server.service.threads.plain(server.channel(general), {"name": "secret"}, you.user)
    for name, sees in {"you": True, "friend": False}.items():
        async with http.get("/page/stream", params={"as": name}) as answer:
            _, batch = await anext(batches(answer))
        names = {place["name"] for place in batch["places"]}
        assert ("secret" in names, "news" in names) == (sees, sees)
        async with http.get("/page/messages", params={"as": name, "channel_id": str(thread.id)}) as answer:
            assert answer.status == (200 if sees else 400)
    async with http.get("/page/stream", params={"as": "nobody"}) as answer:
        assert answer.status == 400


async def test_a_page_that_was_away_gets_the_present_once(alone: Alone, http: aiohttp.ClientSession) -> None:
    async with http.get("/page/stream") as answer:
        seen, _ = await anext(batches(answer))
    kept = alone.bot_says("general", "0")
    gone = alone.bot_says("general", "gone")
    for turn in range(1, 50):
        alone.bot_edits(kept, content=str(turn))
    alone.server.service.messaging.delete(alone.server.message(gone))
    async with http.get("/page/stream", headers={"Last-Event-ID": str(seen)}) as answer:
        number, batch = await anext(batches(answer))
    assert [(one["id"], one["content"]) for one in batch["messages"]] == [(str(kept), "49")]
    assert [one["id"] for one in batch["gone"]] == [str(gone)]
    assert number == len(alone.server.events)


async def test_a_page_that_is_open_is_told_of_the_servers_end(alone: Alone, http: aiohttp.ClientSession) -> None:
    async with http.get("/page/stream") as answer:
        await anext(batches(answer))
        assert alone.page.streams == 1
        await alone.server.stop()
        await answer.content.read()  # an error where the server had to cut the stream off
    assert alone.page.streams == 0


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_scripts_are_small_and_make_no_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    assert text.startswith("// @ts-check\n// ")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "://cdn", "DOMParser"):
        assert word not in text
