"""Verification: one tiny program on every launcher, asked for by `/verify` or on a schedule, and how each of them went.

Called by the command, by the feed of these runs (`discord_bot.verify_feed`), and by itself every few seconds. It keeps
nothing beside the runs but which verification of the schedule was the last (`Orders.verified`): all runs of one have an
owner of their own, who is nobody, so they stand in no member's list and count against nobody. They are trials: no
limit, pause or rule of an admin's is asked, since this is how an admin looks before they open up again; what bounds
them is `MOST`, and that a second one waits for the end of the first.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from cluster_bot.errors import UserError
from cluster_bot.log import get_logger
from cluster_bot.runs.orders import EVERYWHERE, Verified
from cluster_bot.runs.ports import GpuOffer, Store, Submission
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Member, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec, Where
from cluster_bot.scheduling.choosing import listed
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.scheduling.workers import Bell

log = get_logger(__name__)

PREFIX = "verify:"
# What is verified at once, so that the table fits a message and a launcher's queue is not ours.
MOST = 20
# A launcher that has not begun by then "still waits", and is not waited for.
WAIT_S = 600.0
TIME_LIMIT_S = 60
LOOK_S = 5.0
# Who asks for the verifications of the schedule, and who ends those that wait too long.
VERIFIER = "verification"

_MAIN = "verify.py"
# Its last line can't be known before it has run, so it is neither an old log nor an echo of the source.
PROGRAM = '''\
"""What /verify runs: where it is, and a word that only running it tells."""
import hashlib
import platform
import sys

print(platform.node(), platform.platform(), "Python", platform.python_version(), flush=True)
print("verified", hashlib.sha256(sys.argv[1].encode()).hexdigest()[:16], flush=True)
'''


class State(StrEnum):
    """How far a row of the table is; the last three are its end."""

    WAITS = "waits"
    RUNS = "runs"
    WORKS = "works"
    FAILS = "fails"
    STILL_WAITS = "still waits"

    @property
    def over(self) -> bool:
        """Whether the row changes no more."""
        return self not in (State.WAITS, State.RUNS)


@dataclass(frozen=True, slots=True)
class Row:
    """One launcher and GPU. `run` is None where none was accepted, for `refusal`; `first_s` until its first line.

    `silent`: the program ended well, and the word it should have printed was not seen. `busy`: it waited while members'
    runs were at work there, so nothing is wrong with it.
    """

    where: Where
    state: State
    run: Run | None = None
    first_s: float | None = None
    refusal: str = ""
    silent: bool = False
    busy: bool = False

    @property
    def fails(self) -> bool:
        """Whether an admin should hear of it."""
        return self.state is State.FAILS or (self.state is State.STILL_WAITS and not self.busy)

    @property
    def name(self) -> str:
        """What it is called, for telling whether the same ones fail."""
        return f"{self.where.launcher} {self.where.gpu or ''}".strip()


@dataclass(frozen=True, slots=True)
class Table:
    """A verification as it stands; `left_out` GPUs were too many for it."""

    rows: Sequence[Row]
    began_at: float
    left_out: int = 0

    @property
    def over(self) -> bool:
        """Whether it changes no more."""
        return all(row.state.over for row in self.rows)

    @property
    def failing(self) -> Sequence[Row]:
        """The rows an admin should hear of."""
        return [row for row in self.rows if row.fails]


def is_verification(origin: Origin) -> bool:
    """Whether a run belongs to a verification."""
    return origin.key.startswith(PREFIX)


def verification_of(origin: Origin) -> str:
    """Which verification a run belongs to."""
    return str(origin.data["verification"])


def word_of(run: Run) -> str:
    """The line that the run's program prints if it ran."""
    return f"verified {hashlib.sha256(run.spec.arguments[0].encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What to verify: all launchers or one, every GPU on offer, each launcher's first, or one by its name."""

    launcher: str | None = None
    gpu: str | None = None
    all_gpus: bool = False


