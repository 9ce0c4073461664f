"""Backups: the whole database in one file, and back from it, on either kind of database.

Called by the command line. A backup is a SQLite database with our tables as they were at one moment; it is taken beside
a running bot. All tables are copied, as they are found, none by name. What a restored bot cannot know any more is
marked as such here, and nowhere else: runs and feeds that were not over (`runs.advance.PutBack`, `Place.restored`).
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import Connection, LargeBinary, MetaData, Table, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from cluster_bot.errors import StartupError, UnreadableRunError
from cluster_bot.log import get_logger
from cluster_bot.runs.advance import PutBack, advance
from cluster_bot.runs.rules import Rules
from cluster_bot.store import codec, schema, sqlite, statements
from cluster_bot.store.dialects import Dialect, dialect_of
from cluster_bot.store.tables import feeds, metadata, runs

log = get_logger(__name__)

# What is held of a table at a time: rows that come together from the database, and bytes that go together into it.
_ROWS, _ROWS_WITH_FILES, _BYTES = 50, 1, 2**20
# The first run of a restored bot gets the number after a multiple of this.
ROUND = 1000
# At least so many numbers are left out: they may have been given after the backup.
LEAST_LEFT_OUT = 100


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What is in a backup; `newest` is the highest number a run has, 0 where there is none."""

    runs: int
    newest: int
    size: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: all runs, how many of them were not over, and the number the next one gets."""

    runs: int
    unfinished: int
    next_number: int


def back_up(url: str, file: Path, *, replace_it: bool = False) -> BackedUp:
    """Write the database at `url`, as it is at one moment, to `file`; raises StartupError with one sentence. Blocks.

    The file is there whole or not at all.
    """
    if file.exists() and not replace_it:
        raise StartupError(f"The file {file} exists; give another name, or --replace it.")
    dialect = dialect_of(url)
    try:
        with _appearing(file, replace_it) as draft, dialect.snapshot() as source:
            revision = schema.revision_of(source)
            if revision is None:
                raise StartupError("The database has no tables of Cluster Bot; check DATA_DIR and DATABASE_URL.")
            with sqlite.written_once(draft) as target:
                schema.upgrade(target, revision)
                _copy(source, target)
                for table, last in dialect.counters(source).items():
                    sqlite.count_on(target, table, last)
                count, newest = target.execute(select(func.count(), func.max(runs.c.number))).one()
            size = draft.stat().st_size
    except SQLAlchemyError as error:
        raise StartupError(_of_file(error, file) or dialect.sentence(error)) from error
    except OSError as error:
        raise StartupError(f"The file {file} can't be written ({error.strerror}); choose another place.") from error
    return BackedUp(int(count), int(newest or 0), size)


def restore(file: Path, url: str, *, now: float, next_number: int | None = None) -> Restored:
    """Fill the database at `url`, in which there must be no runs, from a backup; all or nothing.

    `now` is seconds since the epoch. The next run gets `next_number`, or one beyond all that may have been given after
    the backup. Raises StartupError with one sentence. Blocks.
    """
    dialect = dialect_of(url)
    with _backup(file) as (source, revision):
        try:
            with dialect.migrating() as target:
                _make_room(target)
                schema.upgrade(target, revision)
                _copy(source, target)
                schema.upgrade(target)
                unfinished = _doubt(target, now)
                count = target.execute(select(func.count()).select_from(runs)).scalar_one()
                last = _count_on(dialect, source, target, now, next_number)
        except (SQLAlchemyError, OSError) as error:
            raise StartupError(dialect.sentence(error)) from error
    return Restored(int(count), unfinished, last + 1)


# --- copying --------------------------------------------------------------------------------------------------------


def _copy(source: Connection, target: Connection) -> None:
    """All rows of all tables that both have, those first that others refer to."""
    there, here = _tables(source), _tables(target)
    if set(there) != set(here):
        raise StartupError(
            "The database has other tables than this version of Cluster Bot knows; restore an older one."
        )
    for table in next(iter(here.values())).metadata.sorted_tables:
        for rows in _bunches(source, there[table.name]):
            target.execute(table.insert(), rows)


def _tables(connection: Connection) -> dict[str, Table]:
    """Ours, as they are there at their revision; what else a database may hold is none of our business."""
    ours = _our_names(connection)
    found = MetaData()
    found.reflect(connection, only=ours)
    return {name: found.tables[name] for name in ours}


def _our_names(connection: Connection) -> list[str]:
    return [name for name in inspect(connection).get_table_names() if name in metadata.tables]


def _bunches(source: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """The table's rows, as many at a time as memory bears: a file may have ten megabytes, a row of output a hundred."""
    with_files = any(isinstance(column.type, LargeBinary) for column in table.columns)
    at_once = _ROWS_WITH_FILES if with_files else _ROWS
    bunch: list[dict[str, Any]] = []
    size = 0
    for row in source.execute(select(table).execution_options(yield_per=at_once)).mappings():
        bunch.append(dict(row))
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if size > _BYTES or len(bunch) == 1000:
            yield bunch
            bunch, size = [], 0
    if bunch:
        yield bunch


