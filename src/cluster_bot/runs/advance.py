"""The state machine: what can happen to a run, and the one pure function that moves it.

Called by the follower, and by the scheduler for a member's wishes; whoever calls it saves what it returns, guarded by
the version. No I/O, no clock: `now` is seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import assert_never

from cluster_bot.runs.rules import Rules
from cluster_bot.runs.run import Handle, Machine, Observation, Reason, Run, Sighting, Status, StopWish
from cluster_runner.wire import Outcome

# What each result on the wire means here; "stopped" depends on who wished it and stands in `_stopped`.
_RESULTS: Mapping[str, tuple[Status, Reason]] = MappingProxyType(
    {
        "signalled": (Status.FAILED, Reason.SIGNAL),
        "time_limit": (Status.TIMED_OUT, Reason.TIME_LIMIT),
        "memory_limit": (Status.FAILED, Reason.OUT_OF_MEMORY),
        "disk_limit": (Status.FAILED, Reason.OUT_OF_DISK),
        "compile_error": (Status.FAILED, Reason.COMPILE_ERROR),
        "tool_missing": (Status.FAILED, Reason.TOOL_MISSING),
        "gpu_missing": (Status.FAILED, Reason.GPU_MISSING),
        "setup_error": (Status.FAILED, Reason.SETUP_ERROR),
    }
)

# What a scheduler's own verdict makes of a run whose outcome never arrived; any other leaves it lost.
_ENDINGS: Mapping[Reason, Status] = MappingProxyType(
    {
        Reason.CANCELLED_OUTSIDE: Status.CANCELLED,
        Reason.TIME_LIMIT: Status.TIMED_OUT,
        Reason.QUEUE_LIMIT: Status.TIMED_OUT,
        Reason.LAUNCHER_REFUSED: Status.FAILED,
        Reason.SETUP_ERROR: Status.FAILED,
        Reason.OUT_OF_MEMORY: Status.FAILED,
    }
)

# What is kept of a launcher's reason not to start a run that went on at another.
MAX_DECLINED_CHARS = 300


@dataclass(frozen=True, slots=True)
class LaunchWished:
    """The follower is about to start the next attempt; saved before the launcher is asked."""


@dataclass(frozen=True, slots=True)
class LaunchAccepted:
    """The launcher took it; `url` is where people find what `handle` names, where that is known already."""

    handle: Handle
    url: str | None = None


@dataclass(frozen=True, slots=True)
class LaunchRefused:
    """The launcher said no; `again` says whether asking later may help. Nothing was started."""

    detail: str
    again: bool
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class LaunchUnknowable:
    """Nobody can say whether the launch took effect, and repeating it could run the program twice."""


@dataclass(frozen=True, slots=True)
class Said:
    """The runner said something through event number `n` of the current attempt."""

    n: int
    machine: Machine | None = None
    phase: str | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """The launcher looked."""

    observation: Observation


@dataclass(frozen=True, slots=True)
class StopWished:
    """A member or an admin wishes it to end."""

    reason: Reason
    by: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """The database was put back to an older state, after which the world went on.

    `watched`: it has a feed that can tell what people have seen of it since.
    """

    watched: bool


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a feed tells of a run that was put back: what people have seen of it that the database does not know.

    `status` is the furthest that was shown, None where nothing but its waiting was; of a final one `at` says when.
    """

    status: Status | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class LaterAttempt:
    """A runner has shown a token of ours for an attempt that a database that was put back does not know."""

    attempt: int


Happening = (
    LaunchWished
    | LaunchAccepted
    | LaunchRefused
    | LaunchUnknowable
    | Said
    | Observed
    | StopWished
    | Tick
    | PutBack
    | Recalled
    | LaterAttempt
)


def advance(run: Run, happening: Happening, now: float, rules: Rules) -> Run:
    """The run after `happening`; the same object where it changes nothing. Pure."""
    if run.status.final:
        return _afterword(run, happening)
    if run.doubted and not isinstance(happening, PutBack | Recalled | LaterAttempt | StopWished):
        return run
    match happening:
        case LaunchWished():
            return _wish_launch(run, now)
        case LaunchAccepted(handle, url):
            # With another handle, a link would lead to what is not this run any more.
            return run if run.handle == handle else replace(run, handle=handle, url=url)
        case LaunchRefused():
            return _refused(run, happening, now, rules)
        case LaunchUnknowable():
            return _unknowable(run, now)
        case Said():
            return _said(run, happening, now)
        case Observed(observation):
            return _observed(run, observation, now, rules)
        case StopWished(reason, by):
            return _wish_stop(run, reason, by, now)
        case Tick():
            return _tick(run, now, rules)
        case PutBack(watched):
            return _put_back(run, watched, now)
        case Recalled():
            return _recalled(run, happening, now)
        case LaterAttempt(attempt):
            return _overtake(run, attempt, now)
        case _:
            assert_never(happening)


