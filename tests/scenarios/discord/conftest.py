"""A town per test: a Discord on loopback with the member ada in it; `bot` puts the bot there, set up as usual."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from town import Town, discord_py_restored

from cluster_bot.app import Parts
from cluster_sandbox.discord import DiscordServer


@pytest.fixture
def server() -> DiscordServer:
    """The town's Discord, not listening yet; a test with other limits overrides this."""
    return DiscordServer()


@pytest.fixture
async def town(server: DiscordServer, tmp_path: Path) -> AsyncIterator[Town]:
    # Programs must be able to pass through to their own folder, whoever they run as.
    tmp_path.chmod(0o711)
    with discord_py_restored():
        async with server:
            yield Town(server, tmp_path)


@pytest.fixture
async def bot(town: Town) -> AsyncIterator[Parts]:
    async with town.bot() as parts:
        yield parts