# --- the file -------------------------------------------------------------------------------------------------------


@contextmanager
def _appearing(file: Path, replace_it: bool) -> Iterator[Path]:
    """A path to write to that becomes `file` at the end, on disk; nothing is left of it where that fails."""
    folder = Path(mkdtemp(prefix=f".{file.name}.", dir=file.parent))
    draft = folder / "draft"
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        _flush(draft)
        if file.exists() and not replace_it:
            raise StartupError(f"The file {file} has come up meanwhile; give another name, or --replace it.")
        draft.replace(file)
        _flush(file.parent)
    finally:
        draft.unlink(missing_ok=True)
        folder.rmdir()


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _backup(file: Path) -> Iterator[tuple[Connection, str]]:
    """A backup, looked through, and its revision; raises StartupError with one sentence."""
    if not file.is_file():
        raise StartupError(f"There is no file {file}; name a backup.")
    try:
        with sqlite.read_only(file) as source:
            whole = source.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok"
            revision = schema.revision_of(source) if whole else None
            if not whole:
                raise StartupError(f"The file {file} is damaged; take another backup.")
            if revision is None or not _our_names(source):
                raise StartupError(f"The file {file} is no backup of Cluster Bot; name another.")
            yield source, revision
    except SQLAlchemyError as error:
        raise StartupError(f"The file {file} is no backup, or is damaged; name another.") from error


def _of_file(error: SQLAlchemyError, file: Path) -> str | None:
    """One sentence where the disk of the backup is the trouble, which is written without a word to the database."""
    cause = getattr(error, "orig", None)
    code = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY):
        return f"The file {file} can't be written: its disk is full, or not to be written to."
    return None


# --- what a restored bot cannot know --------------------------------------------------------------------------------


def _make_room(target: Connection) -> None:
    """Take away tables without runs, which a first start made, maybe at another revision."""
    names = _our_names(target)
    if "runs" in names:
        count = target.execute(select(func.count()).select_from(runs)).scalar_one()
        if count:
            raise StartupError(f"The database has {count} run(s) in it; restore into an empty one.")
    found = MetaData()
    found.reflect(target, only=[*names, *(["alembic_version"] if schema.revision_of(target) else [])])
    found.drop_all(target)


def _doubt(target: Connection, now: float) -> int:
    """Mark what went on after the backup: the runs that were not over, of which this says how many, and open feeds."""
    places = target.execute(select(feeds.c.run_id, feeds.c.place).where(feeds.c.closed.is_(False)))
    open_feeds: dict[str, str] = {row.run_id: row.place for row in places}
    for run_id, place in open_feeds.items():
        text = codec.place_text(replace(codec.place_of(place, closed=False), restored=True))
        target.execute(statements.SAVE_PLACE, {"run": run_id, "new_place": text, "new_closed": False})
    live = list(target.execute(statements.UNFINISHED).scalars())
    for run_id in live:
        row: Mapping[Any, Any] = target.execute(statements.ONE_RUN, {"run": run_id}).mappings().one()
        try:
            run = codec.run_of(row, row["spec"])
        except UnreadableRunError as error:
            # It was left alone before, and still is.
            log.warning("left alone: %s", error, extra={"action": "run_unreadable", "run": run_id})
            continue
        moved = advance(run, PutBack(watched=run_id in open_feeds), now, Rules())
        if moved is not run:
            moved = replace(moved, version=run.version + 1)
            values = {f"new_{name}": value for name, value in codec.run_values(moved).items()}
            target.execute(statements.SAVE, {"run": run_id, "was": run.version, **values})
    return len(live)


def _count_on(dialect: Dialect, source: Connection, target: Connection, now: float, wished: int | None) -> int:
    """Let the database go on numbering; returns the number after which it does so with runs."""
    given = sqlite.counters(source)
    highest = int(target.execute(select(func.max(runs.c.number))).scalar() or 0)
    last = max(given.get(runs.name, 0), highest)
    if wished is not None and wished <= highest:
        raise StartupError(f"There is a run #{highest} already; let --next-number be a higher one.")
    last = _beyond(target, last, now) if wished is None else wished - 1
    dialect.count_on(target, runs.name, last)
    for table in set(dialect.counters(target)) - {runs.name}:
        (key,) = inspect(target).get_pk_constraint(table)["constrained_columns"]
        highest = int(target.execute(select(func.max(metadata.tables[table].c[key]))).scalar() or 0)
        highest = max(highest, given.get(table, 0))
        # These too may stand somewhere on Discord, and be looked for there.
        dialect.count_on(target, table, _round(highest + LEAST_LEFT_OUT) if wished is None else highest)
    return last


def _beyond(target: Connection, last: int, now: float) -> int:
    """A round number beyond what may have been given since: twice what was given in as long a time before."""
    newest = target.execute(select(func.max(runs.c.created_at))).scalar() or now
    since = select(func.count()).where(runs.c.created_at > newest - max(0.0, now - newest))
    left_out = max(LEAST_LEFT_OUT, 2 * int(target.execute(since).scalar_one()))
    return _round(last + left_out)


def _round(number: int) -> int:
    return -(-number // ROUND) * ROUND
