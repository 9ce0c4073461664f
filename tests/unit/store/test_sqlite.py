"""What the store makes of SQLite: safe files, transactions that wait, and problems in human words."""

import asyncio
import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from cluster_bot.errors import StartupError
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore
from cluster_bot.store.dialects import dialect_of
from cluster_bot.store.schema import MIGRATIONS, NEWEST, bring_up_to_date, upgrade
from cluster_bot.store.sqlite import Sqlite
from cluster_bot.store.tables import metadata, runs
from cluster_bot.store.writer import Writer
from cluster_runner.wire import Event

LIMITS = Limits(live_per_member=100)
ROW = {"id": "a" * 32, "origin_key": "k", "owner_id": "secret-token", "launcher": "local", "status": "queued"}
ROW |= {"attempt": 0, "version": 0, "created_at": 0.0, "document": "{}"}


def submission(key: str) -> Submission:
    return Submission(RunSpec({"a.py": "x"}, "a.py", "local", 1), Member("1", "ann"), Origin(key, {}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.sqlite3"


@pytest.fixture
def database(path: Path) -> Sqlite:
    made = Sqlite(path)
    bring_up_to_date(made)
    return made


@pytest.fixture
def engine(database: Sqlite) -> Iterator[Engine]:
    engine = database.writer()
    yield engine
    engine.dispose()


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def count(connection: Connection) -> int:
    """How many runs there are."""
    return connection.execute(select(func.count()).select_from(runs)).scalar_one()


async def refusal(path: Path | str) -> str:
    """The sentence with which opening a store fails."""
    with pytest.raises(StartupError) as caught:
        await SqlStore.open(path if isinstance(path, str) else url(path))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


# --- files and connections --------------------------------------------------------------------------------------


def test_a_write_is_on_the_disk_when_it_returns(engine: Engine) -> None:
    with engine.connect() as connection:
        settings = {}
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            settings[name] = connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_who_reads_cannot_write(database: Sqlite) -> None:
    readers = database.readers()
    with readers.connect() as connection, pytest.raises(DBAPIError, match="readonly"):
        connection.execute(insert(runs).values(ROW))
    readers.dispose()


def test_an_error_does_not_repeat_what_was_written(engine: Engine) -> None:
    with pytest.raises(IntegrityError) as caught, engine.begin() as connection:
        connection.execute(insert(runs).values([ROW, ROW]))
    assert "secret-token" not in str(caught.value)


def test_two_engines_that_read_and_then_write_wait_for_each_other(database: Sqlite) -> None:
    # A deferred transaction fails here, whatever the busy timeout: it has read what the other one changes.
    def add(engine: Engine) -> None:
        for _ in range(60):
            with engine.begin() as connection:
                known = count(connection)
                connection.execute(insert(runs).values({**ROW, "id": str(known), "origin_key": str(known)}))

    engines = [database.writer(), database.writer()]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, engines))
    with engines[0].connect() as connection:
        assert count(connection) == 120
    for engine in engines:
        engine.dispose()


# --- migrations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [upgrade, lambda connection: None], ids=["steps", "at once"])
def test_the_tables_are_those_of_the_program(path: Path, make: Callable[[Connection], None]) -> None:
    database = Sqlite(path)
    with database.migrating() as connection:
        make(connection)
    bring_up_to_date(database)
    with database.migrating() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(database: Sqlite, path: Path) -> None:
    def schema() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()

    before = schema()
    bring_up_to_date(database)
    assert schema() == before
    assert {"runs", "specs", "events", "claims", "feeds", "blobs"} <= {name for name, _ in before}
    # These two are not seen by compare_metadata.
    assert any("AUTOINCREMENT" in (sql or "") for name, sql in before if name == "runs")
    assert any("WITHOUT ROWID" in (sql or "") for name, sql in before if name == "events")


def test_the_migrations_are_one_line(database: Sqlite) -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [NEWEST]


def test_many_may_make_a_new_database_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(6)

    def make(path: Path) -> None:
        together.wait()
        bring_up_to_date(Sqlite(path))

    with ThreadPoolExecutor(6) as pool:
        for round_ in range(5):
            list(pool.map(make, [tmp_path / f"{round_}.sqlite3"] * 6))


def test_nobody_else_touches_a_database_that_is_being_made(path: Path) -> None:
    # SQLite's own locks do not order the switch of a new file to WAL; one process in twenty failed there.
    with Sqlite(path).migrating(), path.with_name("bot.sqlite3.lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_a_number_is_never_given_twice(path: Path) -> None:
    store = await SqlStore.open(url(path))
    for n in range(3):
        await store.admit(submission(str(n)), LIMITS, 0.0)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("feeds", "specs", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})")  # noqa: S608
        connection.commit()
    assert (await store.admit(submission("next"), LIMITS, 0.0)).run.number == 4
    await store.close()


# --- problems at the start --------------------------------------------------------------------------------------


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    store = await SqlStore.open(url(tmp_path / "a" / "b" / "bot.sqlite3"))
    await store.close()
    assert (tmp_path / "a" / "b" / "bot.sqlite3").is_file()


