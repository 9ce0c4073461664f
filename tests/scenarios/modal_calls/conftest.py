"""The hall of this folder, opened with its first test: a bot takes seconds to start."""

from collections.abc import AsyncIterator

import pytest_asyncio

from .hall import Hall, open_hall


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hall() -> AsyncIterator[Hall]:
    async with open_hall() as opened:
        yield opened
