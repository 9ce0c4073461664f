"""Runs, events and places come back from their columns as they were, whatever text is in them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.errors import UnreadableRunError
from cluster_bot.runs.ports import Place
from cluster_bot.runs.run import Handle, Machine, Member, Origin, Reason, Run, Status, StopWish
from cluster_bot.runs.spec import RunSpec, Where
from cluster_bot.store import codec
from cluster_runner.wire import RESULTS, Event, Outcome

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ids = st.text("0123456789abcdef", min_size=32, max_size=32)
times = st.floats(0, 2**40)
maybe_times = st.none() | times
names = st.sampled_from(["a.py", "kernel.cu", "ü.cpp", "main file.cc"])
sources = texts.filter(lambda text: text.strip() and "\0" not in text)
arguments = st.lists(st.sampled_from(["", "--n=1", "two words", "ünï"]), max_size=3).map(tuple)

others = st.lists(st.builds(Where, st.just("modal"), st.none() | st.just("H100:2")), max_size=2).map(tuple)


@st.composite
def specs(draw: st.DrawFn) -> RunSpec:
    files = draw(st.dictionaries(names, sources, min_size=1, max_size=3))
    main = draw(st.sampled_from(sorted(files)))
    gpu = draw(st.none() | st.sampled_from(["H100", "MI300"]))
    limit, more = draw(st.integers(1, 86_400)), {"arguments": draw(arguments), "others": draw(others)}
    return RunSpec(files, main, "local", limit, gpu=gpu, why=draw(texts), **more)


@st.composite
def declined(draw: st.DrawFn, run: Run) -> Run:
    """A run that may have gone on at one of its spec's others."""
    count = draw(st.integers(0, len(run.spec.others)))
    return replace(run, declined=tuple(draw(st.lists(texts, min_size=count, max_size=count))))


outcomes = st.builds(
    Outcome,
    st.sampled_from(RESULTS),
    exit_code=st.none() | st.integers(-(2**31), 2**31),
    signal=st.none() | st.just("SIGKILL"),
    duration_s=times,
    peak_memory_bytes=st.none() | st.integers(0, 2**63 - 1),
    detail=texts,
)
origins = st.builds(
    Origin, texts, st.dictionaries(texts, texts | st.booleans() | st.integers() | st.none(), max_size=4)
)
runs = st.builds(
    Run,
    id=ids,
    number=st.integers(1, 2**31 - 1),
    spec=specs(),
    owner=st.builds(Member, texts, texts),
    origin=origins,
    created_at=times,
    status=st.sampled_from(Status),
    reason=st.none() | st.sampled_from(Reason),
    detail=texts,
    attempt=st.integers(0, 100),
    launched_at=maybe_times,
    retry_at=maybe_times,
    handle=st.none() | st.builds(Handle, texts),
    url=st.none() | texts,
    stop=st.none() | st.builds(StopWish, st.sampled_from(Reason), texts, times),
    phase=st.none() | texts,
    machine=st.none() | st.builds(Machine, texts, st.none() | texts, st.none() | texts),
    started_at=maybe_times,
    program_at=maybe_times,
    gone_at=maybe_times,
    finished_at=maybe_times,
    outcome=st.none() | outcomes,
    note=texts,
    applied=st.integers(0, 2**53),
    version=st.integers(0, 2**31 - 1),
).flatmap(declined)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def back(run: Run) -> Run:
    row: dict[str, Any] = {**codec.first_values(run), "number": run.number}
    assert row["document"].isascii()
    return codec.run_of(row, codec.spec_text(run))


@given(runs)
def test_a_run_comes_back_as_it_was(run: Run) -> None:
    assert back(run) == run
    assert codec.run_values(run)["launcher"] == run.launcher
    assert type(back(run).spec.files) is type(run.spec.files)


@given(runs)
def test_the_types_in_an_origin_are_kept(run: Run) -> None:
    types = {name: type(value) for name, value in run.origin.data.items()}
    assert {name: type(value) for name, value in back(run).origin.data.items()} == types


@given(st.text())
def test_half_a_surrogate_pair_becomes_a_question_mark(text: str) -> None:
    spec = RunSpec({"a.py": "print()"}, "a.py", "local", 1)
    run = Run("0" * 32, 1, spec, Member("1", text), Origin("k", {"a": text}), 0.0, detail=text)
    honest = text.encode("utf-8", "replace").decode()
    kept = back(run)
    assert (kept.detail, kept.owner.name, kept.origin.data["a"]) == (honest, honest, honest)


def test_a_run_kept_before_a_field_existed_can_be_read() -> None:
    run = Run("0" * 32, 1, RunSpec({"a.py": "x"}, "a.py", "local", 1), Member("1", "ann"), Origin("k", {}), 0.0)
    row = {**codec.first_values(run), "number": 1}
    row["document"] = '{"owner": {"id": "1", "name": "ann"}, "origin": {"key": "k", "data": {}}, "gone_field": 1}'
    assert codec.run_of(row, codec.spec_text(run)) == run
    first = (
        '{"files": {"a.py": "x"}, "main": "a.py", "launcher": "local", "time_limit_s": 1, "gpu": null, "arguments": []}'
    )
    assert codec.run_of(row, first) == run


def read_with(**more: Any) -> Run:
    """A run whose kept outcome has more, or something else, in it."""
    spec, outcome = RunSpec({"a.py": "x"}, "a.py", "local", 1), Outcome("exited", 3)
    run = Run("0" * 32, 1, spec, Member("1", "ann"), Origin("k", {}), 0.0, outcome=outcome)
    row: dict[str, Any] = {**codec.first_values(run), "number": 1}
    document = json.loads(row["document"])
    document["outcome"] |= more
    return codec.run_of({**row, "document": json.dumps(document)}, codec.spec_text(run))


def test_an_outcome_of_which_a_newer_version_said_more_can_be_read() -> None:
    assert read_with(energy_j=12.5).outcome == Outcome("exited", 3)


def test_an_outcome_that_nobody_knows_cannot_be_read() -> None:
    with pytest.raises(UnreadableRunError):
        read_with(result="dissolved")


def test_a_run_that_is_nowhere_cannot_be_read() -> None:
    run = Run("0" * 32, 1, RunSpec({"a.py": "x"}, "a.py", "local", 1), Member("1", "ann"), Origin("k", {}), 0.0)
    row = {**codec.first_values(run), "number": 1}
    row["document"] = row["document"].replace('"declined": []', '"declined": ["no"]')
    with pytest.raises(UnreadableRunError, match="declined"):
        codec.run_of(row, codec.spec_text(run))


@given(st.integers(1, 2**53 - 1), times, st.dictionaries(st.text(), json_values, max_size=4))
def test_an_event_comes_back_as_it_was(number: int, at: float, body: dict[str, Any]) -> None:
    event = Event(number, at, "log", body)
    row = codec.event_values(event)
    assert row["body"].isascii()
    assert codec.event_of(row) == event


@given(st.dictionaries(st.text(), json_values, max_size=4), st.integers(-1, 2**31), st.booleans())
def test_a_place_comes_back_as_it_was(state: dict[str, Any], shown_version: int, closed: bool) -> None:
    place = Place(state, shown_version, closed)
    assert codec.place_of(codec.place_text(place), closed) == place