async def test_a_driver_in_the_url_does_not_matter(path: Path) -> None:
    store = await SqlStore.open(f"sqlite+pysqlite:///{path}")
    await store.close()
    assert path.is_file()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "can't be made" in await refusal(tmp_path / "file" / "bot.sqlite3")


async def test_a_folder_where_nothing_can_be_written() -> None:
    assert "/proc/bot.sqlite3" in await refusal(Path("/proc/bot.sqlite3"))


async def test_a_folder_in_place_of_the_file(path: Path) -> None:
    path.mkdir()
    assert "can't be opened" in await refusal(path)


async def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_text("This is a letter, and a long one, about nothing that a database would know. " * 50)
    assert "no database" in await refusal(path)


async def test_a_damaged_database(database: Sqlite, path: Path) -> None:
    content = bytearray(path.read_bytes())
    # Every page but the first, which says that it is a database.
    content[4096:] = b"\xaa" * (len(content) - 4096)
    path.write_bytes(content)
    assert "damaged" in await refusal(path)


async def test_a_database_of_a_newer_program(database: Sqlite, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "newer version" in await refusal(path)


def test_a_read_only_database_in_words(database: Sqlite, path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("DELETE FROM runs")
        assert "can't be written to" in database.sentence(caught.value)


def test_a_database_held_by_another_program_in_words(database: Sqlite, path: Path) -> None:
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as holder,
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other,
    ):
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            other.execute("BEGIN IMMEDIATE")
        assert "being used by another program" in database.sentence(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        "hunter2",
        "://hunter2",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=hunter2&uri=true",
        "oracle://bot:hunter2@db.example.org/bot",
        "",
    ],
)
async def test_a_url_that_cannot_be_is_not_repeated(bad: str) -> None:
    sentence = await refusal(bad)
    assert "DATABASE_URL" in sentence
    assert "hunter2" not in sentence


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    odd = tmp_path / "100% ü #1" / "bot.sqlite3"
    bring_up_to_date(dialect_of(url(odd)))
    assert odd.is_file()


# --- the writer -------------------------------------------------------------------------------------------------


async def test_a_failing_insert_fails_for_those_who_share_it_and_nobody_later(engine: Engine) -> None:
    writer = Writer(engine)
    good = {**ROW, "id": "b" * 32, "origin_key": "other"}
    begun, go_on = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        begun.set()
        go_on.wait()

    holding = asyncio.ensure_future(writer.transaction(hold))
    await asyncio.to_thread(begun.wait)
    one = insert(runs)
    both = [writer.insert(one, rows, key=["id"]) for rows in ([ROW, ROW], [good])]
    asked = asyncio.gather(*both, return_exceptions=True)
    await one_pass()
    go_on.set()
    await holding
    assert all(isinstance(result, IntegrityError) for result in await asked)
    counting = one.execution_options(preserve_rowcount=True)
    assert await writer.insert(counting, [good], key=["id"]) == 1
    await writer.close()


async def test_a_work_that_raises_leaves_nothing(engine: Engine) -> None:
    writer = Writer(engine)

    def work(connection: Connection) -> None:
        connection.execute(insert(runs).values(ROW))
        raise LookupError

    with pytest.raises(LookupError):
        await writer.transaction(work)
    assert await writer.transaction(count) == 0
    await writer.close()


async def test_a_cancelled_caller_costs_no_connection_and_no_write(engine: Engine) -> None:
    connected: list[object] = []
    event.listen(engine, "connect", lambda connection, _record: connected.append(connection))
    writer = Writer(engine)
    inside, go_on = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        connection.execute(insert(runs).values(ROW))
        inside.set()
        go_on.wait()
        connection.execute(insert(runs).values({**ROW, "id": "b" * 32, "origin_key": "other"}))

    caller = asyncio.ensure_future(writer.transaction(work))
    await asyncio.to_thread(inside.wait)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    third = insert(runs).values({**ROW, "id": "c" * 32, "origin_key": "third"})
    await writer.transaction(lambda connection: connection.execute(third))
    assert await writer.transaction(count) == 3
    await writer.close()
    assert len(connected) == 1


async def one_pass() -> None:
    """One pass of the loop, in which whoever was asked begins."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


async def test_more_inserts_at_once_than_share_a_transaction(path: Path) -> None:
    store = await SqlStore.open(url(path))
    run = (await store.admit(submission("k"), LIMITS, 0.0)).run
    body = {"stream": "stdout", "text": "x"}
    appends = [store.append(run.id, 0, [Event(n, 0.0, "log", body)]) for n in range(1, 351)]
    assert await asyncio.gather(*appends) == [1] * 350
    assert await store.last_event(run.id, 0) == 350
    await store.close()


async def test_closing_ends_the_writes_under_way(path: Path) -> None:
    store = await SqlStore.open(url(path))
    run = (await store.admit(submission("k"), LIMITS, 0.0)).run
    append = asyncio.ensure_future(store.append(run.id, 0, [Event(1, 0.0, "log", {"stream": "stdout", "text": "x"})]))
    admit = asyncio.ensure_future(store.admit(submission("l"), LIMITS, 0.0))
    await one_pass()
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert await append == 1
    assert (await admit).fresh