class Verifier:
    """`say` makes of a table what the admins are told: that something fails (True), or that all is well again."""

    def __init__(
        self,
        scheduler: Scheduler,
        store: Store,
        *,
        say: Callable[[Table, bool], str],
        clock: Callable[[], float] = time.time,
        wait_s: float = WAIT_S,
    ) -> None:
        self._scheduler = scheduler
        self._store = store
        self._desk = scheduler.desk
        self._say = say
        self._clock = clock
        self._wait_s = wait_s
        # Why a target has no run, by verification: a later life asks again, and is told the same or better.
        self._refusals: dict[str, dict[Where, str]] = {}
        self._giving = ""
        self._bell = Bell()

    # --- beginning ----------------------------------------------------------------------------------------------

    async def begin(self, name: str, asked: Asked, origin: Origin) -> Table:
        """Start a verification called `name`; raises UserError where there is nothing of the kind, or one is under way.

        `origin.data` says where its table is shown; its key is not used.
        """
        await self.check(asked)
        targets, left_out = await self.targets(asked)
        data = {**origin.data, "left_out": left_out}
        await self._submit(name, targets, Origin(origin.key, data))
        return await self.look(name, targets)

    async def check(self, asked: Asked) -> None:
        """Refuse, with UserError, what can be seen at once to be of no use."""
        if asked.launcher is not None and asked.launcher not in self._scheduler.launchers:
            raise refuse(Refusal.UNKNOWN_LAUNCHER, launcher="…")
        if await self._under_way():
            raise refuse(Refusal.VERIFYING_ALREADY)

    async def targets(self, asked: Asked) -> tuple[list[Where], int]:
        """What to verify, and how many of them are too many."""
        offers = await self._scheduler.all_offers()
        found: list[Where] = []
        for launcher in self._scheduler.launchers:
            if asked.launcher in (None, launcher):
                found += _targets(launcher, offers.get(launcher, ()), asked)
        if not found and asked.gpu is not None:
            there = listed({one: them for one, them in offers.items() if asked.launcher in (None, one)})
            raise refuse(Refusal.GPU_NOT_ON_OFFER, offered=there) if there else refuse(Refusal.NOTHING_ON_OFFER)
        return found[:MOST], max(0, len(found) - MOST)

    async def _submit(self, name: str, targets: Sequence[Where], origin: Origin) -> None:
        """Give the runs; again, it finds those that were given.

        What a launcher could never start is told with every run, so that the table is whole from the first on.
        """
        specs = {where: _spec(name, number, where) for number, where in enumerate(targets)}
        offers = await self._scheduler.all_offers()
        said = await asyncio.gather(*(self._refusal_of(offers, *one) for one in specs.items()))
        refusals = {where: str(why) for where, why in zip(specs, said, strict=True) if why is not None}
        told = json.dumps([[one.launcher, one.gpu, refusals.get(one)] for one in targets])
        data = {**origin.data, "verification": name, "targets": told}
        self._refusals, self._giving = {name: refusals}, name
        try:
            for where, spec in specs.items():
                if where not in refusals:
                    try:
                        asked = Submission(spec, owner_of(name), Origin(spec.arguments[0], data))
                        await self._scheduler.submit(asked, trial=True)
                    except UserError as refusal:
                        refusals[where] = str(refusal)
        finally:
            self._giving = ""

    async def _refusal_of(
        self, offers: Mapping[str, Sequence[GpuOffer]], where: Where, spec: RunSpec
    ) -> UserError | None:
        """Why there is no use in asking, None where there is."""
        if where.gpu is None and not offers.get(where.launcher):
            silent = where.launcher not in offers
            why = Refusal.LAUNCHER_SILENT if silent else Refusal.LAUNCHER_OFFERS_NOTHING
            return refuse(why, launcher=where.launcher)
        return await self._scheduler.refusal_at(where, spec)

    async def _under_way(self) -> bool:
        return any(is_verification(run.origin) and not _gave_up(run) for run in await self._store.unfinished())

    # --- looking ------------------------------------------------------------------------------------------------

    async def look(self, name: str, targets: Sequence[Where] | None = None) -> Table:
        """How it stands; where its runs do not tell what was meant, `targets` says it."""
        # Before the runs are read: what is missing then, when nothing is being given any more, was not accepted.
        missing = State.WAITS if self._giving == name else State.FAILS
        runs = {run.where: run for run in await self._store.of_member(owner_of(name).id, MOST)}
        known = next(iter(runs.values()), None)
        refusals = dict(self._refusals.get(name, {}))
        if known is not None:
            told = [(Where(one[0], one[1]), one[2]) for one in json.loads(str(known.origin.data["targets"]))]
            targets = [where for where, _ in told]
            refusals = {**{where: why for where, why in told if why}, **refusals}
        rows = []
        for where in targets or ():
            run, refusal = runs.get(where), refusals.get(where, "")
            if run is not None:
                rows.append(await self._row(where, run))
            else:
                rows.append(Row(where, State.FAILS if refusal else missing, refusal=refusal))
        began_at = min((run.created_at for run in runs.values()), default=self._clock())
        left_out = 0 if known is None else int(known.origin.data.get("left_out") or 0)
        return Table(rows, began_at, left_out)

    async def _row(self, where: Where, run: Run) -> Row:
        shown = (await self._store.place(run.id)).state
        first_s, said = shown.get("first_s"), bool(shown.get("said"))
        if _gave_up(run):
            return Row(where, State.STILL_WAITS, run, busy=await self._is_busy(where))
        if not run.status.final or not shown.get("ended"):
            waits = run.status in (Status.QUEUED, Status.STARTING)
            return Row(where, State.WAITS if waits else State.RUNS, run, first_s)
        works = run.status is Status.SUCCEEDED and said
        silent = run.status is Status.SUCCEEDED and not said
        return Row(where, State.WORKS if works else State.FAILS, run, first_s, silent=silent)

    async def _is_busy(self, where: Where) -> bool:
        """Whether members' runs are at work there."""
        live = await self._store.unfinished(where.launcher)
        return any(
            run.status is Status.RUNNING and run.where == where and not is_verification(run.origin) for run in live
        )

    # --- by itself ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the schedule, and end what waits too long, until cancelled."""
        self._desk.listen(self._bell.ring)
        while True:
            try:
                await self.tick()
            except Exception:
                # The border of the loop: a database that is away for a moment must not end it.
                log.exception("not verified", extra={"action": "verify_failed"})
            await self._bell.wait(LOOK_S)

    async def tick(self) -> None:
        """Do what is due now."""
        await self._end_waiting()
        last = (await self._desk.orders(EVERYWHERE)).verified
        if last is not None and not last.over:
            # Begun, and perhaps not to the end: what was given is found, what was not is given.
            if last.name not in self._refusals:
                await self._submit(last.name, last.targets, _NOWHERE)
            await self.conclude(last.name)
            return
        every_h = float(self._desk.value("verify_every_h"))
        if every_h <= 0 or (last is not None and self._clock() < last.at + 3600 * every_h):
            return
        if self._desk.draining_since is not None:
            # Whoever waits for the last run to end shall not wait for ours.
            return
        if not await self._under_way():
            await self._begin_scheduled(last)

    async def _begin_scheduled(self, last: Verified | None) -> None:
        now = self._clock()
        targets, _ = await self.targets(Asked())
        failed = () if last is None else last.failed
        begun = Verified(f"schedule-{int(now)}", now, tuple(targets), failed=failed)
        # The wish first: a bot that dies here begins this one, and no second.
        await self._desk.remember(EVERYWHERE, lambda orders: replace(orders, verified=begun))
        log.info("verifying", extra={"action": "verify", "verification": begun.name, "targets": len(targets)})
        await self._submit(begun.name, targets, _NOWHERE)
        await self.conclude(begun.name)

    async def _end_waiting(self) -> None:
        before = self._clock() - self._wait_s
        for run in await self._store.unfinished():
            waits = run.status in (Status.QUEUED, Status.STARTING) and run.stop is None and run.created_at < before
            if waits and is_verification(run.origin):
                await self._scheduler.cancel(run.number, run.owner)

    async def conclude(self, name: str) -> None:
        """Tell the admins how a verification of the schedule went, once, when it is over.

        They are told where other launchers fail than the last time, and where none does any more.
        """
        last = (await self._desk.orders(EVERYWHERE)).verified
        if last is None or last.name != name or last.over:
            return
        table = await self.look(name, last.targets)
        if not table.over:
            return
        failed = tuple(row.name for row in table.failing)
        if set(failed) != set(last.failed):
            await self._desk.note(EVERYWHERE, self._say(table, bool(failed)), key=f"{PREFIX}{name}")
        over = replace(last, over=True, failed=failed)
        await self._desk.remember(EVERYWHERE, lambda orders: replace(orders, verified=over))
        log.info("verified", extra={"action": "verified", "verification": name, "failed": len(failed)})


