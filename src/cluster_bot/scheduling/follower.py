"""The follower: the one place that moves a run forward, one follower per launcher.

Level-triggered: each step loads the run, gathers what is known (its events, the launcher's last look), lets `advance`
decide, saves, and then does the next deed the status asks for. Hints, and news from a spool, only make a step come
sooner. A restart is an ordinary start: every unfinished run is looked at again.

The order is what keeps the promise of one execution: the wish ("attempt n launched") is saved before the deed
(`start`), and after a crash in between `find` is asked before anything is repeated.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cluster_bot.errors import ClusterBotError, StaleRunError, UnknownRunError
from cluster_bot.log import get_logger
from cluster_bot.meter import QUEUE_S, RUNS_ENDED, Meter
from cluster_bot.runs.advance import (
    Happening,
    LaunchAccepted,
    LaunchRefused,
    LaunchUnknowable,
    LaunchWished,
    Observed,
    Tick,
    advance,
)
from cluster_bot.runs.ports import (
    Hints,
    Launcher,
    LaunchRefusedError,
    LaunchUncertainError,
    SpoolKeeper,
    SpoolSource,
    Store,
    Telling,
    Unknowable,
    artifact_blob,
)
from cluster_bot.runs.rules import Rules
from cluster_bot.runs.run import Handle, Observation, Run, Sighting, Status
from cluster_bot.scheduling.choosing import Waits
from cluster_bot.scheduling.sayings import STATE_KINDS, accepted, recognised, said
from cluster_bot.scheduling.workers import Bell, Workers
from cluster_runner.wire import Event

log = get_logger(__name__)

FETCHES_A_STEP = 16


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a follower looks by itself, and how long it waits for a launcher's answer; seconds.

    `told_s` is between two looks that a launcher asks for: however much it hears, each of them wakes every worker.
    """

    poll_s: float = 1.0
    told_s: float = 0.1
    answer_s: float = 60.0
    stop_again_s: float = 5.0
    let_go_again_s: float = 1.0


@dataclass(slots=True)
class _Known:
    """What a worker knows of its run and need not survive: all of it can be asked again."""

    sighting: tuple[Handle, Observation] | None = None
    looked_at: Handle | None = None  # what the launcher has been able to look at
    fetched: tuple[int, int] | None = None  # attempt, last event number in the store
    stop_asked_at: float | None = None


