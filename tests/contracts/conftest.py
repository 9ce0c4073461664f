"""The stores of the store contract: an empty one of each kind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import stores

from cluster_bot.store import SqlStore


@pytest.fixture(params=stores.DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return stores.DATABASES[request.param](tmp_path)


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    async with stores.opened(url) as opened:
        yield opened
