"""What the store makes of PostgreSQL: its addresses, a server that goes and comes back, and problems in human words."""

import asyncio
import socket
import traceback
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import quote

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError
from stores import NOW, WIDE, admitted, launched, log, opened, submission
from stores_postgres import PASSWORD, Postgres

from cluster_bot.errors import StartupError, UserError
from cluster_bot.runs.ports import Place
from cluster_bot.runs.rules import Limits
from cluster_bot.store import SqlStore
from cluster_bot.store.dialects import dialect_of
from cluster_bot.store.schema import bring_up_to_date
from cluster_bot.store.tables import metadata, runs


@pytest.fixture
def address(new_database: Callable[[], str]) -> str:
    """An empty database."""
    return new_database()


@pytest.fixture(scope="module")
def other_server(postgres: Postgres) -> Iterator[Postgres]:
    """A server without the databases of all other tests, which it would recover at each start."""
    with Postgres() as server:
        yield server


@pytest.fixture
def mortal(other_server: Postgres) -> Iterator[Postgres]:
    """A server that the test may stop; the next one finds it running."""
    yield other_server
    other_server.start()


async def refusal(address: str, *more_secrets: str) -> str:
    """The sentence with which opening a store fails; the traceback holds no secret either."""
    with pytest.raises(StartupError) as caught:
        await SqlStore.open(address)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    whole = "".join(traceback.format_exception(caught.value))
    for secret in (PASSWORD, *more_secrets):
        assert secret not in whole
    return sentence


# --- addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
async def test_every_way_to_name_it_will_do(address: str, scheme: str) -> None:
    rest = address.partition("://")[2]
    async with opened(f"{scheme}://{rest}?sslmode=prefer&application_name=mine") as store:
        run = await admitted(store)
    async with opened(address) as store:
        assert await store.load(run.id) == run