def _put_back(run: Run, watched: bool, now: float) -> Run:
    # One that waited may have been launched since: as after a crash between the wish and the deed, the launcher is
    # asked before anything is repeated.
    return replace(_wish_launch(run, now), doubted=watched)


def _recalled(run: Run, recalled: Recalled, now: float) -> Run:
    if not run.doubted:
        return run
    run = replace(run, doubted=False)
    if recalled.status is None:
        return run
    if recalled.status.final:
        # People were told, and a verdict is never taken back.
        return _end(run, recalled.status, Reason.RESTORED, now if recalled.at is None else recalled.at)
    if run.status is Status.STARTING:
        # It was executed, so it must not be launched again, whatever its launcher remembers.
        run = replace(run, status=Status.RUNNING, started_at=now, detail="")
    return _wish_stop(run, Reason.RESTORED, "restore", now) if recalled.status is Status.STOPPING else run


def _overtake(run: Run, attempt: int, now: float) -> Run:
    if attempt <= run.attempt:
        return run
    # The attempt in between provably never ran, or there would be none after it.
    status = run.status if run.status in (Status.RUNNING, Status.STOPPING) else Status.QUEUED
    overtaken = replace(_wish_launch(replace(run, status=Status.QUEUED), now), attempt=attempt)
    return overtaken if status is Status.QUEUED else replace(overtaken, status=status)


def _afterword(run: Run, happening: Happening) -> Run:
    """A late outcome of a lost run is noted, never acted on."""
    if isinstance(happening, Said) and happening.n > run.applied:
        run = replace(run, applied=happening.n)
        if happening.outcome is not None and run.outcome is None and run.status is Status.LOST:
            return replace(run, outcome=happening.outcome, note=f"late outcome: {happening.outcome.result}")
    return run


def _wish_launch(run: Run, now: float) -> Run:
    if run.status is not Status.QUEUED:
        return run
    return replace(
        run,
        status=Status.STARTING,
        attempt=run.attempt + 1,
        launched_at=now,
        retry_at=None,
        handle=None,
        url=None,
        gone_at=None,
        gone_as=None,
        applied=0,
        detail="",
    )


def _refused(run: Run, refused: LaunchRefused, now: float, rules: Rules) -> Run:
    if run.status is Status.STOPPING:
        return _end_stopped(run, now)
    if run.status is not Status.STARTING:
        return run
    if run.handle is None and run.next_where is not None:
        return _go_on(run, refused.detail, now)
    if refused.again:
        # Asking again is bounded by the queue's clock, not by a count: an outage may last longer than five tries.
        return _queue_again(run, refused.detail, now + max(refused.after_s or 0.0, rules.retry_pause_s))
    return _end(run, Status.FAILED, Reason.LAUNCHER_REFUSED, now, refused.detail)


def _go_on(run: Run, detail: str, now: float) -> Run:
    """To the next launcher of its order. Only for an attempt of which nothing was started, or ever will be."""
    declined = (*run.declined, detail[:MAX_DECLINED_CHARS])
    return replace(_queue_again(run, "", now), declined=declined, launched_at=None, url=None)


def _queue_again(run: Run, detail: str, retry_at: float) -> Run:
    # Nothing of the idle attempt may stay: a run that waits can't be gone.
    return replace(
        run,
        status=Status.QUEUED,
        retry_at=retry_at,
        handle=None,
        gone_at=None,
        gone_as=None,
        started_at=None,
        detail=detail,
    )


def _unknowable(run: Run, now: float) -> Run:
    if run.handle is None and run.status is not Status.QUEUED:
        return _end(run, Status.LOST, Reason.DISPATCH_UNKNOWN, now)
    return run


def _said(run: Run, said: Said, now: float) -> Run:
    if said.n <= run.applied or run.status is Status.QUEUED:
        return run
    run = replace(
        run,
        applied=said.n,
        detail=run.detail if run.applied > 0 else "",
        gone_at=None if said.outcome is None else run.gone_at,
        machine=said.machine or run.machine,
        phase=said.phase or run.phase,
        program_at=now if said.phase == "run" else run.program_at,
    )
    if run.status is Status.STARTING:
        run = replace(run, status=Status.RUNNING, started_at=now, detail="")
    if said.outcome is not None:
        return _end_with(run, said.outcome, now)
    return run


