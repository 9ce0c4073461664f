"""All that is special about PostgreSQL: a server that may be far away, be restarted, and knows who comes.

Made by `dialects`. Any number of processes may share the database. A connection that was lost is made anew: the call
that noticed fails, whether its write took place or not, and callers look again as after a crash.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import (
    URL,
    Boolean,
    Connection,
    Engine,
    Integer,
    Table,
    column,
    create_engine,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

from cluster_bot.store.reader import READERS

# What transactions of all processes wait for in turn; numbers of ours, within one database.
_MIGRATING = 0x636C7573_0001
_ADMITTING = 0x636C7573_0002
# What the one bot at work has for as long as it works.
WORKING = 0x636C7573_0003
# What the URL does not say itself: never to wait for ever, whatever became of the server. Seconds, milliseconds.
_DEFAULTS: Mapping[str, str] = {
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "application_name": "cluster-bot",
}
# The server's word for a wait that took longer. The driver has a class for it, and would be imported for SQLite too.
_LOCK_NOT_AVAILABLE = "55P03"
_LOCK_TIMEOUT = "-c lock_timeout=30s"
# Where a bot's machine went with it, the server finds out after a minute.
_HOLDING = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
_READ_ONLY = "-c default_transaction_read_only=on"


class PostgreSql:
    """A `Dialect`: the PostgreSQL database at `url`."""

    def __init__(self, url: URL) -> None:
        self._url = url

    @classmethod
    def of(cls, url: URL) -> Self:
        """The database a URL names, whatever driver it names."""
        return cls(url.set(drivername="postgresql+psycopg"))

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        engine = self.writer()
        try:
            with engine.begin() as connection:
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
                yield connection
        finally:
            engine.dispose()

    def writer(self) -> Engine:
        # Read committed, whatever the server's default: after the wait for a lock a statement must see what whoever
        # had it has written. The ping keeps a restart of the server from failing a call that comes after it.
        options = self._options(_LOCK_TIMEOUT, isolation_level="READ COMMITTED")
        return create_engine(self._url, pool_size=1, **options)

    def readers(self) -> Engine:
        options = self._options(_READ_ONLY, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
        return create_engine(self._url, pool_size=READERS, **options)

    def holding(self, wait_s: float) -> Engine | None:
        options = self._options(
            f"-c lock_timeout={wait_s:g}s {_HOLDING}", isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True
        )
        return create_engine(self._url, pool_size=1, **options)

    def one_at_a_time(self, connection: Connection) -> None:
        connection.execute(select(func.pg_advisory_xact_lock(_ADMITTING)))

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        engine = create_engine(self._url, pool_size=1, **self._options(_READ_ONLY, isolation_level="REPEATABLE READ"))
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def counters(self, connection: Connection) -> Mapping[str, int]:
        found = {}
        for table, sequence in _sequences(connection).items():
            state = select(column("last_value", Integer), column("is_called", Boolean)).select_from(text(sequence))
            last, given = connection.execute(state).one()
            found[table] = int(last) if given else int(last) - 1
        return found

    def count_on(self, connection: Connection, table: str, last: int) -> None:
        connection.execute(select(func.setval(_sequences(connection)[table], last + 1, False)))

    def insert(self, table: Table) -> postgresql.Insert:
        return postgresql.insert(table)

    def sentence(self, error: BaseException) -> str:
        return f"The PostgreSQL database {self._place()} {self._problem(error)}."

    def _options(self, session: str, **more: Any) -> dict[str, Any]:
        arguments = {name: value for name, value in _DEFAULTS.items() if name not in self._url.query}
        arguments["options"] = f"{session} {self._url.query.get('options', '')}".strip()
        # hide_parameters: an error that is logged must not show sources or an interaction's token.
        return {"max_overflow": 0, "pool_pre_ping": True, "hide_parameters": True, "connect_args": arguments, **more}

    def _place(self) -> str:
        host = self._url.host or self._url.query.get("host", "")
        port = f":{self._url.port}" if self._url.port else ""
        return f"{self._url.database or ''} at {host}{port}" if host else f"{self._url.database or ''} of this machine"

    def _problem(self, error: BaseException) -> str:
        said = str(getattr(error, "orig", None) or error)
        for words, problem in _PROBLEMS.items():
            if words in said:
                return problem
        # The last line is the last address's; libpq does not repeat a password, but a server in between might.
        last = said.strip().rpartition("\n")[2].rpartition("FATAL:")[2].strip().rstrip(".")
        for secret in filter(None, (self._url.password, self._url.query.get("password"))):
            last = last.replace(str(secret), "***")
        return f"can't be used: {last or type(error).__name__}"


def is_lock_timeout(error: BaseException) -> bool:
    """Whether a statement was given up because somebody else held the lock it waited for."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == _LOCK_NOT_AVAILABLE


# By the words of the client library, and of a server that speaks English; in another language they are quoted.
_PROBLEMS = {
    "invalid connection option": "can't be used: after its question mark DATABASE_URL has an option that PostgreSQL's "
    "client does not know; sslmode=require is one that it knows",
    "password authentication failed": "refuses the user or the password of DATABASE_URL; correct them",
    "no password supplied": "wants a password; put it into DATABASE_URL after the user and a colon",
    "does not exist": "is not there for this user; create database and user, or correct DATABASE_URL",
    "Connection refused": "does not answer; start the server or correct host and port in DATABASE_URL",
    "No such file or directory": "does not answer; start the server or name its host in DATABASE_URL",
    "timeout expired": "does not answer in time; check that its host and port can be reached from here",
    "failed to resolve host": "can't be found; correct the host in DATABASE_URL",
    "server does not support SSL": "has no TLS; take sslmode out of DATABASE_URL or switch TLS on at the server",
    "permission denied": "refuses this user the right to make tables; give it a schema in which it may",
    "too many clients": "has no connection left; raise max_connections or stop another client",
    "lock timeout": "is being used by another program that does not let go of it; stop that one first",
    "starting up": "is starting up; try again in a moment",
}


def _sequences(connection: Connection) -> dict[str, str]:
    """By table, the sequence that numbers its rows, as the server quotes it."""
    known, found = inspect(connection), {}
    for table in known.get_table_names():
        for key in known.get_pk_constraint(table)["constrained_columns"]:
            sequence = connection.execute(select(func.pg_get_serial_sequence(table, key))).scalar()
            if sequence is not None:
                found[table] = str(sequence)
    return found