async def test_a_password_may_hold_any_character(postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE odd LOGIN PASSWORD 'p@ss:w/o%rd?#'")
    postgres.execute("CREATE DATABASE odd OWNER odd")
    async with opened(postgres.url("odd", user="odd", password=quote("p@ss:w/o%rd?#", safe=""))) as store:
        assert await store.unfinished() == []
    assert "%XX" in await refusal(postgres.url("odd", user="odd", password="p@ss:w/o%rd?#"), "w/o%rd")


# --- problems at the start --------------------------------------------------------------------------------------


async def test_a_wrong_password(postgres: Postgres) -> None:
    sentence = await refusal(postgres.url("postgres", password="hunter2"), "hunter2")
    assert "refuses the user or the password" in sentence
    assert f"postgres at 127.0.0.1:{postgres.port}" in sentence


async def test_no_password(postgres: Postgres) -> None:
    assert "wants a password" in await refusal(f"postgresql://bot@127.0.0.1:{postgres.port}/postgres")


async def test_no_such_user_and_no_such_database(postgres: Postgres) -> None:
    assert "refuses the user" in await refusal(postgres.url("postgres", user="nobody"))
    assert "is not there" in await refusal(postgres.url("elsewhere"))


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert "start the server" in await refusal(f"postgresql://bot:{PASSWORD}@127.0.0.1:{port}/bot")
    assert "start the server" in await refusal(f"postgresql://bot:{PASSWORD}@/bot?host=/nowhere")


async def test_somebody_listens_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://bot:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/bot?connect_timeout=2"
        assert "does not answer in time" in await refusal(address)


async def test_an_option_that_is_none(postgres: Postgres) -> None:
    sentence = await refusal(postgres.url("postgres", query="?password=hunter2&prepared=hunter2"), "hunter2")
    assert "an option" in sentence
    assert "postgres at" in await refusal(postgres.url("postgres", query="?sslmode=sometimes"))


async def test_a_user_who_may_not_make_tables(postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE guest LOGIN PASSWORD 'hunter2'")
    assert "right to make tables" in await refusal(postgres.url("postgres", user="guest", password="hunter2"))


async def test_a_database_of_a_newer_program(postgres: Postgres, address: str) -> None:
    async with opened(address):
        pass
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", address.rpartition("/")[2])
    assert "newer version" in await refusal(address)


async def test_somebody_migrates_and_does_not_end(address: str) -> None:
    # The option of the URL wins over the thirty seconds that are usual.
    hasty = f"{address}?options=-c%20lock_timeout%3D50ms"
    with dialect_of(address).migrating():
        assert "being used by another program" in await refusal(hasty)
    async with opened(hasty) as store:
        assert await store.unfinished() == []


# --- what the tables and connections are ------------------------------------------------------------------------


def test_the_migrations_make_the_tables_of_the_program(address: str) -> None:
    database = dialect_of(address)
    for _ in range(2):
        bring_up_to_date(database)
        with database.migrating() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_who_reads_cannot_write(address: str) -> None:
    database = dialect_of(address)
    bring_up_to_date(database)
    readers = database.readers()
    with readers.connect() as connection, pytest.raises(DBAPIError, match="read-only"):
        connection.execute(insert(runs).values(number=1))
    readers.dispose()


async def test_a_number_is_never_given_twice(postgres: Postgres, address: str) -> None:
    async with opened(address) as store:
        for n in range(3):
            await admitted(store, f"key{n}")
        for table in ("feeds", "specs", "runs"):
            postgres.execute(f"DELETE FROM {table}", address.rpartition("/")[2])  # noqa: S608
        assert (await admitted(store, "next")).number == 4


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_limits_hold_whatever_isolation_the_server_prefers(postgres: Postgres, address: str, level: str) -> None:
    postgres.execute(f"ALTER DATABASE {address.rpartition('/')[2]} SET default_transaction_isolation = '{level}'")
    limits = Limits(live_per_member=100, live_in_all=10)
    async with opened(address) as one, opened(address) as two:
        tries = [store.admit(submission(f"{n}"), limits, NOW) for n in range(30) for store in (one, two)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert {type(result) for result in results if isinstance(result, Exception)} == {UserError}
        assert len(await one.unfinished()) == 10


# --- a server that goes and comes back --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_after_a_restart_between_calls_no_call_fails(mortal: Postgres, how: str) -> None:
    async with opened(mortal.new_database()) as store:
        run = await launched(store)
        await asyncio.gather(*(store.load(run.id) for _ in range(8)))  # every connection there is
        await asyncio.to_thread(mortal.stop, how)
        await asyncio.to_thread(mortal.start)
        assert await asyncio.gather(*(store.load(run.id) for _ in range(8))) == [run] * 8
        assert await store.append(run.id, 1, [log(1)]) == 1
        assert (await store.save(run)).version == run.version + 1
        assert (await store.admit(submission("next"), WIDE, NOW)).fresh


async def test_while_it_is_away_calls_fail_and_afterwards_they_do_not(mortal: Postgres) -> None:
    async with opened(mortal.new_database()) as store:
        run = await launched(store)
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: store.load(run.id),
            store.unfinished,
            lambda: store.append(run.id, 1, [log(1)]),
            lambda: store.save(run),
            lambda: store.admit(submission("next"), WIDE, NOW),
            lambda: store.save_place(run.id, Place({"n": 1})),
        ]
        await asyncio.to_thread(mortal.stop, "immediate")
        for _ in range(2):
            results = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
            for result in results:
                assert isinstance(result, Exception)
                assert PASSWORD not in "".join(traceback.format_exception(result))
        await asyncio.to_thread(mortal.start)
        for call in calls:
            await call()
        assert await store.events(run.id, 1, 0) == [log(1)]


async def test_what_was_acknowledged_survives_a_crash_in_the_middle(mortal: Postgres) -> None:
    async with opened(mortal.new_database()) as store:
        many = [await admitted(store, f"key{n}") for n in range(8)]
        acknowledged = dict.fromkeys((run.id for run in many), 0)
        enough, back = asyncio.Event(), asyncio.Event()

        async def append(run_id: str) -> None:
            """As a follower does: what failed is tried again, and may have taken place."""
            while acknowledged[run_id] < 400:
                number = acknowledged[run_id] + 1
                try:
                    await store.append(run_id, 0, [log(number)])
                except DBAPIError:
                    await back.wait()
                    continue
                acknowledged[run_id] = number
                if number == 50:
                    enough.set()

        async with asyncio.TaskGroup() as group:
            for run in many:
                group.create_task(append(run.id), name=f"append {run.number}")
            await enough.wait()
            before = dict(acknowledged)
            await asyncio.to_thread(mortal.stop, "immediate")
            await asyncio.to_thread(mortal.start)
            back.set()
        assert all(before[run.id] < 400 for run in many)
        for run in many:
            assert await store.last_event(run.id, 0) == 400
            assert [event.n for event in await store.events(run.id, 0, 0)] == list(range(1, 401))
