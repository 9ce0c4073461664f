"""The tables, as the program reads and writes them.

Used by `sql_store` for every statement, and by `schema` to make a new database; the migrations make an old one alike,
and a test compares the two. Times are seconds since the epoch, documents are JSON in ASCII.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator


class Key(TypeDecorator[str]):
    """Text to look something up by, which may hold any character: NUL is none to PostgreSQL.

    It is not read back, but for ids of ours, which are written as they are.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """The text without NUL and halves of surrogate pairs; no two are written alike."""
        if value is None or (value.isprintable() and "\\" not in value):
            return value
        return value.replace("\\", "\\\\").replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# `number` is the key because SQLite counts only its key up without ever giving a number twice.
runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Key(32), nullable=False),
    Column("origin_key", Key, nullable=False),
    Column("owner_id", Key, nullable=False),
    Column("launcher", Key, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("gpu_s", Float, nullable=False, server_default="0"),
    Column("main", String, nullable=False, server_default=""),
    Column("gpu", String),
    Column("document", Text, nullable=False),
    UniqueConstraint("id"),
    UniqueConstraint("origin_key"),
    Index("ix_runs_owner_id", "owner_id", "number"),
    Index("ix_runs_status", "status", "owner_id"),
    Index("ix_runs_owner_created", "owner_id", "created_at"),
    sqlite_autoincrement=True,
)

# Apart from `runs`, because a run is saved many times and its sources, up to a megabyte, never change.
specs = Table(
    "specs",
    metadata,
    Column("run_id", Key(32), ForeignKey("runs.id"), primary_key=True),
    Column("document", Text, nullable=False),
)

# Without SQLite's hidden row number the table is its own index: one page to write for an event, not two.
events = Table(
    "events",
    metadata,
    Column("run_id", Key(32), ForeignKey("runs.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Who may execute an attempt: whoever got the row in.
claims = Table(
    "claims",
    metadata,
    Column("run_id", Key(32), ForeignKey("runs.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("instance", Key, nullable=False),
)

feeds = Table(
    "feeds",
    metadata,
    Column("run_id", Key(32), ForeignKey("runs.id"), primary_key=True),
    Column("closed", Boolean, nullable=False),
    Column("place", Text, nullable=False),
    Index("ix_feeds_closed", "closed"),
)

blobs = Table(
    "blobs",
    metadata,
    Column("run_id", Key(32), ForeignKey("runs.id"), primary_key=True),
    Column("name", Key, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# What admins decided, a document for each scope: a community of the front end's, or "" for everywhere.
orders = Table(
    "orders",
    metadata,
    Column("scope", Key, primary_key=True),
    Column("document", Text, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("scope", Key, nullable=False),
    Column("by_id", Key),
    Column("by_name", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("entry_key", Key),
    Column("shown", Boolean, nullable=False),
    UniqueConstraint("entry_key"),
    Index("ix_journal_scope", "scope", "number"),
    Index("ix_journal_shown", "shown", "number"),
    sqlite_autoincrement=True,
)

# Machines that somebody was asked to connect, until all is done that they are watched for.
expected_machines = Table(
    "expected_machines",
    metadata,
    Column("id", Key, primary_key=True),
    Column("document", Text, nullable=False),
)
