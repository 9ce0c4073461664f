"""A sandbox Discord per test, and the real discord.py pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from raw_bot import Api
from sample_bot import SampleBot, pointed_at

from cluster_sandbox.discord import DiscordServer
from cluster_sandbox.discord.members import Acting


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running:
        yield running


@pytest.fixture
def ada(server: DiscordServer) -> Acting:
    return server.member("ada")


@pytest.fixture
def pointed(server: DiscordServer) -> Iterator[None]:
    with pointed_at(server):
        yield


@pytest.fixture
async def bot(server: DiscordServer, pointed: None) -> AsyncIterator[SampleBot]:
    async with SampleBot.running(server) as running:
        yield running


@pytest.fixture
async def http(server: DiscordServer) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bot {server.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


@pytest.fixture
def api(server: DiscordServer, http: aiohttp.ClientSession) -> Api:
    return Api(server, http)