# Of the schedule: its runs have no table, and no server's admins rule over them. The keys are those of a run's origin.
_NOWHERE = Origin("", {"interaction": "0", "token": "", "guild": None, "channel": "0", "threads": False})


def _spec(name: str, number: int, where: Where) -> RunSpec:
    word = f"{PREFIX}{name}:{number}"
    return RunSpec({_MAIN: PROGRAM}, _MAIN, where.launcher, TIME_LIMIT_S, gpu=where.gpu, arguments=(word,))


def owner_of(name: str) -> Member:
    """Who a verification's runs belong to: nobody."""
    return Member(f"{PREFIX}{name}", VERIFIER)


def _gave_up(run: Run) -> bool:
    """Whether we did not wait for it any longer, and it had not begun until then."""
    return run.stop is not None and run.stop.by == VERIFIER and run.started_at is None


def _targets(launcher: str, offers: Sequence[GpuOffer], asked: Asked) -> list[Where]:
    """What to verify of one launcher; itself alone where it says nothing, so that this is seen."""
    if asked.gpu is not None:
        wanted = asked.gpu.strip().lower()
        return [Where(launcher, one.gpu) for one in offers if one.gpu is not None and one.gpu.lower() == wanted]
    found = list(dict.fromkeys(Where(launcher, one.gpu) for one in offers)) or [Where(launcher)]
    return found if asked.all_gpus else found[:1]
