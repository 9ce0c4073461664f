"""The store on a SQL database: every promise of the `Store` port, one short transaction each.

Opened and closed by the composition root, called by everything that moves or shows a run. It holds no truth of its
own, so any number of processes may open the same database. What is special about a database stands in `dialects`.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, Select, bindparam, func, insert, select

from cluster_bot.errors import ClusterBotError, StaleRunError, UnknownRunError, UnreadableRunError
from cluster_bot.log import get_logger
from cluster_bot.runs.machines import ExpectedBook
from cluster_bot.runs.orders import OrderBook
from cluster_bot.runs.ports import Admission, Place, Standing, Submission
from cluster_bot.runs.rules import Limits, Usage
from cluster_bot.runs.run import Run
from cluster_bot.runs.summary import Summary, Which
from cluster_bot.store import codec, lists, statements
from cluster_bot.store.dialects import Dialect, dialect_of
from cluster_bot.store.expected import SqlExpectedBook
from cluster_bot.store.known_runs import KnownRuns
from cluster_bot.store.order_book import SqlOrderBook
from cluster_bot.store.reader import Reader
from cluster_bot.store.schema import bring_up_to_date
from cluster_bot.store.tables import blobs, claims, events, feeds, runs, specs
from cluster_bot.store.writer import Writer
from cluster_runner.wire import Event

T = TypeVar("T")

log = get_logger(__name__)

# Beyond so many runs the oldest is forgotten, and its last event is counted from the first again.
_REMEMBERED_RUNS = 1000
# Seconds over which a member's usage is counted.
HOUR_S, DAY_S = 3600.0, 86_400.0


class BlobTooLargeError(ClusterBotError):
    """A file, or a run's files together, would be larger than the store keeps; nothing was stored."""


