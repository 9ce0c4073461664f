"""The stores of the store contract: an empty one of each kind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import stores
from stores_postgres import NoPostgresError, Postgres

from cluster_bot.store import SqlStore


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for all tests of this process."""
    try:
        server = Postgres()
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL to test with: {error}")
    with server:
        yield server


@pytest.fixture
def new_database(postgres: Postgres) -> Iterator[Callable[..., str]]:
    """Gives the URLs of empty databases, for as long as the test lasts."""
    yield postgres.new_database
    postgres.take_back()


@pytest.fixture(params=stores.DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    """An empty database; of a test that wants the store in it, it has its tables, as after a bot's first start."""
    return stores.DATABASES[request.param](request, "store" in request.fixturenames)


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database as a bot's first start leaves it."""
    path = tmp_path_factory.mktemp("tables") / "cluster-bot.sqlite3"
    asyncio.run(_make(f"sqlite:///{path}"))
    return path


async def _make(url: str) -> None:
    async with stores.opened(url):
        pass


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    """The store in it."""
    async with stores.opened(url) as opened:
        yield opened
