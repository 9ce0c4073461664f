"""All that is special about SQLite: a file that is written by one connection at a time, and safely.

Made by `dialects`. Any number of processes of one machine may share the file.
"""

import fcntl
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import registry, sqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import NullPool
from sqlalchemy.util import LRUCache

from cluster_bot.errors import StartupError
from cluster_bot.store.reader import READERS

# How long a write waits for another process's, in seconds, before it fails. Our transactions take milliseconds; the
# longest is a blob of a few megabytes on a slow disk.
_BUSY_S = 30
# Pages that each connection keeps, in KiB: the system keeps them all the same, and SQLite's own default is 2,000 each.
_WRITER_CACHE_KIB, _READER_CACHE_KIB = 1000, 200
# Compiled statements, of all engines of this process. To compile one takes longer than to execute it a few times, and
# an engine that kept them for itself would do again what the other has done already, and so would the next store.
_COMPILED: LRUCache[Any, Any] = LRUCache(500)
# hide_parameters: an error that is logged must not show sources or an interaction's token.
_FOR_ONE: dict[str, Any] = {
    "hide_parameters": True,
    "connect_args": {"timeout": _BUSY_S},
    "execution_options": {"compiled_cache": _COMPILED},
}
_OPTIONS: dict[str, Any] = {"max_overflow": 0, **_FOR_ONE}


class _Alike(SQLiteDialect_pysqlite):
    """SQLAlchemy's, but that one is as good as another: what was compiled for one engine is found by the next."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register("sqlite.cluster_bot", __name__, _Alike.__name__)


class Sqlite:
    """A `Dialect`: the SQLite file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, url: URL) -> Self:
        """The file a URL names; raises StartupError."""
        if not url.database or url.database == ":memory:" or url.query:
            raise StartupError("DATABASE_URL must name a SQLite file and nothing else: sqlite:///PATH.")
        return cls(Path(url.database))

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Not under SQLite's own lock: two processes that switch a new file to WAL at once do not wait for each other,
        # one fails at once, whatever the busy timeout says.
        with self._path.with_name(f"{self._path.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            engine = self.writer()
            event.listen(engine, "connect", _keep_a_log, insert=True)
            try:
                with engine.begin() as connection:
                    yield connection
            finally:
                engine.dispose()

    def writer(self) -> Engine:
        # Every transaction ends before its connection comes back, so the pool's rollback would be wasted.
        engine = create_engine(self._url(), pool_size=1, pool_reset_on_return=None, **_OPTIONS)
        event.listen(engine, "connect", _write_safely)
        event.listen(engine, "begin", _begin_immediate)
        return engine

    def readers(self) -> Engine:
        options = _OPTIONS | {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
        engine = create_engine(self._url(), pool_size=READERS, **options)
        event.listen(engine, "connect", _only_read)
        return engine

    def holding(self, wait_s: float) -> Engine | None:
        return None

    def one_at_a_time(self, connection: Connection) -> None:
        # BEGIN IMMEDIATE has seen to it.
        return

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        if not self._path.is_file():
            raise StartupError(f"There is no database {self._path}; check DATA_DIR and DATABASE_URL.")
        engine = create_engine(self._url(), poolclass=NullPool, **_FOR_ONE)
        event.listen(engine, "connect", _only_read)
        # One that begins with a read sees that moment to its end.
        event.listen(engine, "begin", _begin)
        with engine.begin() as connection:
            yield connection

    def counters(self, connection: Connection) -> Mapping[str, int]:
        return counters(connection)

    def count_on(self, connection: Connection, table: str, last: int) -> None:
        count_on(connection, table, last)

    def insert(self, table: Table) -> sqlite.Insert:
        return sqlite.insert(table)

    def sentence(self, error: BaseException) -> str:
        return f"The database {self._path} {_problem(error)}."

    def _url(self) -> URL:
        return _url(self._path)


def _url(path: Path) -> URL:
    return URL.create("sqlite+cluster_bot", database=str(path))


@contextmanager
def written_once(path: Path) -> Iterator[Connection]:
    """A transaction that fills a new file, which is thrown away where that fails: without journal or syncs."""
    engine = create_engine(_url(path), poolclass=NullPool, **_FOR_ONE)
    event.listen(engine, "connect", _write_once)
    with engine.begin() as connection:
        yield connection


@contextmanager
def read_only(path: Path) -> Iterator[Connection]:
    """A transaction on a file that nobody writes, which is not touched."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "begin", _begin)
    with engine.begin() as connection:
        yield connection


_COUNTERS = text(
    "SELECT made.name AS name, coalesce(given.seq, 0) AS last FROM sqlite_master AS made "
    "LEFT JOIN sqlite_sequence AS given ON given.name = made.name "
    "WHERE made.type = 'table' AND made.sql LIKE '% AUTOINCREMENT%'"
)


def counters(connection: Connection) -> dict[str, int]:
    """The last number given, by table that SQLite never gives a number twice in."""
    if not connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")).first():
        return {}
    return {row.name: int(row.last) for row in connection.execute(_COUNTERS)}


def count_on(connection: Connection, table: str, last: int) -> None:
    """Let a table's next row have the number after `last`, where SQLite remembers what it has given."""
    given = {"table": table, "last": last}
    changed = connection.execute(text("UPDATE sqlite_sequence SET seq = :last WHERE name = :table"), given)
    if changed.rowcount == 0:
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)"), given)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _write_once(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=OFF")
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def _write_safely(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIB}")
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
    cursor.execute(f"PRAGMA cache_size=-{_READER_CACHE_KIB}")
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