def _observed(run: Run, seen: Observation, now: float, rules: Rules) -> Run:
    if run.status is Status.QUEUED:
        return run
    if seen.url is not None and seen.url != run.url:
        run = replace(run, url=seen.url)
    match seen.sighting:
        case Sighting.UNKNOWN:
            return _unheard(run, seen.detail) if seen.detail else run
        case Sighting.PENDING:
            run = run if run.gone_at is None else replace(run, gone_at=None)
            return _unheard(run, seen.detail)
        case Sighting.RUNNING:
            run = run if run.gone_at is None else replace(run, gone_at=None)
            if run.status is Status.STARTING:
                return replace(run, status=Status.RUNNING, started_at=now, detail=seen.detail)
            return _unheard(run, seen.detail)
        case Sighting.FINISHED | Sighting.MISSING:
            return _gone(run, seen, now, rules)
        case _:
            assert_never(seen.sighting)


def _unheard(run: Run, detail: str) -> Run:
    """What a launcher says of a run that is with it, for as long as the runner itself has said nothing."""
    if run.applied > 0 or run.gone_at is not None or run.detail == detail:
        return run
    return replace(run, detail=detail)


def _gone(run: Run, seen: Observation, now: float, rules: Rules) -> Run:
    if seen.never_ran and run.applied == 0:
        if run.status is Status.STOPPING:
            return _end_stopped(run, now)
        if run.next_where is not None:
            return _go_on(run, seen.detail, now)
        if run.attempt < rules.max_attempts:
            return _queue_again(run, seen.detail, now)
        return _end(run, Status.FAILED, Reason.LAUNCHER_REFUSED, now, seen.detail)
    if run.gone_at is None:
        return replace(run, gone_at=now, gone_as=seen.ending, detail=seen.detail or run.detail)
    return run


def _wish_stop(run: Run, reason: Reason, by: str, now: float) -> Run:
    if run.stop is not None:
        return run
    run = replace(run, stop=StopWish(reason, by, now))
    if run.status is Status.QUEUED:
        return _end_stopped(run, now)
    return replace(run, status=Status.STOPPING)


def _tick(run: Run, now: float, rules: Rules) -> Run:
    # Complete first, time out second: whoever calls has applied the events it knows before it ticks.
    if run.gone_at is not None and now - run.gone_at >= rules.outcome_grace_s:
        if run.stop is not None:
            return _end_stopped(run, now)
        reason = run.gone_as or Reason.RUNNER_VANISHED
        return _end(run, _ENDINGS.get(reason, Status.LOST), reason, now, run.detail)
    waiting = run.status in (Status.QUEUED, Status.STARTING)
    if waiting and now - run.created_at > rules.queue_limit_s:
        return _wish_stop(run, Reason.QUEUE_LIMIT, "the clock", now)
    # The runner enforces the time limit itself; this is the watch on a runner that does not.
    longest = run.spec.time_limit_s + rules.setup_allowance_s
    if run.status is Status.RUNNING and run.started_at is not None and now - run.started_at > longest:
        return _wish_stop(run, Reason.TIME_LIMIT, "the clock", now)
    return run


def _end_with(run: Run, outcome: Outcome, now: float) -> Run:
    run = replace(run, outcome=outcome)
    if outcome.result == "stopped":
        return _end_stopped(run, now)
    if outcome.result == "exited":
        status = Status.SUCCEEDED if outcome.exit_code == 0 else Status.FAILED
        reason = Reason.COMPLETED if outcome.exit_code == 0 else Reason.EXIT_CODE
    else:
        status, reason = _RESULTS[outcome.result]
    return _end(run, status, reason, now, outcome.detail)


def _end_stopped(run: Run, now: float) -> Run:
    reason = run.stop.reason if run.stop is not None else Reason.CANCELLED_OUTSIDE
    timed = reason in (Reason.TIME_LIMIT, Reason.QUEUE_LIMIT)
    return _end(run, Status.TIMED_OUT if timed else Status.CANCELLED, reason, now)


def _end(run: Run, status: Status, reason: Reason, now: float, detail: str = "") -> Run:
    return replace(run, status=status, reason=reason, detail=detail, finished_at=now)