class SqlStore:
    """The `Store` port on the database at a SQLAlchemy URL; `open` makes one.

    Every write is committed, and on disk, when it returns. A write that was begun goes on when its caller is cancelled:
    a cancelled caller does not know whether it took place, exactly as after a crash.
    """

    def __init__(self, dialect: Dialect, *, blob_bytes: int, run_blob_bytes: int) -> None:
        self._dialect = dialect
        self._writer = Writer(dialect.writer())
        self._reader = Reader(dialect.readers())
        self.book: OrderBook = SqlOrderBook(dialect, self._writer, self._reader)
        self.expected: ExpectedBook = SqlExpectedBook(dialect, self._writer, self._reader)
        self._blob_bytes = blob_bytes
        self._run_blob_bytes = run_blob_bytes
        self._known = KnownRuns()
        self._unreadable: set[str] = set()
        self._without_gap: dict[tuple[str, int], int] = {}
        self._append = self._append_statement()

    @classmethod
    async def open(cls, url: str, *, blob_bytes: int = 10 * 2**20, run_blob_bytes: int = 32 * 2**20) -> Self:
        """The store at `url`, its tables brought up to date; raises StartupError with one sentence.

        `blob_bytes` bounds one blob, `run_blob_bytes` all blobs of one run together.
        """
        dialect = dialect_of(url)
        await asyncio.to_thread(bring_up_to_date, dialect)
        return cls(dialect, blob_bytes=blob_bytes, run_blob_bytes=run_blob_bytes)

    async def close(self) -> None:
        """Let go of the database, after the writes under way."""
        await self._writer.close()
        await self._reader.close()

    # --- runs ---------------------------------------------------------------------------------------------------

    async def admit(self, submission: Submission, limits: Limits, now: float) -> Admission:
        """Check `limits` and insert, serialised over all processes; the same `origin.key` again finds its run."""

        def work(connection: Connection) -> Admission:
            self._dialect.one_at_a_time(connection)
            known = (
                connection.execute(statements.RUNS.where(runs.c.origin_key == submission.origin.key)).mappings().first()
            )
            if known is not None:
                return Admission(codec.run_of(known, known["spec"]), fresh=False)
            limits.check(_usage(connection, submission.owner.id, now), submission.spec)
            return Admission(_insert(connection, submission, now), fresh=True)

        return await self._writer.transaction(work)

    async def usage(self, member_id: str, now: float) -> Usage:
        """What a member has of the bot at the moment."""
        return await self._reader.ask(lambda connection: _usage(connection, member_id, now))

    async def load(self, run_id: str) -> Run:
        """The run; raises UnknownRunError, and UnreadableRunError."""
        found = await self._reader.ask(lambda connection: self._known.one(connection, run_id))
        if found is None:
            raise UnknownRunError(run_id)
        return found

    async def by_number(self, number: int) -> Run | None:
        """The run people call #number."""
        # People can type more digits than a column holds.
        if not 0 < number < 2**31:
            return None
        return next(iter(await self._read(statements.BY_NUMBER, _run_of, number=number)), None)

    async def standing(self, run_id: str) -> Standing:
        """Where the run stands now; raises UnknownRunError, and UnreadableRunError."""
        found = await self._reader.rows(statements.STANDING, run=run_id)
        if not found:
            raise UnknownRunError(run_id)
        return codec.standing_of(found[0])

    async def save(self, run: Run) -> Run:
        """Store `run` if its version is still the stored one, and return it with the next; else StaleRunError."""
        saved = replace(run, version=run.version + 1)
        values = {f"new_{name}": value for name, value in codec.run_values(saved).items()}

        def work(connection: Connection) -> None:
            result = connection.execute(statements.SAVE, {"run": run.id, "was": run.version, **values})
            if result.rowcount != 1:
                raise StaleRunError(run.id)

        await self._writer.transaction(work)
        return saved

    async def claim(self, run_id: str, attempt: int, instance: str) -> bool:
        """Whether the runner `instance` may execute the attempt: the first to ask, again and again, and no other.

        False too where the run's standing forbids it. Raises UnknownRunError, and UnreadableRunError.
        """
        # The row is held: a save of it comes wholly before or wholly after, in whatever process.
        held = statements.STANDING.with_for_update(key_share=True)
        put = self._dialect.insert(claims).values(run_id=run_id, attempt=attempt, instance=instance)
        put = put.on_conflict_do_nothing()
        of_attempt = select(claims.c.run_id).where(claims.c.run_id == run_id, claims.c.attempt == attempt)
        mine = of_attempt.where(claims.c.instance == instance)

        def work(connection: Connection) -> bool:
            row = connection.execute(held, {"run": run_id}).mappings().first()
            if row is None:
                raise UnknownRunError(run_id)
            if not codec.standing_of(row).may_execute(attempt):
                return False
            connection.execute(put)
            return connection.execute(mine).first() is not None

        return await self._writer.transaction(work)

    async def unfinished(self, launcher: str | None = None) -> list[Run]:
        """Runs without a final status, oldest first; those that can't be read are left out, and logged once."""
        return self._readable(await self._reader.ask(lambda connection: self._known.unfinished(connection, launcher)))

    async def of_member(self, member_id: str, limit: int) -> list[Run]:
        """A member's runs, newest first."""
        query = statements.RUNS.where(runs.c.owner_id == member_id).order_by(runs.c.number.desc()).limit(limit)
        return self._readable(await self._read(query, _run_or_why_not))

    async def summaries(self, which: Which, limit: int, offset: int = 0) -> list[Summary]:
        """The runs that are meant, live ones first, then newest first; those that can't be read are left out."""
        return await self._reader.ask(lambda connection: lists.summaries(connection, which, limit, offset))

    async def count(self, which: Which) -> int:
        """How many runs are meant."""
        [row] = await self._reader.rows(lists.counted(which))
        return int(row["count"])

    async def waiting_of(self, member_id: str) -> list[int]:
        """The numbers of the member's runs that are QUEUED or STARTING, oldest first."""
        return [int(row["number"]) for row in await self._reader.rows(statements.WAITING_OF, owner=member_id)]

    # --- events -------------------------------------------------------------------------------------------------

    async def append(self, run_id: str, attempt: int, events: Sequence[Event]) -> int:
        """Keep events; those already there, of another attempt or of an unknown run are ignored. How many were new."""
        rows = [{"run": run_id, "asked": attempt, **codec.event_values(one)} for one in events]
        return await self._writer.insert(self._append, rows, key=("run", "asked", "number")) if rows else 0

    async def events(
        self, run_id: str, attempt: int, after: int, *, kinds: Collection[str] | None = None, limit: int = 1000
    ) -> list[Event]:
        """Events numbered over `after`, in order, at most `limit`; only of `kinds` where given."""
        given: dict[str, Any] = {"run": run_id, "attempt": attempt, "after": after, "most": limit}
        if kinds is None:
            return await self._read(statements.EVENTS, codec.event_of, **given)
        return await self._read(statements.EVENTS_OF_KINDS, codec.event_of, kinds=list(kinds), **given)

    async def log_size(self, run_id: str, attempt: int) -> int:
        """About how many characters of output are kept."""
        [row] = await self._reader.rows(statements.LOG_SIZE, run=run_id, attempt=attempt)
        return int(row["size"])

    async def last_event(self, run_id: str, attempt: int) -> int:
        """The highest event number kept without a gap below it; 0 where there is none."""
        # Events are never taken away, so what was once without a gap stays so and need not be counted again.
        known = self._without_gap.pop((run_id, attempt), 0)
        [row] = await self._reader.rows(statements.LAST_EVENT, run=run_id, attempt=attempt, known=known)
        last = int(row["last"] or known)
        self._without_gap[run_id, attempt] = last
        if len(self._without_gap) > _REMEMBERED_RUNS:
            self._without_gap.pop(next(iter(self._without_gap)))
        return last

    # --- feeds --------------------------------------------------------------------------------------------------

    async def place(self, run_id: str) -> Place:
        """How far the run's feed has got; an empty place where it has not begun."""
        found = await self._reader.rows(statements.PLACE, run=run_id)
        return codec.place_of(found[0]["place"], found[0]["closed"]) if found else Place()

    async def save_place(self, run_id: str, place: Place) -> None:
        """Remember how far the run's feed has got; raises UnknownRunError."""
        values = {"run": run_id, "new_place": codec.place_text(place), "new_closed": place.closed}

        def work(connection: Connection) -> None:
            if connection.execute(statements.SAVE_PLACE, values).rowcount != 1:
                raise UnknownRunError(run_id)

        await self._writer.transaction(work)

    async def open_feeds(self) -> list[str]:
        """Ids of the runs whose feed is not closed, oldest first."""
        return [row["id"] for row in await self._reader.rows(statements.OPEN_FEEDS)]

    # --- blobs --------------------------------------------------------------------------------------------------

    async def put_blob(self, run_id: str, name: str, content: bytes) -> None:
        """Keep a file of a run under `name`; the same name again replaces it.

        Raises BlobTooLargeError over the bounds given to `open`, and UnknownRunError.
        """
        if len(content) > self._blob_bytes:
            raise BlobTooLargeError(f"{name!r} has {len(content)} bytes, over {self._blob_bytes}")
        values = {"size": len(content), "content": content}
        put = self._dialect.insert(blobs).values(run_id=run_id, name=name, **values)
        put = put.on_conflict_do_update(index_elements=["run_id", "name"], set_=values)
        others = select(func.coalesce(func.sum(blobs.c.size), 0)).where(blobs.c.run_id == run_id, blobs.c.name != name)

        def work(connection: Connection) -> None:
            # The row is held, so that no other process adds to the sum meanwhile; events still come in.
            held = select(runs.c.id).where(runs.c.id == run_id).with_for_update(key_share=True)
            if connection.execute(held).first() is None:
                raise UnknownRunError(run_id)
            if int(connection.execute(others).scalar_one()) + len(content) > self._run_blob_bytes:
                raise BlobTooLargeError(f"with {name!r} the run would have over {self._run_blob_bytes} bytes of files")
            connection.execute(put)

        await self._writer.transaction(work)

    async def blob(self, run_id: str, name: str) -> bytes | None:
        """A file of a run, None where there is none."""
        found = await self._reader.rows(select(blobs.c.content).where(blobs.c.run_id == run_id, blobs.c.name == name))
        return bytes(found[0]["content"]) if found else None

    # --- how ----------------------------------------------------------------------------------------------------

    def _append_statement(self) -> Any:
        # That the attempt is the run's is part of the INSERT, so it holds at the moment of writing.
        given = (events.c.number, events.c.at, events.c.kind, events.c.body)
        row = [bindparam(column.name, type_=column.type) for column in given]
        mine = select(runs.c.id, runs.c.attempt, *row)
        mine = mine.where(runs.c.id == bindparam("run"), runs.c.attempt == bindparam("asked"))
        columns = ["run_id", "attempt", "number", "at", "kind", "body"]
        keep = self._dialect.insert(events).from_select(columns, mine).on_conflict_do_nothing()
        return keep.execution_options(preserve_rowcount=True)

    async def _read(self, query: Select[Any], convert: Callable[[RowMapping], T], **parameters: Any) -> list[T]:
        """What `convert`, beside the loop as well, makes of each row of `query`."""

        def work(connection: Connection) -> list[T]:
            return [convert(row) for row in connection.execute(query, parameters).mappings()]

        return await self._reader.ask(work)

    def _readable(self, found: list[tuple[str, Run | UnreadableRunError]]) -> list[Run]:
        """All runs but those that can't be read: one of them must not keep the others from going on."""
        for run_id, run in found:
            if not isinstance(run, Run) and run_id not in self._unreadable:
                self._unreadable.add(run_id)
                log.error("left alone: %s", run, extra={"action": "run_unreadable", "run": run_id})
        return [run for _, run in found if isinstance(run, Run)]


