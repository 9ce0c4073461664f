"""A small GitHub for this folder's tests."""

from collections.abc import AsyncIterator

import pytest_asyncio
from small_github import SmallGitHub, small_github


@pytest_asyncio.fixture
async def github() -> AsyncIterator[SmallGitHub]:
    async with small_github() as said:
        yield said
