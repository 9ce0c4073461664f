"""The relay: reads runs' events and writes them to their feeds, in order, remembering its place.

Level-triggered like the follower. A feed made anew (after a restart, or after a failed write) is told all lines from
the first; it knows from its place what it has shown, so there is one way to begin and it is used every day.
The first line is shown at once, then at most one write a second per feed; the end waits for nothing.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from cluster_bot.errors import StaleRunError, UnreadableRunError
from cluster_bot.log import get_logger
from cluster_bot.meter import RELAY_S, Meter
from cluster_bot.runs.advance import Recalled, advance
from cluster_bot.runs.ports import (
    Attachment,
    FeedGoneError,
    Gap,
    Hints,
    Memory,
    Place,
    RunFeed,
    Store,
    Turn,
    artifact_blob,
)
from cluster_bot.runs.recalling import Recalling
from cluster_bot.runs.rules import Rules
from cluster_bot.runs.run import Reason, Run, Status
from cluster_bot.scheduling.diagnosis import Diagnosis
from cluster_bot.scheduling.lines import Lines
from cluster_bot.scheduling.logs import EVENTS_A_READ, SHOWN_KINDS, whole_log
from cluster_bot.scheduling.workers import Bell, Workers
from cluster_runner.wire import Event

log = get_logger(__name__)

# While it is too soon to write, reading each line as it comes would be work for nothing; not to read at all would leave
# a second's flood for the moment of writing.
READ_PACE_S = 0.25

FeedMaker = Callable[[Run, Memory], RunFeed]


class StoredMemory:
    """A feed's place, kept in the store."""

    def __init__(self, store: Store, run_id: str, place: Place) -> None:
        self._store = store
        self._run_id = run_id
        self._place = place

    @property
    def place(self) -> Place:
        """The place as last saved."""
        return self._place

    async def save(self, place: Place) -> None:
        """Durable when it returns."""
        if place != self._place:
            await self._store.save_place(self._run_id, place)
            self._place = place


class Relay:
    """Serves every feed that is not closed, each in a worker of its own."""

    def __init__(
        self,
        store: Store,
        make_feed: FeedMaker,
        *,
        news: Hints,
        wishes: Hints | None = None,
        pace_s: float = 1.0,
        look_again_s: float = 5.0,
        meter: Meter | None = None,
    ) -> None:
        self._store = store
        self._news = news
        self._wishes = wishes
        self._make_feed = make_feed
        self._pace_s = pace_s
        self._look_again_s = look_again_s
        self._meter = meter or Meter()
        self._workers = Workers("relay", self._work)
        self._unreadable: set[str] = set()

    async def run(self) -> None:
        """Relay until cancelled."""
        bell = Bell()
        async with asyncio.TaskGroup() as group:
            self._workers.attach(group)
            self._news.listen(self._workers.wake)
            while True:
                await self._look_at_all()
                await bell.wait(self._look_again_s)

    async def _look_at_all(self) -> None:
        try:
            for run_id in await self._store.open_feeds():
                if run_id not in self._unreadable:
                    self._workers.wake(run_id)
        except Exception:
            # The border of the loop, as in the follower.
            log.exception("look failed", extra={"action": "look_failed", "launcher": "relay"})

    async def _work(self, run_id: str, bell: Bell) -> None:
        place = await self._store.place(run_id)
        if place.closed:
            return
        memory = StoredMemory(self._store, run_id, place)
        try:
            run = await self._store.load(run_id)
        except UnreadableRunError as error:
            log.error("run left alone: %s", error, extra={"action": "run_unreadable", "run": run_id})
            self._unreadable.add(run_id)
            return
        feed = self._make_feed(run, memory)
        try:
            service = _Service(self._store, feed, run, bell, self._pace_s, self._meter)
            run = await service.open()
            if run.doubted:
                await self._recall(run_id, feed.recalled if isinstance(feed, Recalling) else Recalled())
            await service.serve()
        except FeedGoneError as gone:
            log.warning("feed is gone: %s", gone, extra={"action": "feed_gone", "run": run_id})
            await self._recall(run_id, Recalled())
            await memory.save(replace(memory.place, closed=True))
        # Its follower may let go of what is left of it.
        self._wish(run_id)

    async def _recall(self, run_id: str, recalled: Recalled) -> None:
        """Let a run that a backup brought back go on from what its feed remembers of it; nothing for any other run."""
        while True:
            run = await self._store.load(run_id)
            moved = advance(run, recalled, time.time(), Rules())
            if moved is run:
                return
            try:
                await self._store.save(moved)
            except StaleRunError:
                # Somebody wished its end meanwhile.
                continue
            told = recalled.status.value if recalled.status is not None else None
            log.info("run recalled", extra={"action": "recall", "run": run_id, "told": told})
            self._wish(run_id)
            return

    def _wish(self, run_id: str) -> None:
        if self._wishes is not None:
            self._wishes.give(run_id)


