"""What the store asks of a kind of database: how to open it, how to lock it, what its errors mean.

Called by `sql_store`, which knows no database by name, and by `schema`, which brings the tables up to date. Each kind
is one file, `sqlite` or `postgresql`; another is another file and a line in `dialect_of`.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, Engine, Table, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from cluster_bot.errors import StartupError
from cluster_bot.store.postgresql import PostgreSql
from cluster_bot.store.sqlite import Sqlite


class Dialect(Protocol):
    """One kind of database at one address."""

    def migrating(self) -> AbstractContextManager[Connection]:
        """A transaction that no other process may migrate beside. Blocks: for a thread."""

    def writer(self) -> Engine:
        """An engine of one connection, for one thread, whose transactions see all that was committed before them."""

    def readers(self) -> Engine:
        """An engine of `READERS` connections for single statements that only read.

        Each sees all that was committed before it.
        """

    def holding(self, wait_s: float) -> Engine | None:
        """An engine of one connection, whose session is to hold the lock of the one bot that may work here.

        It waits so long for whoever has it. None where the data folder's lock says that already.
        """

    def one_at_a_time(self, connection: Connection) -> None:
        """Let no other process count and insert runs until this transaction ends."""

    def snapshot(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads, all of it as it was at one moment, and holds up nobody who writes."""

    def counters(self, connection: Connection) -> Mapping[str, int]:
        """By table whose rows the database numbers, the last number it has given."""

    def count_on(self, connection: Connection, table: str, last: int) -> None:
        """Let the table's next row have the number after `last`."""

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""

    def sentence(self, error: BaseException) -> str:
        """One sentence for the admin about why the database could not be opened; it holds no secret."""


def dialect_of(url: str) -> Dialect:
    """The dialect of a database's URL; raises StartupError with a sentence that does not quote it (passwords)."""
    try:
        # What the rest of the world calls it is no name to SQLAlchemy.
        parsed = make_url("postgresql" + url.removeprefix("postgres") if url.startswith("postgres:") else url)
    except (ArgumentError, ValueError):
        raise StartupError(
            "DATABASE_URL is no database URL; it is postgresql://USER:PASSWORD@HOST/NAME, with every character of the "
            "password that is no letter or digit written as %XX, or sqlite:///PATH."
        ) from None
    match parsed.get_backend_name():
        case "sqlite":
            return Sqlite.of(parsed)
        case "postgresql":
            return PostgreSql.of(parsed)
    raise StartupError(
        "DATABASE_URL names a database this version does not know; use postgresql://USER:PASSWORD@HOST/NAME or "
        "sqlite:///PATH."
    )
