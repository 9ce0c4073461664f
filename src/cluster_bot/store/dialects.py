"""All that is special about a database, in one room: how to open it, how to lock it, what its errors mean.

Called by `sql_store`, which knows no database by name, and by `schema`, which brings the tables up to date. A second
database is a second class with the methods of `Dialect` and a line in `dialect_of`.
"""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cluster_bot.errors import StartupError

# How long a write waits for another process's, in seconds, before it fails. Our transactions take milliseconds; the
# longest is a blob of a few megabytes on a slow disk.
_BUSY_S = 30
_READERS = 4


class Dialect(Protocol):
    """One kind of database at one address."""

    def migrating(self) -> AbstractContextManager[Connection]:
        """A transaction that no other process may migrate beside. Blocks: for a thread."""

    def writer(self) -> AsyncEngine:
        """An engine whose transactions never have to be repeated because of another one."""

    def readers(self) -> AsyncEngine:
        """An engine for single statements that only read, each seeing all that was committed before it."""

    async def one_at_a_time(self, connection: AsyncConnection) -> None:
        """Let no other process count and insert runs until this transaction ends."""

    def insert(self, table: Table) -> sqlite.Insert:
        """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""

    def sentence(self, error: BaseException) -> str:
        """One sentence for the admin about why the database could not be opened."""


def dialect_of(url: str) -> Dialect:
    """The dialect of a SQLAlchemy URL; raises StartupError with a sentence that does not quote it (passwords)."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartupError("DATABASE_URL is no database URL; a SQLite file is sqlite+aiosqlite:///PATH.") from None
    if parsed.get_backend_name() != "sqlite":
        raise StartupError("DATABASE_URL names a database this version does not know; use sqlite+aiosqlite:///PATH.")
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise StartupError("DATABASE_URL must name a SQLite file and nothing else: sqlite+aiosqlite:///PATH.")
    return Sqlite(Path(parsed.database))


class Sqlite:
    """A SQLite file, shared by any number of processes of one machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Not under SQLite's own lock: two processes that switch a new file to WAL at once do not wait for each other,
        # one fails at once, whatever the busy timeout says.
        with self._path.with_name(f"{self._path.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            engine = _writing(create_engine(self._url("sqlite"), hide_parameters=True, connect_args=_ARGUMENTS))
            event.listen(engine, "connect", _keep_a_log, insert=True)
            try:
                with engine.begin() as connection:
                    yield connection
            finally:
                engine.dispose()

    def writer(self) -> AsyncEngine:
        # One connection: SQLite has one writer anyway, and a queue in the process is fairer than its busy wait.
        # Every transaction ends before its connection comes back, so the pool's rollback would be wasted.
        engine = self._engine(pool_size=1, pool_reset_on_return=None)
        _writing(engine.sync_engine)
        return engine

    def readers(self) -> AsyncEngine:
        engine = self._engine(pool_size=_READERS, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
        event.listen(engine.sync_engine, "connect", _only_read)
        return engine

    async def one_at_a_time(self, connection: AsyncConnection) -> None:
        # BEGIN IMMEDIATE has seen to it.
        return

    def insert(self, table: Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def sentence(self, error: BaseException) -> str:
        return f"The database {self._path} {_problem(error)}."

    def _url(self, driver: str) -> URL:
        return URL.create(driver, database=str(self._path))

    def _engine(self, **options: Any) -> AsyncEngine:
        # hide_parameters: an error that is logged must not show sources or an interaction's token.
        return create_async_engine(
            self._url("sqlite+aiosqlite"), max_overflow=0, hide_parameters=True, connect_args=_ARGUMENTS, **options
        )


_ARGUMENTS = {"timeout": _BUSY_S}


def _writing(engine: Engine) -> Engine:
    event.listen(engine, "connect", _write_safely)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _write_safely(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction, which is what the driver would begin, that reads before it writes fails under load at
    # once instead of waiting. With one open the driver begins none of its own.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _keep_a_log(connection: Any, _record: object) -> None:
    # The file remembers this one, so only whoever may be making the file does it.
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _only_read(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _problem(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        # The low byte is the kind of error; the rest tells finer.
        code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
        return _PROBLEMS.get(code, f"can't be used: {cause}")
    return f"can't be made: {getattr(cause, 'strerror', None) or cause}"


_PROBLEMS = {
    sqlite3.SQLITE_CANTOPEN: "can't be opened; check that its folder exists and that this user may write there",
    sqlite3.SQLITE_READONLY: "can't be written to; give this user the right to write it and its folder",
    sqlite3.SQLITE_PERM: "can't be written to; give this user the right to write it and its folder",
    sqlite3.SQLITE_NOTADB: "is a file but no database; move it away or choose another DATABASE_URL",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_BUSY: "is being used by another program that does not let go of it; stop that one first",
    sqlite3.SQLITE_FULL: "does not fit on its disk any more; make room",
    sqlite3.SQLITE_IOERR: "can't be read or written: the disk reports an error",
}