class _Service:
    """One feed, from its opening to its verdict."""

    def __init__(self, store: Store, feed: RunFeed, run: Run, bell: Bell, pace_s: float, meter: Meter) -> None:
        self._meter = meter
        self._came_at: float | None = None
        self._store = store
        self._feed = feed
        self._run_id = run.id
        self._bell = bell
        self._pace_s = pace_s
        self._diagnosis = Diagnosis(run.spec.files)
        self._lines = Lines(self._diagnosis.hear)
        self._read = (0, 0)  # attempt, last event read
        self._next_write_at = self._next_read_at = 0.0
        self._behind = False

    async def open(self) -> Run:
        """The run as it was when its feed was opened."""
        run = await self._store.load(self._run_id)
        await self._feed.open(run)
        return run

    async def serve(self) -> None:
        """Show it to its end."""
        while True:
            run = await self._store.load(self._run_id)
            if run.status.final:
                # Read after the load: of a final run these are all events it will ever show.
                await self._take_events(run)
                await self._finish(run)
                return
            early_s = min(self._next_read_at, self._next_write_at) - time.monotonic()
            if early_s > 0:
                # What is there to read must wait anyway; it came now at the earliest.
                self._came_at = self._came_at or time.monotonic()
                await self._show(run)
                await self._bell.wait(early_s)
                continue
            await self._take_events(run)
            await self._show(run)
            await self._bell.wait(await self._flush(run) if self._behind else None)

    async def _show(self, run: Run) -> None:
        """Bring the status up to date, with the run's place among its owner's where it waits."""
        turn = None
        if run.status in (Status.QUEUED, Status.STARTING):
            waiting = await self._store.waiting_of(run.owner.id)
            turn = Turn(waiting.index(run.number) + 1, len(waiting)) if run.number in waiting else None
        await self._feed.show(run, turn)

    async def _flush(self, run: Run) -> float | None:
        """Write unless it is too soon after the last write; how long to wait until then."""
        early_s = self._next_write_at - time.monotonic()
        if early_s > 0:
            return early_s
        await self._feed.flush(run)
        self._measure()
        self._behind = False
        self._next_write_at = time.monotonic() + self._pace_s
        return None

    def _measure(self) -> None:
        """How long the oldest lines that have just been shown had waited."""
        if self._came_at is not None:
            self._meter.observe(RELAY_S, time.monotonic() - self._came_at)
            self._came_at = None

    async def _take_events(self, run: Run) -> None:
        """Hand the feed what is new; then it is behind with its writing."""
        if run.attempt != self._read[0]:
            self._read = (run.attempt, 0)
        more = run.attempt > 0
        while more:
            events = await self._store.events(
                run.id, run.attempt, self._read[1], kinds=SHOWN_KINDS, limit=EVENTS_A_READ
            )
            more = len(events) == EVENTS_A_READ
            if events:
                shown = [one for event in events for one in self._shown(event)]
                self._read = (run.attempt, events[-1].n)
                await self._feed.append(shown, partial=self._lines.partial)
                self._came_at = self._came_at or time.monotonic()
                self._behind = True
        if not self._behind:
            self._came_at = None
        self._next_read_at = time.monotonic() + READ_PACE_S

    def _shown(self, event: Event) -> list[str | Gap]:
        if event.kind == "gap":
            return [*self._lines.end(), Gap(int(event.body["lines"]), int(event.body["bytes"]))]
        return list(self._lines.take(str(event.body["stream"]), str(event.body["text"])))

    async def _finish(self, run: Run) -> None:
        await self._feed.append(list(self._lines.end()), partial="")
        await self._feed.flush(run)
        self._measure()
        files = await self._files(run)
        if self._feed.abridged:
            files.insert(0, Attachment("log.txt", (await whole_log(self._store, run.id, run.attempt)).content))
        compiling = run.reason is Reason.COMPILE_ERROR
        await self._feed.close(run, files, self._diagnosis.of_compiler() if compiling else self._diagnosis.of_program())

    async def _files(self, run: Run) -> list[Attachment]:
        files = []
        for event in await self._store.events(run.id, run.attempt, 0, kinds=("artifact",)) if run.attempt else []:
            content = await self._store.blob(run.id, artifact_blob(run.attempt, event.n))
            files.append(Attachment(str(event.body["name"]), content, str(event.body.get("detail") or "")))
        return files