def _run_of(row: RowMapping) -> Run:
    return codec.run_of(row, row["spec"])


def _run_or_why_not(row: RowMapping) -> tuple[str, Run | UnreadableRunError]:
    try:
        return row["id"], _run_of(row)
    except UnreadableRunError as error:
        return row["id"], error


def _usage(connection: Connection, owner_id: str, now: float) -> Usage:
    """What the owner has of the bot at this moment."""
    mine = runs.c.owner_id == owner_id
    # A run that began before the day and still goes on is counted with the live ones, and no run is counted twice.
    day, hour = now - DAY_S, now - HOUR_S
    older = func.coalesce(func.sum(runs.c.gpu_s).filter(mine, runs.c.created_at <= day), 0.0)
    counted = select(func.count().filter(mine), func.count(), older).where(runs.c.status.in_(statements.LIVE))
    live, in_all, older_gpu_s = connection.execute(counted).one()
    recent = runs.c.created_at > hour
    counted = select(
        func.count().filter(recent),
        func.min(runs.c.created_at).filter(recent),
        func.coalesce(func.sum(runs.c.gpu_s), 0.0),
    ).where(mine, runs.c.created_at > day)
    in_hour, oldest, gpu_s = connection.execute(counted).one()
    ends_in_s = 0.0 if oldest is None else float(oldest) - hour
    return Usage(int(live), int(in_all), int(in_hour), ends_in_s, float(older_gpu_s) + float(gpu_s))


def _insert(connection: Connection, submission: Submission, now: float) -> Run:
    run = Run(
        id=uuid4().hex,
        number=0,
        spec=submission.spec,
        owner=submission.owner,
        origin=submission.origin,
        created_at=now,
    )
    made = connection.execute(insert(runs).values(codec.first_values(run)).returning(runs.c.number))
    connection.execute(insert(specs).values(run_id=run.id, document=codec.spec_text(run)))
    connection.execute(insert(feeds).values(run_id=run.id, closed=False, place=codec.place_text(Place())))
    return replace(run, number=int(made.scalar_one()))
