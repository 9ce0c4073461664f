"""A run, its statuses and reasons, and what a launcher may see of it: plain immutable data.

Read by everybody above; only `advance` makes new ones. The diagram of ARCHITECTURE.md draws `TRANSITIONS`, and a test
compares the two. Few statuses, many reasons; a final status never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from cluster_bot.runs.spec import RunSpec, Where
from cluster_runner.wire import Outcome


class Status(StrEnum):
    """Where a run stands. The last five are final."""

    QUEUED = "queued"  # accepted; no launcher has been asked, or it provably did nothing
    STARTING = "starting"  # a launcher was asked; the runner has not spoken yet
    RUNNING = "running"  # the runner has it
    STOPPING = "stopping"  # a stop is wished; the end is not known yet
    SUCCEEDED = "succeeded"  # the program ended with exit code 0
    FAILED = "failed"  # the program, its compiler or its launcher said no
    CANCELLED = "cancelled"  # somebody ended it
    TIMED_OUT = "timed_out"  # a clock ended it
    LOST = "lost"  # nothing runs any more and nobody can say how it ended

    @property
    def final(self) -> bool:
        """Whether a run in this status never moves again."""
        return not TRANSITIONS[self]


class Reason(StrEnum):
    """Why a run has its status; one sentence each in the front end's messages."""

    COMPLETED = "completed"
    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    COMPILE_ERROR = "compile_error"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_DISK = "out_of_disk"
    TOOL_MISSING = "tool_missing"
    GPU_MISSING = "gpu_missing"
    SETUP_ERROR = "setup_error"
    TIME_LIMIT = "time_limit"
    QUEUE_LIMIT = "queue_limit"
    CANCELLED_BY_USER = "cancelled_by_user"
    CANCELLED_BY_ADMIN = "cancelled_by_admin"
    CANCELLED_OUTSIDE = "cancelled_outside"
    LAUNCHER_REFUSED = "launcher_refused"
    DISPATCH_UNKNOWN = "dispatch_unknown"
    RUNNER_VANISHED = "runner_vanished"
    RESTORED = "restored"


TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.QUEUED: frozenset({Status.STARTING, Status.CANCELLED, Status.TIMED_OUT}),
        Status.STARTING: frozenset(
            {
                Status.QUEUED,
                Status.RUNNING,
                Status.STOPPING,
                Status.SUCCEEDED,
                Status.FAILED,
                Status.CANCELLED,
                Status.TIMED_OUT,
                Status.LOST,
            }
        ),
        Status.RUNNING: frozenset(
            {
                Status.QUEUED,
                Status.STOPPING,
                Status.SUCCEEDED,
                Status.FAILED,
                Status.CANCELLED,
                Status.TIMED_OUT,
                Status.LOST,
            }
        ),
        Status.STOPPING: frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT, Status.LOST}),
        Status.SUCCEEDED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELLED: frozenset(),
        Status.TIMED_OUT: frozenset(),
        Status.LOST: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class Member:
    """Who submitted a run or wishes something of it; `id` is the front end's own id as text."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run was asked for. `key`, one per request, makes `admit` idempotent; `data` is the front end's."""

    key: str
    data: Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True)
class Handle:
    """The launcher's own name for a run it started; text that the store keeps and nobody else reads."""

    text: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the program runs, as the runner introduced itself."""

    name: str
    gpu: str | None = None
    isolation: str | None = None


@dataclass(frozen=True, slots=True)
class StopWish:
    """That a run should end, since when (seconds since the epoch) and why."""

    reason: Reason
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Run:
    """One submission, executing once. Times are seconds since the epoch; `version` counts saves.

    `declined` is what each launcher of the spec's order said that did not start it, before it went on at the next.
    `launched_at` is None where the launcher it is with now has not been asked. `doubted`: it is as a backup had it, and
    nothing is done about it before its feed has told what people have seen of it since.
    """

    id: str
    number: int
    spec: RunSpec
    owner: Member
    origin: Origin
    created_at: float
    status: Status = Status.QUEUED
    reason: Reason | None = None
    detail: str = ""
    attempt: int = 0
    launched_at: float | None = None
    retry_at: float | None = None
    handle: Handle | None = None
    url: str | None = None
    stop: StopWish | None = None
    phase: str | None = None
    machine: Machine | None = None
    started_at: float | None = None
    program_at: float | None = None
    gone_at: float | None = None
    gone_as: Reason | None = None
    finished_at: float | None = None
    outcome: Outcome | None = None
    note: str = ""
    applied: int = 0
    version: int = 0
    declined: tuple[str, ...] = ()
    doubted: bool = False

    @property
    def where(self) -> Where:
        """Where the run is now, of all that its spec names."""
        return self.spec.order[len(self.declined)]

    @property
    def launcher(self) -> str:
        """The launcher the run is with now."""
        return self.where.launcher

    @property
    def gpu(self) -> str | None:
        """The GPU that launcher is asked for."""
        return self.where.gpu

    @property
    def gpu_s(self) -> float:
        """The GPU seconds that count against its member: until the run is over all it may take, then what it took."""
        if not self.status.final:
            return self.spec.most_gpu_s
        if self.outcome is not None:
            took = self.outcome.duration_s
        else:
            # Nobody knows when the program ended: the bot may have noticed hours later.
            took = (self.finished_at or 0.0) - self.started_at if self.started_at is not None else 0.0
        return self.where.gpus * min(max(took, 0.0), float(self.spec.time_limit_s))

    @property
    def next_where(self) -> Where | None:
        """Where the run goes on if its launcher does not start it; None where nothing is left to try."""
        return next(iter(self.spec.order[len(self.declined) + 1 :]), None)


class Sighting(StrEnum):
    """What a launcher saw of a run it started."""

    UNKNOWN = "unknown"  # it could not look; counts as alive
    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    MISSING = "missing"  # the scheduler answered, and knows nothing of it


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a run: what was seen, a line of detail, a URL for people.

    `never_ran` is a promise the launcher may add to MISSING or FINISHED: the program did not and will not start.
    `ending` is what such an end means where no outcome ever arrives; None: that nobody knows how it ended.
    """

    sighting: Sighting
    detail: str = ""
    url: str | None = None
    never_ran: bool = False
    ending: Reason | None = None