class Follower:
    """Moves the runs of one launcher, each in a worker of its own.

    It listens to `wishes` (something was asked of a run, or came in for it) and gives `news` (there is something to
    show), two kinds of hint so that it does not wake itself.
    """

    def __init__(
        self,
        launcher: Launcher,
        store: Store,
        rules: Callable[[], Rules],
        *,
        wishes: Hints,
        news: Hints,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
        meter: Meter | None = None,
        waits: Waits | None = None,
    ) -> None:
        self._launcher = launcher
        self._spool = launcher if isinstance(launcher, SpoolSource) else None
        self._store = store
        self._wishes = wishes
        self._news = news
        self._rules = rules
        self._pace = pace or Pace()
        self._clock = clock
        self._meter = meter or Meter()
        self._waits = waits or Waits()
        self._known: dict[str, _Known] = {}
        self._workers = Workers(f"follow-{launcher.name}", self._work)
        self._poll_bell = Bell()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._workers.attach(group)
            self._wishes.listen(self._workers.wake)
            if self._spool is not None:
                self._spool.on_news(self._workers.ring)
            if isinstance(self._launcher, Telling):
                self._launcher.on_change(self._poll_bell.ring)
            group.create_task(self._tidy(), name=f"tidy-{self._launcher.name}")
            while True:
                looked_at = time.monotonic()
                await self._look_at_all()
                if await self._poll_bell.wait(self._pace.poll_s):
                    await Bell().wait(max(0.0, looked_at + self._pace.told_s - time.monotonic()))

    # --- looking ------------------------------------------------------------------------------------------------

    async def _look_at_all(self) -> None:
        """Ask the launcher about every run it has, in one go, and wake all workers."""
        try:
            runs = await self._store.unfinished(self._launcher.name)
            handles = {run.id: run.handle for run in runs if run.handle is not None}
            seen = await self._poll(set(handles.values())) if handles else {}
        except Exception:
            # The border of the loop: a database that is away for a moment must not end the follower.
            log.exception("look failed", extra={"action": "look_failed", "launcher": self._launcher.name})
            return
        for run in runs:
            handle = handles.get(run.id)
            if handle is not None and handle in seen:
                self._known.setdefault(run.id, _Known()).sighting = (handle, seen[handle])
            self._workers.wake(run.id)

    async def _poll(self, handles: set[Handle]) -> dict[Handle, Observation]:
        """The launcher's look; whatever it fails to say is simply not known."""
        try:
            async with asyncio.timeout(self._pace.answer_s):
                return dict(await self._launcher.poll(handles))
        except Exception:
            # A launcher promises not to raise; one that does is treated as an outage, never as "gone".
            log.exception("poll failed", extra={"action": "poll_failed", "launcher": self._launcher.name})
            return {}

    async def _tidy(self) -> None:
        """Discard what a life that ended between a run's last save and its discard left behind."""
        if self._spool is None or not isinstance(self._launcher, SpoolKeeper):
            return
        facts = {"action": "tidy_failed", "launcher": self._launcher.name}
        try:
            left = await self._launcher.left()
        except Exception:
            # Not worth the follower: the next start tries again.
            log.exception("tidying failed", extra=facts)
            return
        for run_id, attempt in left:
            try:
                run = await self._store.load(run_id)
                if attempt < run.attempt or run.launcher != self._launcher.name:
                    await self._spool.discard(replace(run, attempt=attempt))
                elif run.status.final:
                    self._workers.wake(run_id)
            except UnknownRunError:
                continue
            except Exception:
                # Not worth the others.
                log.exception("tidying failed", extra=facts | {"run": run_id})

    # --- one run ------------------------------------------------------------------------------------------------

    async def _work(self, run_id: str, bell: Bell) -> None:
        try:
            while True:
                run, settled = await self._step(run_id)
                if run.launcher != self._launcher.name:
                    return
                if not settled:
                    continue
                if not run.status.final:
                    await bell.wait()
                elif (await self._store.place(run_id)).closed and await self._let_go(run):
                    return
                else:
                    # People have not been told its end yet, and a bot that is put back to a backup could hear it again
                    # here. Or its runner takes its time, or was given up and lives: it may have something to add.
                    await bell.wait(self._pace.let_go_again_s)
        finally:
            self._known.pop(run_id, None)

    async def _step(self, run_id: str) -> tuple[Run, bool]:
        """One step; the run after it, and whether everything at hand was taken in (else step again at once)."""
        known = self._known.setdefault(run_id, _Known())
        sighting, known.sighting = known.sighting, None
        run = await self._store.load(run_id)
        if run.launcher != self._launcher.name or run.doubted:
            return run, True
        settled = await self._collect(run, known)
        happenings = await self._what_was_said(run)
        # What was seen of one handle says nothing of another that a runner has just made itself known by.
        others = [one for one in happenings if isinstance(one, LaunchAccepted) and one.handle != run.handle]
        if sighting is not None and sighting[0] == run.handle and not others:
            happenings.append(Observed(sighting[1]))
            if sighting[1].sighting is not Sighting.UNKNOWN:
                known.looked_at = run.handle
        # A run that was gone when we last lived may have left a spool which a launcher only finds by looking again:
        # until it has, the clock that would give the run up stands still.
        if settled and (run.gone_at is None or known.looked_at == run.handle):
            happenings.append(Tick())
        run = await self._move(run, *happenings)
        if run.launcher != self._launcher.name:
            return run, True
        if run.status is Status.QUEUED and (run.retry_at is None or run.retry_at <= self._clock()):
            run = await self._launch(run)
        elif run.status in (Status.STARTING, Status.RUNNING, Status.STOPPING) and run.handle is None:
            run = await self._heal(run)
        if run.status is Status.STOPPING and run.handle is not None:
            await self._ask_to_stop(run.handle, known)
        return run, settled

    async def _move(self, run: Run, *happenings: Happening) -> Run:
        """Let the happenings move the run and save it once; a stale save starts over with the run as it is now."""
        while True:
            moved = run
            for happening in happenings:
                moved = advance(moved, happening, self._clock(), self._rules())
            if moved is run:
                return run
            try:
                saved = await self._store.save(moved)
            except StaleRunError:
                was, run = run, await self._store.load(run.id)
                if (run.attempt, run.declined) != (was.attempt, was.declined):
                    # Another follower was quicker: what happened to one attempt says nothing of the next.
                    return run
                continue
            if saved.status is not run.status:
                facts = {"run": run.id, "number": run.number, "status": saved.status.value, "reason": saved.reason}
                log.info("run moved", extra={"action": "move", "was": run.status.value, **facts})
                self._measure(run, saved)
            self._news.give(run.id)
            if saved.declined != run.declined:
                await self._pass_on(run, saved)
            return saved

    async def _pass_on(self, was: Run, run: Run) -> None:
        """Wake the follower of the launcher where the run goes on, and leave nothing of it at this one."""
        facts = {"run": run.id, "number": run.number, "was": was.launcher, "launcher": run.launcher}
        log.info("run goes on elsewhere", extra={"action": "pass_on", **facts})
        self._wishes.give(run.id)
        try:
            async with asyncio.timeout(self._pace.answer_s):
                await self._let_go(was)
        except Exception:
            # Nothing of it runs; what it left is tidied up at the next start, where its launcher can tell what is left.
            log.exception("not let go", extra={"action": "let_go_failed", "run": run.id})

    def _measure(self, was: Run, run: Run) -> None:
        launcher = self._launcher.name
        if was.started_at is None and run.started_at is not None:
            self._meter.observe(QUEUE_S, run.started_at - run.created_at, launcher)
            if run.launched_at is not None:
                self._waits.saw(run.where, run.started_at - run.launched_at)
        if run.status.final:
            self._meter.count(RUNS_ENDED, launcher, run.status.value, run.reason.value if run.reason else "unknown")

    # --- events -------------------------------------------------------------------------------------------------

    async def _collect(self, run: Run, known: _Known) -> bool:
        """Bring what the spool has into the store; False where there may be more at once."""
        if self._spool is None or run.launched_at is None or run.status is Status.QUEUED:
            return True
        if known.fetched is None or known.fetched[0] != run.attempt:
            known.fetched = (run.attempt, await self._store.last_event(run.id, run.attempt))
        for _ in range(FETCHES_A_STEP):
            events = await self._spool.fetch(run, known.fetched[1])
            if not events:
                return True
            await self._keep_artifacts(self._spool, run, events)
            await self._store.append(run.id, run.attempt, events)
            known.fetched = (run.attempt, events[-1].n)
            self._news.give(run.id)
        return False

    async def _keep_artifacts(self, spool: SpoolSource, run: Run, events: Sequence[Event]) -> None:
        """A file is in the store before the event that names it."""
        for event in events:
            if event.kind != "artifact" or event.body.get("stored") is None:
                continue
            content = await spool.artifact(run, event.body["stored"])
            if content is None:
                continue
            try:
                await self._store.put_blob(run.id, artifact_blob(run.attempt, event.n), content)
            except ClusterBotError as error:
                log.warning("artifact left out: %s", error, extra={"action": "artifact_refused", "run": run.id})

    async def _what_was_said(self, run: Run) -> list[Happening]:
        if run.launched_at is None:
            return []
        events = await self._store.events(run.id, run.attempt, run.applied, kinds=STATE_KINDS)
        return [happening for event in events for happening in (*recognised(event, self._launcher), said(event))]

    # --- deeds --------------------------------------------------------------------------------------------------

    async def _launch(self, run: Run) -> Run:
        run = await self._move(run, LaunchWished())
        if run.status is not Status.STARTING or run.launcher != self._launcher.name:
            return run
        return await self._start(run)

    async def _start(self, run: Run, *, again: bool = False) -> Run:
        """Ask the launcher for the attempt; `again` where it was asked before, and nobody knows what came of it."""
        try:
            async with asyncio.timeout(self._pace.answer_s):
                handle = await self._launcher.start(run)
        except LaunchRefusedError as refusal:
            log.warning("launch refused: %s", refusal, extra={"action": "launch_refused", "run": run.id})
            if again and not await self._let_go(run):
                # This time nothing was started; what the first asking started may begin yet.
                return run
            return await self._move(run, LaunchRefused(refusal.detail, refusal.again, refusal.after_s))
        except LaunchUncertainError as uncertain:
            # Nobody knows whether it took effect; the next step asks `find`, and nothing is repeated before.
            log.warning("launch uncertain: %s", uncertain, extra={"action": "launch_uncertain", "run": run.id})
            return run
        except Exception:
            # As uncertain, and not what a launcher promised to raise.
            log.exception("launch uncertain", extra={"action": "launch_uncertain", "run": run.id})
            return run
        return await self._accept(run, handle)

    async def _accept(self, run: Run, handle: Handle) -> Run:
        """Keep the handle; where the run has moved on meanwhile, what was just launched is one too many."""
        now = await self._store.load(run.id)
        # Where there is a claim, the loser of two ends by itself; which one that is nobody knows here.
        second = now.handle not in (None, handle) and not self._launcher.claims
        if now.status.final or now.attempt != run.attempt or second:
            log.warning("launched too late", extra={"action": "launched_too_late", "run": run.id})
            await self._stop(handle)
            return now
        return now if now.handle is not None else await self._move(now, accepted(handle, self._launcher))

    async def _heal(self, run: Run) -> Run:
        """The wish to launch is on record and the handle is not: find out which half happened."""
        try:
            async with asyncio.timeout(self._pace.answer_s):
                found = await self._launcher.find(run)
        except Exception:
            # As with `poll`: a launcher that cannot be asked has said nothing.
            log.exception("find failed", extra={"action": "find_failed", "run": run.id})
            return run
        if isinstance(found, Handle):
            return await self._move(run, accepted(found, self._launcher))
        if found is Unknowable.NOW:
            return run
        if found is Unknowable.EVER and not self._launcher.claims:
            return await self._move(run, LaunchUnknowable())
        if run.status is Status.RUNNING:
            # Its runner spoke before the handle was known, or people have seen its output, and the database has not;
            # without a handle nobody would ever ask whether it still lives.
            gone = Observed(Observation(Sighting.MISSING, "its scheduler does not know it any more"))
            return await self._move(run, gone)
        if run.status is Status.STOPPING:
            # What was half launched must never begin. Where it has begun since, it can be found and stopped.
            let_go = await self._let_go(run)
            return await self._move(run, LaunchRefused("", again=False)) if let_go else run
        return await self._start(run, again=True)

    async def _ask_to_stop(self, handle: Handle, known: _Known) -> None:
        now = self._clock()
        if known.stop_asked_at is not None and now - known.stop_asked_at < self._pace.stop_again_s:
            return
        known.stop_asked_at = now
        await self._stop(handle)

    async def _stop(self, handle: Handle) -> None:
        try:
            async with asyncio.timeout(self._pace.answer_s):
                await self._launcher.stop(handle)
        except Exception:
            # It is wished again; meanwhile what the run says is heard.
            log.exception("stop failed", extra={"action": "stop_failed", "launcher": self._launcher.name})

    async def _let_go(self, run: Run) -> bool:
        """Whether nothing is left of the run but what the store has."""
        return self._spool is None or run.launched_at is None or await self._spool.discard(run)
