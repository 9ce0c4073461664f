"""What the domain asks of the world: launcher, store, feed, hints.

Implemented beside and above, with one contract suite each. Every method is a coroutine that does
not block the loop. Times are seconds since the epoch, sizes are bytes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from cluster_bot.errors import ClusterBotError
from cluster_bot.runs.machines import Expecting
from cluster_bot.runs.orders import EVERYWHERE, OrderBook
from cluster_bot.runs.rules import Limits, Usage
from cluster_bot.runs.run import Handle, Member, Observation, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.runs.summary import Summary, Which
from cluster_runner.wire import Event

# --- launchers --------------------------------------------------------------------------------------------------


class LaunchRefusedError(ClusterBotError):
    """The scheduler said no and nothing was started.

    `again` says whether asking later may help, `after_s` in how many seconds at the earliest, where it is known.
    """

    def __init__(self, detail: str, *, again: bool, after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.again = again
        self.after_s = after_s


class LaunchUncertainError(ClusterBotError):
    """The launch may or may not have taken effect; ask `find` before anything else."""


class Unknowable(StrEnum):
    """`find` could not tell: NOW it could not ask; EVER the scheduler cannot be asked by our id."""

    NOW = "now"
    EVER = "ever"


@dataclass(frozen=True, slots=True)
class GpuOffer:
    """A GPU a launcher offers: its name (None: the launcher's only machine), runs waiting for it, paused or not.

    `price` is US dollars per second, None where it costs nobody anything that is known; `starts_in_s` about how long a
    run waits that has nobody before it; `machines` how many runs go on at once, 0 where there is no machine now. None:
    not known.
    """

    gpu: str | None
    waiting: int = 0
    paused: bool = False
    price: float | None = None
    starts_in_s: float | None = None
    machines: int | None = None


class Launcher(Protocol):
    """Starts runs on one scheduler. Every verb may be called in any state of the run, and again."""

    @property
    def name(self) -> str:
        """What members type after `/run`; an identifier."""

    @property
    def claims(self) -> bool:
        """Whether the runner's claim makes a repeated `start` of the same attempt harmless."""

    async def start(self, run: Run) -> Handle:
        """Ask the scheduler for attempt `run.attempt`; return once it has accepted, never wait for a GPU.

        Raises LaunchRefusedError (nothing was started) or LaunchUncertainError (nobody knows). Any other exception
        counts as uncertain.
        """

    async def find(self, run: Run) -> Handle | Unknowable | None:
        """The handle of attempt `run.attempt` where the scheduler has it; None where it certainly has not."""

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """One look at all `handles`, each answered. An outage is UNKNOWN, never an exception, never MISSING."""

    async def stop(self, handle: Handle) -> None:
        """Wish the run to end. Idempotent, returns at once; a run that is gone is fine."""

    async def availability(self) -> Sequence[GpuOffer]:
        """What is on offer now; empty where nothing is."""

    async def close(self) -> None:
        """Let go of everything but the runs, which go on."""


@runtime_checkable
class Discerning(Protocol):
    """A launcher that knows beforehand what it could not start, so that it is refused before it is admitted."""

    async def check(self, spec: RunSpec) -> None:
        """Raise UserError, with what to do instead, where `spec` could never be started. Answers within seconds."""


@runtime_checkable
class Recognising(Protocol):
    """A launcher whose runners tell the scheduler's own id in their hello.

    Where a launch took effect twice, that says which of the two won the claim.
    """

    def handle_of(self, scheduler_run: str) -> Handle | None:
        """The handle of what the runner named; None where that is no id of this launcher's."""

    def link_of(self, handle: Handle) -> str | None:
        """Where people find what `handle` names; None where there is no such place."""


@runtime_checkable
class SpoolSource(Protocol):
    """A launcher that can fetch a runner's spool through its own channel."""

    def on_news(self, ring: Callable[[str], None]) -> None:
        """Call `ring(run id)`, from the loop, when a spool may have grown. A hint: nothing depends on it."""

    async def fetch(self, run: Run, after: int) -> Sequence[Event]:
        """Events of attempt `run.attempt` numbered over `after`, in order, as many as are handy; [] where none are.

        After `poll` said FINISHED, repeated calls return everything there will ever be.
        """

    async def artifact(self, run: Run, stored: str) -> bytes | None:
        """The content of a file an artifact event named; None where it is gone."""

    async def discard(self, run: Run) -> bool:
        """The spool may go, and who has not begun to execute it must not: the run is over, or nobody has it yet.

        False where a runner lives in it: then it stays, and this is asked again.
        """


@runtime_checkable
class Telling(Protocol):
    """A launcher that hears of its runs before it is asked."""

    def on_change(self, look: Callable[[], None]) -> None:
        """Call `look()`, from the loop, when `poll` would say something new. A hint: nothing depends on it."""


@runtime_checkable
class SpoolKeeper(Protocol):
    """A launcher that can tell which spools nobody has discarded: a bot may die between a run's end and that."""

    async def left(self) -> Collection[tuple[str, int]]:
        """Run and attempt of every spool that is still there, those in use included."""


# --- store ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submission:
    """What a front end hands in: what to run, for whom, where it was asked.

    `groups` are the ids of what the front end's admins sort its members into (on Discord: roles), for their limits;
    `scope` is whose orders hold beside those for everywhere.
    """

    spec: RunSpec
    owner: Member
    origin: Origin
    groups: tuple[str, ...] = ()
    scope: str = EVERYWHERE


class Gate(Protocol):
    """Who looks into a submission before it is a run: the place of an admin's own rules."""

    async def check(self, submission: Submission) -> None:
        """Raise UserError, with the reason, where it must not run. Answers within seconds."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A run that is ours now; `fresh` is False where the same request had been admitted before."""

    run: Run
    fresh: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands, as far as its runner must know: a small part of a Run, at a small part of the cost."""

    status: Status
    attempt: int
    finished_at: float | None

    def may_execute(self, attempt: int) -> bool:
        """Whether a runner of `attempt` may begin, or go on.

        Not where the run is over, its stop is wished, or it waits again: a wait ends in the next attempt, never this.
        """
        return attempt == self.attempt and self.status in (Status.STARTING, Status.RUNNING)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a feed has got, by its own JSON and the run's version its status shows; `restored`: maybe further."""

    state: Mapping[str, Any] = field(default_factory=dict)
    shown_version: int = -1
    closed: bool = False
    restored: bool = False


def artifact_blob(attempt: int, n: int) -> str:
    """The blob of artifact event `n`: two files of a run may share the name their program gave them."""
    return f"artifact/{attempt}/{n}"


class Store(Expecting, Protocol):
    """The truth. Every write is durable when it returns."""

    book: OrderBook  # where admins' orders are kept

    async def admit(self, submission: Submission, limits: Limits, now: float) -> Admission:
        """Check `limits` and insert, in one serialised transaction; idempotent by `submission.origin.key`.

        Raises UserError where a limit is reached.
        """

    async def usage(self, member_id: str, now: float) -> Usage:
        """What a member has of the bot at the moment."""

    async def load(self, run_id: str) -> Run:
        """The run; raises UnknownRunError."""

    async def by_number(self, number: int) -> Run | None:
        """The run people call #number."""

    async def standing(self, run_id: str) -> Standing:
        """Where the run stands now; raises UnknownRunError."""

    async def save(self, run: Run) -> Run:
        """Store `run` if its version is still the stored one, and return it with the next; else StaleRunError."""

    async def claim(self, run_id: str, attempt: int, instance: str) -> bool:
        """Whether the runner `instance` may execute the attempt: the first to ask, again and again, and no other.

        False too where `Standing.may_execute` is; in one serialised transaction, so that a claim and a stop never both
        win. Raises UnknownRunError.
        """

    async def unfinished(self, launcher: str | None = None) -> list[Run]:
        """Runs without a final status, oldest first."""

    async def of_member(self, member_id: str, limit: int) -> list[Run]:
        """A member's runs, newest first."""

    async def summaries(self, which: Which, limit: int, offset: int = 0) -> list[Summary]:
        """The runs that are meant, live ones first, then newest first; those that can't be read are left out."""

    async def count(self, which: Which) -> int:
        """How many runs are meant, those that can't be read among them."""

    async def waiting_of(self, member_id: str) -> list[int]:
        """The numbers of the member's runs that are QUEUED or STARTING, oldest first."""

    async def append(self, run_id: str, attempt: int, events: Sequence[Event]) -> int:
        """Keep events; those already there, or of an attempt that is not the run's, are ignored. How many were new."""

    async def events(
        self, run_id: str, attempt: int, after: int, *, kinds: Collection[str] | None = None, limit: int = 1000
    ) -> list[Event]:
        """Events numbered over `after`, in order, at most `limit`; only of `kinds` where given."""

    async def log_size(self, run_id: str, attempt: int) -> int:
        """About how many characters of output are kept; escapes count as they are kept."""

    async def last_event(self, run_id: str, attempt: int) -> int:
        """The highest event number kept without a gap below it; 0 where there is none."""

    async def place(self, run_id: str) -> Place:
        """How far the run's feed has got; an empty place where it has not begun."""

    async def save_place(self, run_id: str, place: Place) -> None:
        """Remember how far the run's feed has got."""

    async def open_feeds(self) -> list[str]:
        """Ids of the runs whose feed is not closed, oldest first."""

    async def put_blob(self, run_id: str, name: str, content: bytes) -> None:
        """Keep a file of a run under `name`; the same name again replaces it."""

    async def blob(self, run_id: str, name: str) -> bytes | None:
        """A file of a run, None where there is none."""

    async def close(self) -> None:
        """Let go of the database."""


# --- feeds ------------------------------------------------------------------------------------------------------


class FeedGoneError(ClusterBotError):
    """The place where people watched is gone for good (deleted, forbidden); the run goes on unseen."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file the program left, to be shown at the end; `content` is None where it was left behind, for `why`."""

    name: str
    content: bytes | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """That a flood's middle was left out: so many lines and bytes."""

    lines: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """What stderr says of what went wrong, "" and () where it says nothing.

    `said` is the one line that says it, raised in `line` of the member's own `file`, which reads `source`; `excerpt`
    are lines that must be seen as they are, a compiler's error with the source below it.
    """

    said: str = ""
    file: str = ""
    line: int = 0
    source: str = ""
    excerpt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A waiting run's place among its member's waiting runs: the `nth` of `total`, counted from 1."""

    nth: int
    total: int


class RunFeed(Protocol):
    """Where people watch one run. Every verb may be repeated after a crash and must not show anything twice.

    It keeps what it needs for that in its Place through the `Memory` it was made with, saved before and after each
    thing it creates. Raises FeedGoneError where the place is gone for good, anything else where trying again may help.
    """

    async def open(self, run: Run) -> None:
        """Make the place, once."""

    @property
    def abridged(self) -> bool:
        """Whether lines were left out, so that the whole log should come as a file."""

    async def append(self, lines: Sequence[str | Gap], *, partial: str) -> None:
        """Take the next complete lines, and the unfinished one after them. Shows nothing yet.

        A feed made anew is told all lines from the first; it skips what it has shown.
        """

    async def flush(self, run: Run) -> None:
        """Show what was taken and not shown yet."""

    async def show(self, run: Run, turn: Turn | None = None) -> None:
        """Bring the status up to date with `run`; `turn` is its place in the queue where it waits behind others."""

    async def close(self, run: Run, files: Sequence[Attachment], trouble: Trouble) -> None:
        """Give the verdict and the files the program left, once, as the last thing."""


class Memory(Protocol):
    """A feed's place, kept in the store."""

    @property
    def place(self) -> Place:
        """The place as last saved."""

    async def save(self, place: Place) -> None:
        """Durable when it returns."""


class Hints(Protocol):
    """ "Look at run X", to whoever listens. A hint may be lost; nothing depends on it."""

    def give(self, run_id: str) -> None:
        """Tell every listener; returns at once."""

    def listen(self, ear: Callable[[str], None]) -> None:
        """Call `ear(run id)` for each hint from now on."""
