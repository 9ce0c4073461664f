"""The state machine under any sequence of happenings and any clock: what no arrow draws never occurs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_bot.runs.advance import (
    MAX_DECLINED_CHARS,
    Happening,
    LaunchAccepted,
    LaunchRefused,
    LaunchUnknowable,
    LaunchWished,
    Observed,
    Said,
    StopWished,
    Tick,
    advance,
)
from cluster_bot.runs.rules import Rules
from cluster_bot.runs.run import (
    TRANSITIONS,
    Handle,
    Machine,
    Member,
    Observation,
    Origin,
    Reason,
    Run,
    Sighting,
    Status,
)
from cluster_bot.runs.spec import RunSpec, Where
from cluster_runner.wire import RESULTS, Outcome

RULES = Rules(queue_limit_s=60, setup_allowance_s=20, outcome_grace_s=5, retry_pause_s=5, max_attempts=3)
TIME_LIMIT_S = 30
FIRST = Run(
    id="0" * 32,
    number=1,
    spec=RunSpec({"a.py": "print()"}, "a.py", "local", TIME_LIMIT_S),
    owner=Member("1", "ann"),
    origin=Origin("key", {}),
    created_at=1000.0,
    version=7,
)
CHOOSY = replace(FIRST, spec=replace(FIRST.spec, others=(Where("github", "T4"), Where("modal", "T4"))))
firsts = st.sampled_from([FIRST, CHOOSY])
WISHES = [Reason.CANCELLED_BY_USER, Reason.CANCELLED_BY_ADMIN]

outcomes = st.builds(
    Outcome,
    st.sampled_from(RESULTS),
    exit_code=st.none() | st.sampled_from([0, 1, 137]),
    detail=st.sampled_from(["", "x"]),
)
phases = st.sampled_from([None, "compile", "run"])
numbers = st.integers(1, 12)
said = st.builds(Said, n=numbers, machine=st.none() | st.just(Machine("host")), phase=phases)
observations = st.builds(
    Observation,
    st.sampled_from(Sighting),
    detail=st.sampled_from(["", "waiting for a machine"]),
    url=st.sampled_from([None, "https://example.org/1"]),
    never_ran=st.booleans(),
)
# What may happen often in the life of one run, and what mostly happens once, at its end.
common: st.SearchStrategy[Happening] = st.one_of(
    st.just(LaunchWished()),
    st.builds(LaunchAccepted, st.builds(Handle, st.sampled_from(["a", "b"]))),
    st.builds(LaunchRefused, st.just("no room"), again=st.just(True)),
    said,
    st.builds(Observed, observations),
    st.just(Tick()),
)
rare: st.SearchStrategy[Happening] = st.one_of(
    st.builds(LaunchRefused, st.just("never"), again=st.just(False)),
    st.just(LaunchUnknowable()),
    st.builds(Said, n=numbers, machine=st.none(), phase=phases, outcome=outcomes),
    st.builds(StopWished, st.sampled_from(WISHES), st.sampled_from(["ann", "bob"])),
)
happenings = st.integers(0, 9).flatmap(lambda one: rare if one == 9 else common)
# Mostly seconds; sometimes past every limit; sometimes a clock that was set back.
pauses = st.one_of(st.just(0.0), st.floats(0, 10), st.floats(0, 200), st.floats(-50, 0))
launches = [LaunchWished(), LaunchAccepted(Handle("a"))]
beginnings = st.sampled_from([[], launches, [*launches, Said(1, machine=Machine("host"), phase="run")]])
# Begun along the way that runs take: alone, chance would leave most of them in the queue.
histories = st.builds(
    lambda beginning, rest: [*((happening, 1.0) for happening in beginning), *rest],
    beginnings,
    st.lists(st.tuples(happenings, pauses), max_size=20),
)
many = settings(max_examples=300)


@dataclass(frozen=True)
class Step:
    before: Run
    happening: Happening
    now: float
    after: Run


def steps(history: Iterable[tuple[Happening, float]], run: Run = FIRST) -> list[Step]:
    taken, now = [], run.created_at
    for happening, pause in history:
        now += pause
        after = advance(run, happening, now, RULES)
        taken.append(Step(run, happening, now, after))
        run = after
    return taken


@many
@given(histories, firsts)
def test_every_change_of_status_is_drawn(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        if step.after.status is not step.before.status:
            assert step.after.status in TRANSITIONS[step.before.status], step.happening


@many
@given(histories, firsts)
def test_a_final_run_only_takes_notes(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        if step.before.status.final:
            noted = replace(step.before, applied=step.after.applied, outcome=step.after.outcome, note=step.after.note)
            assert step.after == noted
            if step.after.outcome != step.before.outcome:
                assert step.before.status is Status.LOST
                assert step.before.outcome is None


@many
@given(histories, firsts)
def test_what_belongs_to_others_is_left_alone(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        for name in ("id", "number", "spec", "owner", "origin", "created_at", "version"):
            assert getattr(step.after, name) == getattr(step.before, name)


@many
@given(histories, firsts)
def test_no_change_is_the_same_object(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        assert step.after is step.before or step.after != step.before


@many
@given(histories, firsts)
def test_the_end_has_a_reason_and_a_time_and_nothing_else_has(
    history: list[tuple[Happening, float]], first: Run
) -> None:
    for step in steps(history, first):
        assert (step.after.reason is not None) == step.after.status.final
        assert (step.after.finished_at is not None) == step.after.status.final
        if step.after.status.final and not step.before.status.final:
            assert step.after.finished_at == step.now


@many
@given(histories, firsts)
def test_an_outcome_decides(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        happening = step.happening
        fresh = isinstance(happening, Said) and happening.n > step.before.applied
        if not fresh or step.before.status.final or step.before.status is Status.QUEUED:
            continue
        assert isinstance(happening, Said)
        assert step.after.status.final == (happening.outcome is not None)
        if happening.outcome is not None and happening.outcome.result != "stopped":
            # Whatever was wished or seen before: how the program ended is what counts.
            unhurried = replace(step.before, stop=None, gone_at=None, status=Status.RUNNING)
            expected = advance(unhurried, happening, step.now, RULES)
            assert (step.after.status, step.after.reason) == (expected.status, expected.reason)


@many
@given(histories, firsts)
def test_success_needs_an_outcome_with_exit_code_zero(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        if step.after.status is Status.SUCCEEDED:
            assert step.after.outcome is not None
            assert (step.after.outcome.result, step.after.outcome.exit_code) == ("exited", 0)
            assert step.after.reason is Reason.COMPLETED
        if step.after.outcome is not None and step.after.outcome.result == "exited" and step.after.outcome.exit_code:
            assert step.after.status in (Status.FAILED, Status.LOST)


@many
@given(histories, firsts)
def test_the_first_wish_to_stop_wins(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        if step.before.stop is not None:
            assert step.after.stop == step.before.stop
        if step.after.status is Status.CANCELLED and step.after.stop is not None:
            assert step.after.reason is step.after.stop.reason
        if step.after.status is Status.STOPPING:
            assert step.after.stop is not None


@many
@given(histories, firsts)
def test_lost_needs_proof(history: list[tuple[Happening, float]], first: Run) -> None:
    gone_since: float | None = None
    for step in steps(history, first):
        if step.after.status is Status.LOST and step.before.status is not Status.LOST:
            if isinstance(step.happening, LaunchUnknowable):
                assert step.before.handle is None
                assert step.after.reason is Reason.DISPATCH_UNKNOWN
            else:
                assert isinstance(step.happening, Tick)
                assert gone_since is not None
                assert step.now - gone_since >= RULES.outcome_grace_s
                assert step.after.reason is Reason.RUNNER_VANISHED
        gone_since = _gone_since(step, gone_since)


def _gone_since(step: Step, gone_since: float | None) -> float | None:
    """Since when, without a sign of life of this attempt, the scheduler has said that nothing runs."""
    match step.happening:
        case LaunchWished() if step.before.status is Status.QUEUED:
            return None
        case Said(n=n) if n > step.before.applied and step.before.status is not Status.QUEUED:
            return None
        case Observed(Observation(sighting=Sighting.PENDING | Sighting.RUNNING)):
            return None
        case Observed(Observation(sighting=Sighting.FINISHED | Sighting.MISSING)):
            if step.before.status is not Status.QUEUED and gone_since is None:
                return step.now
    return gone_since


@many
@given(histories, firsts)
def test_queue_time_never_counts_as_run_time(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        wish = step.after.stop
        if wish is None or wish == step.before.stop or not isinstance(step.happening, Tick):
            continue
        if wish.reason is Reason.TIME_LIMIT:
            assert step.before.status is Status.RUNNING
            assert step.before.started_at is not None
            assert step.now - step.before.started_at > TIME_LIMIT_S + RULES.setup_allowance_s
        else:
            assert wish.reason is Reason.QUEUE_LIMIT
            assert step.before.status in (Status.QUEUED, Status.STARTING)
            assert step.now - step.before.created_at > RULES.queue_limit_s


@many
@given(histories, firsts)
def test_run_time_begins_when_it_runs_and_is_not_moved(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        if step.after.status is Status.QUEUED:
            # An attempt that provably never ran; the next has its own beginning.
            assert step.after.started_at is None
        elif step.after.started_at != step.before.started_at:
            assert step.before.status is Status.STARTING
            assert step.after.started_at == step.now
        if step.after.status is Status.RUNNING:
            assert step.after.started_at is not None


@many
@given(histories, firsts)
def test_attempts_count_launches_and_a_new_one_starts_clean(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        launched = isinstance(step.happening, LaunchWished) and step.before.status is Status.QUEUED
        assert step.after.attempt == step.before.attempt + launched
        assert launched or step.after.applied >= step.before.applied
        if launched:
            assert (step.after.applied, step.after.handle, step.after.gone_at) == (0, None, None)
            assert step.after.launched_at == step.now
        if step.after.status is Status.QUEUED:
            assert step.after.gone_at is None
            assert step.after.started_at is None


@many
@given(histories, firsts)
def test_what_is_known_is_not_told_twice(history: list[tuple[Happening, float]], first: Run) -> None:
    for step in steps(history, first):
        if isinstance(step.happening, Said):
            assert advance(step.after, step.happening, step.now + 1, RULES) is step.after


@many
@given(histories)
def test_a_run_goes_on_elsewhere_only_where_nothing_of_it_ran(history: list[tuple[Happening, float]]) -> None:
    for step in steps(history, CHOOSY):
        before, after = step.before, step.after
        if after.declined == before.declined:
            assert after.where == before.where
            continue
        assert after.declined[:-1] == before.declined
        assert (after.status, after.retry_at) == (Status.QUEUED, step.now)
        assert (after.handle, after.url, after.launched_at) == (None, None, None)
        assert (before.stop, before.applied) == (None, 0)
        match step.happening:
            case LaunchRefused():
                assert (before.status, before.handle) == (Status.STARTING, None)
            case Observed(seen):
                assert seen.never_ran
                assert seen.sighting in (Sighting.FINISHED, Sighting.MISSING)
            case other:
                raise AssertionError(f"{other} is no reason to go on elsewhere")


@many
@given(histories)
def test_no_launcher_has_the_last_word_while_another_is_left(history: list[tuple[Happening, float]]) -> None:
    for step in steps(history, CHOOSY):
        refused = isinstance(step.happening, LaunchRefused) and step.before.handle is None
        if refused and step.before.status is Status.STARTING and step.before.next_where is not None:
            assert step.after.where == step.before.next_where


def test_a_provably_idle_launch_is_repeated_a_few_times_only() -> None:
    never = Observed(Observation(Sighting.MISSING, never_ran=True))
    run = FIRST
    for _ in range(RULES.max_attempts):
        assert run.status is Status.QUEUED
        run = advance(advance(run, LaunchWished(), 1001.0, RULES), never, 1002.0, RULES)
    assert (run.status, run.reason) == (Status.FAILED, Reason.LAUNCHER_REFUSED)


def after(*history: Happening, run: Run = FIRST, pause: float = 1.0) -> Run:
    taken = steps([(happening, pause) for happening in history], run)
    return taken[-1].after if taken else run


LAUNCHED = (LaunchWished(), LaunchAccepted(Handle("h")))
RUNNING = (*LAUNCHED, Said(1, machine=Machine("host"), phase="run"))
SEEN_RUNNING = Observed(Observation(Sighting.RUNNING))
CANCEL = StopWished(Reason.CANCELLED_BY_USER, "ann")
STOPPING = (*RUNNING, CANCEL)
VANISHED = (Observed(Observation(Sighting.FINISHED)), *[Tick()] * 6)


def ended(result: str, **more: Any) -> Said:
    return Said(9, outcome=Outcome(result, **more))


ARROWS: dict[tuple[Status, Status], tuple[Happening, ...]] = {
    (Status.QUEUED, Status.STARTING): LAUNCHED,
    (Status.QUEUED, Status.CANCELLED): (CANCEL,),
    (Status.QUEUED, Status.TIMED_OUT): (*[Tick()] * 61,),
    (Status.STARTING, Status.QUEUED): (*LAUNCHED, Observed(Observation(Sighting.MISSING, never_ran=True))),
    (Status.STARTING, Status.RUNNING): RUNNING,
    (Status.STARTING, Status.STOPPING): (*LAUNCHED, CANCEL),
    (Status.STARTING, Status.SUCCEEDED): (*LAUNCHED, ended("exited", exit_code=0)),
    (Status.STARTING, Status.FAILED): (LaunchWished(), LaunchRefused("no", again=False)),
    (Status.STARTING, Status.CANCELLED): (*LAUNCHED, ended("stopped")),
    (Status.STARTING, Status.TIMED_OUT): (*LAUNCHED, ended("time_limit")),
    (Status.STARTING, Status.LOST): (LaunchWished(), LaunchUnknowable()),
    (Status.RUNNING, Status.QUEUED): (*LAUNCHED, SEEN_RUNNING, Observed(Observation(Sighting.MISSING, never_ran=True))),
    (Status.RUNNING, Status.STOPPING): STOPPING,
    (Status.RUNNING, Status.SUCCEEDED): (*RUNNING, ended("exited", exit_code=0)),
    (Status.RUNNING, Status.FAILED): (*RUNNING, ended("exited", exit_code=1)),
    (Status.RUNNING, Status.CANCELLED): (*RUNNING, ended("stopped")),
    (Status.RUNNING, Status.TIMED_OUT): (*RUNNING, ended("time_limit")),
    (Status.RUNNING, Status.LOST): (*RUNNING, *VANISHED),
    (Status.STOPPING, Status.SUCCEEDED): (*STOPPING, ended("exited", exit_code=0)),
    (Status.STOPPING, Status.FAILED): (*STOPPING, ended("signalled", signal="SIGKILL")),
    (Status.STOPPING, Status.CANCELLED): (*STOPPING, *VANISHED),
    (Status.STOPPING, Status.TIMED_OUT): (*RUNNING, *[Tick()] * 51, ended("stopped")),
    (Status.STOPPING, Status.LOST): (LaunchWished(), CANCEL, LaunchUnknowable()),
}


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: f"{arrow[0]}-{arrow[1]}")
def test_every_arrow_is_there_for_something(arrow: tuple[Status, Status]) -> None:
    taken = steps([(happening, 1.0) for happening in ARROWS[arrow]])
    assert arrow in [(step.before.status, step.after.status) for step in taken]


def test_no_arrow_is_forgotten() -> None:
    assert set(ARROWS) == {(start, end) for start, ends in TRANSITIONS.items() for end in ends}


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        ("signalled", Status.FAILED, Reason.SIGNAL),
        ("time_limit", Status.TIMED_OUT, Reason.TIME_LIMIT),
        ("memory_limit", Status.FAILED, Reason.OUT_OF_MEMORY),
        ("disk_limit", Status.FAILED, Reason.OUT_OF_DISK),
        ("stopped", Status.CANCELLED, Reason.CANCELLED_OUTSIDE),
        ("compile_error", Status.FAILED, Reason.COMPILE_ERROR),
        ("tool_missing", Status.FAILED, Reason.TOOL_MISSING),
        ("gpu_missing", Status.FAILED, Reason.GPU_MISSING),
        ("setup_error", Status.FAILED, Reason.SETUP_ERROR),
        ("exited", Status.FAILED, Reason.EXIT_CODE),
    ],
)
def test_each_result_has_its_status_and_reason(result: str, status: Status, reason: Reason) -> None:
    run = after(*RUNNING, ended(result, exit_code=1, detail="why"))
    assert (run.status, run.reason) == (status, reason)
    assert run.outcome is not None


def test_a_cancel_is_told_by_who_wished_it() -> None:
    assert after(*STOPPING, ended("stopped")).reason is Reason.CANCELLED_BY_USER


def test_a_refusal_for_now_is_asked_again_later() -> None:
    run = after(LaunchWished(), LaunchRefused("no room", again=True))
    assert (run.status, run.retry_at, run.detail) == (Status.QUEUED, 1002 + RULES.retry_pause_s, "no room")
    again = after(LaunchWished(), run=run)
    assert (again.status, again.attempt, again.retry_at) == (Status.STARTING, 2, None)


def test_a_refusal_sends_the_run_on_and_the_last_one_counts() -> None:
    run = after(LaunchWished(), LaunchRefused("no room", again=True), run=CHOOSY)
    assert (run.launcher, run.gpu, run.declined) == ("github", "T4", ("no room",))
    assert (run.status, run.retry_at, run.launched_at, run.attempt) == (Status.QUEUED, 1002.0, None, 1)
    never = Observed(Observation(Sighting.MISSING, "gone " * 100, never_ran=True))
    run = after(*LAUNCHED, never, run=run)
    assert (run.launcher, run.next_where, len(run.declined[1])) == ("modal", None, MAX_DECLINED_CHARS)
    assert after(LaunchWished(), LaunchRefused("no room", again=True), run=run).retry_at == 1002.0 + RULES.retry_pause_s
    ended = after(LaunchWished(), LaunchRefused("never", again=False), run=run)
    assert (ended.status, ended.reason, ended.detail) == (Status.FAILED, Reason.LAUNCHER_REFUSED, "never")
    assert (ended.launcher, ended.attempt) == ("modal", 3)


def test_doubt_keeps_a_run_where_it_is() -> None:
    run = after(LaunchWished(), LaunchUnknowable(), run=CHOOSY)
    assert (run.status, run.reason, run.launcher) == (Status.LOST, Reason.DISPATCH_UNKNOWN, "local")
    accepted = after(*LAUNCHED, LaunchRefused("no room", again=True), run=CHOOSY)
    assert (accepted.launcher, accepted.declined) == ("local", ())
    assert after(LaunchWished(), CANCEL, LaunchRefused("no", again=False), run=CHOOSY).status is Status.CANCELLED


def test_a_run_seen_missing_and_then_provably_idle_is_not_lost_in_the_queue() -> None:
    missing = Observed(Observation(Sighting.MISSING))
    never = Observed(Observation(Sighting.MISSING, never_ran=True))
    run = after(*LAUNCHED, missing, never, *[Tick()] * 6)
    assert (run.status, run.gone_at, run.handle) == (Status.QUEUED, None, None)


def test_an_outage_is_no_news() -> None:
    run = after(*RUNNING)
    assert after(*[Observed(Observation(Sighting.UNKNOWN, never_ran=True)), Tick()] * 10, run=run) is run


def test_what_the_launcher_says_is_told_until_the_runner_speaks() -> None:
    def words(run: Run, sighting: Sighting, detail: str) -> Run:
        return after(Observed(Observation(sighting, detail)), run=run)

    run = words(after(*LAUNCHED), Sighting.RUNNING, "step 1")
    for sighting, detail in (
        (Sighting.RUNNING, "step 2"),
        (Sighting.UNKNOWN, "nobody may be asked"),
        (Sighting.RUNNING, "step 3"),
    ):
        run = words(run, sighting, detail)
        assert (run.status, run.detail) == (Status.RUNNING, detail)
    assert words(run, Sighting.UNKNOWN, "") is run
    spoken = after(Said(1, machine=Machine("host")), run=run)
    assert spoken.detail == ""
    assert words(spoken, Sighting.RUNNING, "step 4").detail == words(spoken, Sighting.UNKNOWN, "x").detail == ""
    gone = words(run, Sighting.FINISHED, "it failed")
    assert words(gone, Sighting.UNKNOWN, "nobody may be asked").detail == "it failed"


def test_a_sign_of_life_stops_the_grace_period() -> None:
    gone = after(*RUNNING, Observed(Observation(Sighting.MISSING)))
    assert gone.gone_at is not None
    assert after(Said(2), *[Tick()] * 6, run=gone).status is Status.RUNNING
    assert after(Observed(Observation(Sighting.RUNNING)), *[Tick()] * 6, run=gone).status is Status.RUNNING


def test_a_late_outcome_of_a_lost_run_is_noted() -> None:
    lost = after(*RUNNING, *VANISHED)
    late = after(ended("exited", exit_code=0), run=lost)
    assert (late.status, late.outcome, bool(late.note)) == (Status.LOST, Outcome("exited", exit_code=0), True)
