"""Runs that a backup brought back: nothing is done about them before their feed has told what people saw meanwhile."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.runs.advance import (
    Happening,
    LaterAttempt,
    LaunchAccepted,
    LaunchRefused,
    LaunchUnknowable,
    LaunchWished,
    Observed,
    PutBack,
    Recalled,
    Said,
    StopWished,
    Tick,
    advance,
)
from cluster_bot.runs.rules import Rules
from cluster_bot.runs.run import TRANSITIONS, Handle, Member, Observation, Origin, Reason, Run, Sighting, Status
from cluster_bot.runs.spec import RunSpec
from cluster_runner.wire import Outcome

RULES = Rules(queue_limit_s=60, setup_allowance_s=20, outcome_grace_s=5, max_attempts=3)
WAITS = Run(
    id="0" * 32,
    number=1,
    spec=RunSpec({"a.py": "print()"}, "a.py", "local", 30),
    owner=Member("1", "ann"),
    origin=Origin("key", {}),
    created_at=1000.0,
)
CANCEL = StopWished(Reason.CANCELLED_BY_USER, "ann")
EVERYTHING_ELSE: list[Happening] = [
    LaunchWished(),
    LaunchAccepted(Handle("a")),
    LaunchRefused("no", again=True),
    LaunchRefused("no", again=False),
    LaunchUnknowable(),
    Said(3),
    Said(4, outcome=Outcome("exited", exit_code=0)),
    Observed(Observation(Sighting.MISSING)),
    Observed(Observation(Sighting.MISSING, never_ran=True)),
    Tick(),
]
statuses = st.sampled_from([None, Status.RUNNING, Status.STOPPING, *(one for one in Status if one.final)])
happenings: st.SearchStrategy[Happening] = st.one_of(
    st.sampled_from(EVERYTHING_ELSE),
    st.just(CANCEL),
    st.builds(PutBack, st.booleans()),
    st.builds(Recalled, statuses, st.none() | st.just(1234.0)),
    st.builds(LaterAttempt, st.integers(0, 4)),
)


def after(*history: Happening, run: Run = WAITS, now: float = 2000.0) -> Run:
    for happening in history:
        run = advance(run, happening, now, RULES)
    return run


@given(st.lists(happenings, max_size=20))
def test_what_no_arrow_draws_never_occurs(history: list[Happening]) -> None:
    run, now = WAITS, 1000.0
    for happening in history:
        now += 1
        moved = advance(run, happening, now, RULES)
        if moved.status is not run.status:
            assert moved.status in TRANSITIONS[run.status], happening
        if run.doubted and moved is not run:
            assert isinstance(happening, Recalled | StopWished | PutBack | LaterAttempt)
        if moved.status.final:
            assert not moved.doubted or isinstance(happening, CANCEL.__class__)
        run = moved


def test_one_that_waited_may_have_been_launched_since() -> None:
    run = after(PutBack(watched=True))
    assert (run.status, run.attempt, run.launched_at, run.handle) == (Status.STARTING, 1, 2000.0, None)
    assert run.doubted
    again = after(LaunchWished(), LaunchRefused("no", again=True), PutBack(watched=True))
    assert (again.status, again.attempt, again.retry_at) == (Status.STARTING, 2, None)
    assert not after(PutBack(watched=False)).doubted


def test_doubt_holds_everything_but_a_wish_to_stop() -> None:
    run = after(LaunchWished(), LaunchAccepted(Handle("a")), PutBack(watched=True))
    for happening in EVERYTHING_ELSE:
        assert advance(run, happening, 10_000.0, RULES) is run
    stopping = after(CANCEL, run=run)
    assert (stopping.status, stopping.doubted) == (Status.STOPPING, True)


@pytest.mark.parametrize("status", [one for one in Status if one.final])
def test_a_verdict_that_people_saw_is_the_verdict(status: Status) -> None:
    for history in ((), (LaunchWished(), LaunchAccepted(Handle("a"))), (LaunchWished(), CANCEL)):
        run = after(*history, PutBack(watched=True), Recalled(status, 1900.0))
        assert (run.status, run.reason, run.finished_at) == (status, Reason.RESTORED, 1900.0)
        assert not run.doubted


def test_what_people_saw_running_is_not_launched_again() -> None:
    run = after(PutBack(watched=True), Recalled(Status.RUNNING))
    assert (run.status, run.started_at, run.handle, run.doubted) == (Status.RUNNING, 2000.0, None, False)
    # A launcher that can't be asked by our id leaves nothing to wait for.
    lost = after(LaunchUnknowable(), run=run)
    assert (lost.status, lost.reason) == (Status.LOST, Reason.DISPATCH_UNKNOWN)


def test_a_stop_that_people_saw_is_wished_again() -> None:
    run = after(PutBack(watched=True), Recalled(Status.STOPPING))
    assert run.status is Status.STOPPING
    assert run.stop is not None
    assert run.stop.reason is Reason.RESTORED
    ended = after(LaunchRefused("", again=False), run=run)
    assert (ended.status, ended.reason) == (Status.CANCELLED, Reason.RESTORED)


def test_one_of_which_nothing_was_seen_goes_on_as_after_a_crash() -> None:
    run = after(PutBack(watched=True), Recalled())
    assert run == replace(after(LaunchWished()), doubted=False)
    assert after(Recalled(Status.SUCCEEDED), run=run) is run


def test_an_attempt_that_a_runner_can_prove_is_the_runs() -> None:
    run = after(LaunchWished(), LaunchAccepted(Handle("a")), Said(5), PutBack(watched=True), LaterAttempt(3))
    assert (run.status, run.attempt, run.handle, run.applied, run.doubted) == (Status.RUNNING, 3, None, 0, True)
    assert after(LaterAttempt(3), run=run) is run
    assert after(LaterAttempt(2), run=run) is run
    waited = after(LaterAttempt(2))
    assert (waited.status, waited.attempt, waited.launched_at) == (Status.STARTING, 2, 2000.0)
