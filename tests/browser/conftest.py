"""The page in a real Chromium: Debian's, driven by Playwright, which fetches no browser of its own.

One browser for all tests, one event loop for all of them with it; each test has its windows to itself. The tests in
`test_page_alone.py` speak to the sandbox; those that need the bot share one, started as the demo starts it, each in a
channel of its own.
"""

from __future__ import annotations

import inspect
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browsing import PROGRAMS, TOO_LATE_S, Alone, Demo, Visit, Visitor, Windows
from playwright.async_api import Browser, async_playwright, expect

import warm
from cluster_bot.demo import bot_process
from cluster_bot.demo.page import furnish
from cluster_sandbox.discord import DiscordServer, Policy

FLAGS = [
    "--no-sandbox",  # root may not use Chromium's own; the pages shown here are ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 45_000
SHARED_MEMORY = Path("/dev/shm")
ROOM_BYTES = 1 << 30


def chromium() -> str | None:
    """The browser to drive; CLUSTER_CHROMIUM names another."""
    named = os.environ.get("CLUSTER_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium, so the page was not tested: apt install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    # A home of its own: what Chromium and its launcher keep must not depend on whose machine this is.
    home = tmp_path_factory.mktemp("chromium")
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    async with async_playwright() as playwright:
        roomy = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > ROOM_BYTES
        running = await playwright.chromium.launch(
            executable_path=path,
            args=FLAGS,
            env=environment,
            # Playwright's default: shared memory as files on a disk, for containers that have next to no other. It is
            # a twentieth of all work.
            ignore_default_args=["--disable-dev-shm-usage"] if roomy else None,
        )
        yield running
        await running.close()


@pytest.fixture(scope="session")
def windows(browser: Browser) -> Windows:
    """Those that one test leaves to the next."""
    return Windows(browser, PATIENCE_MS)


@pytest_asyncio.fixture(loop_scope="session")
async def visit(windows: Windows) -> AsyncIterator[Visit]:
    """Let members come; at the end of the test no window may have complained."""
    made: list[tuple[Visitor, bool]] = []

    async def make(server: DiscordServer, channel: str | int, name: str = "you", **options: Any) -> Visitor:
        channel_id = server.channel_id(channel) if isinstance(channel, str) else channel
        visitor = await windows.visitor(server, name, channel_id, **options)
        made.append((visitor, not options))
        return visitor

    yield make
    for one, usual in made:
        await windows.take_back(one, usual=usual)
    assert [one.complaints for one, _ in made if one.complaints] == []


@pytest_asyncio.fixture(loop_scope="session")
async def alone() -> AsyncIterator[Alone]:
    # Only a test that advances the clock is to see an answer come too late, not a slow machine.
    server = DiscordServer(policy=Policy(ack_s=TOO_LATE_S))
    page = furnish(server)
    async with server:
        yield Alone(server, page)


@pytest.fixture(scope="session")
def fresh_demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Makes the demo's world: sandbox, page and the real bot."""
    if not PROGRAMS.exists():
        pytest.skip(f"{PROGRAMS.parents[1].name} is missing; script/test makes it")

    @asynccontextmanager
    async def world() -> AsyncIterator[DiscordServer]:
        server = DiscordServer()
        furnish(server)
        folder = tmp_path_factory.mktemp("demo")
        for parent in (folder, *folder.parents[:2]):
            parent.chmod(0o755)  # pytest keeps them from the user that programs run as
        bot_process.PYTHON = warm.python()
        async with server, bot_process.started_bot(server, folder, {"LOCAL_PYTHON": str(PROGRAMS)}):
            await server.wait_command("run local", 60)
            yield server

    return world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def demo(fresh_demo: Demo) -> AsyncIterator[DiscordServer]:
    """One demo for all tests that make do with a channel of their own."""
    async with fresh_demo() as server:
        yield server


@pytest.fixture
def channel(demo: DiscordServer, request: pytest.FixtureRequest) -> int:
    """A channel for this test alone."""
    return demo.add_channel(f"{request.node.originalname[:80].replace('_', '-')}-{next(_numbers)}")


_numbers = itertools.count(1)
