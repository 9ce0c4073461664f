"""The wire: what is written is read back as it was, and no bytes make the reader raise anything but WireError."""

import base64
import json
import os
import string
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_runner import wire
from cluster_runner.wire import Event, Outcome, Payload, WireError

# Everything a member or a program can put into a text: any character but half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=60)
PLAIN_NAMES = NAMES.filter(wire.is_plain_name)
PLAIN_PATHS = st.lists(PLAIN_NAMES, min_size=1, max_size=4).map("/".join).filter(wire.is_plain_path)
COUNTS = st.integers(0, 2**63 - 1)
MAYBE_TEXTS = st.none() | TEXTS

BODIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "hello": st.fixed_dictionaries({"machine": TEXTS, "gpu": MAYBE_TEXTS, "isolation": MAYBE_TEXTS}),
    "phase": st.fixed_dictionaries({"phase": st.sampled_from(wire.PHASES)}),
    "log": st.fixed_dictionaries({"stream": st.sampled_from(wire.STREAMS), "text": TEXTS}),
    "gap": st.fixed_dictionaries({"bytes": COUNTS, "lines": COUNTS}),
    "artifact": st.fixed_dictionaries(
        {"name": PLAIN_NAMES, "size": COUNTS, "stored": st.none() | PLAIN_NAMES, "detail": MAYBE_TEXTS}
    ),
    "outcome": st.fixed_dictionaries(
        {
            "result": st.sampled_from(wire.RESULTS),
            "exit_code": st.none() | st.integers(-255, 255),
            "signal": st.none() | st.sampled_from(["SIGSEGV", "SIGKILL"]),
            "duration_s": st.floats(0, 1e6),
            "peak_memory_bytes": st.none() | COUNTS,
            "detail": TEXTS,
        }
    ),
}


@st.composite
def payloads(draw: st.DrawFn) -> Payload:
    files = draw(st.dictionaries(PLAIN_PATHS, TEXTS, min_size=1, max_size=3).filter(lambda one: not wire.clash(one)))
    return Payload(
        run=draw(st.text("0123456789abcdef", min_size=32, max_size=32)),
        attempt=draw(st.integers(1, 1000)),
        files=files,
        main=draw(st.sampled_from(sorted(files))),
        language=draw(st.sampled_from(wire.LANGUAGES)),
        time_limit_s=draw(st.floats(0.001, 86_400)),
        arguments=tuple(draw(st.lists(TEXTS.filter(lambda text: "\0" not in text), max_size=4))),
        report_to=draw(st.none() | st.just("https://example.org/runs")),
    )


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(wire.KINDS))
    # Six digits: the writer rounds to microseconds.
    t = draw(st.integers(0, 2**41)) / 1000
    return Event(n=draw(st.integers(1, 2**53 - 1)), t=t, kind=kind, body=draw(BODIES[kind]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def nearly(draw: st.DrawFn, good: st.SearchStrategy[str]) -> str:
    """A good JSON object with some of its fields, or those within one, replaced by anything or gone."""
    fields = json.loads(draw(good))
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)):
        if draw(st.booleans()):
            fields[name] = draw(JSON | st.integers(10**300, 10**400))
        else:
            del fields[name]
    return json.dumps(fields)


@given(payloads())
def test_a_payload_comes_back_as_it_was(payload: Payload) -> None:
    assert wire.payload_from_json(wire.payload_to_json(payload)) == payload
    assert wire.unpack(wire.pack(payload)) == payload


@given(events())
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    line = wire.event_to_line(event)
    assert line.count(b"\n") == 1
    assert wire.event_from_line(line) == event


@given(BODIES["outcome"])
def test_an_outcome_event_carries_its_outcome(body: dict[str, Any]) -> None:
    assert Event(1, 0.0, "outcome", body).outcome == Outcome(**body)


def test_other_events_carry_none() -> None:
    with pytest.raises(WireError):
        _ = Event(1, 0.0, "phase", {"phase": "run"}).outcome


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader_of_events(line: bytes) -> None:
    with pytest.raises(WireError):
        wire.event_from_line(line)


@given(nearly(events().map(lambda event: wire.event_to_line(event).decode())))
def test_no_near_event_breaks_the_reader(text: str) -> None:
    try:
        event = wire.event_from_line(text.encode())
    except WireError:
        return
    assert event.kind in wire.KINDS
    assert event.kind != "outcome" or event.outcome.result in wire.RESULTS
    json.dumps(dict(event.body), ensure_ascii=False, allow_nan=False).encode()


@given(nearly(payloads().map(wire.payload_to_json)) | st.text(max_size=200))
def test_no_near_payload_breaks_the_reader(text: str) -> None:
    try:
        payload = wire.payload_from_json(text)
    except WireError:
        return
    assert payload.main in payload.files
    wire.payload_to_json(payload).encode()


@given(st.text(max_size=200) | st.text(string.ascii_letters + string.digits + "+/=", max_size=200))
def test_no_text_breaks_unpack(text: str) -> None:
    with pytest.raises(WireError):
        wire.unpack(text)


@given(st.binary(max_size=200))
def test_no_compressed_bytes_break_unpack(raw: bytes) -> None:
    with pytest.raises(WireError):
        wire.unpack(base64.b64encode(zlib.compress(raw)).decode())


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    bomb = base64.b64encode(zlib.compress(b'{"v":1,"files":"' + b"0" * (64 * 2**20) + b'"}', 9)).decode()
    assert len(bomb) < 200_000
    with pytest.raises(WireError, match="too large"):
        wire.unpack(bomb)


def test_a_payload_cut_off_is_refused() -> None:
    payload = Payload("0" * 32, 1, {"a.py": "print()"}, "a.py", "python", 1.0)
    whole = base64.b64decode(wire.pack(payload))
    with pytest.raises(WireError):
        wire.unpack(base64.b64encode(whole[:-4]).decode())


LOG = {"n": 1, "t": 0.0, "kind": "log", "stream": "stdout", "text": "x"}
OUTCOME = {"n": 1, "t": 0.0, "kind": "outcome", "result": "exited", "duration_s": 1.0}


@pytest.mark.parametrize(
    "fields",
    [
        {**LOG, "n": 0},
        {**LOG, "n": True},
        {**LOG, "n": 2**53},
        {**LOG, "n": 1.0},
        {**LOG, "t": 10**400},
        {**LOG, "t": "now"},
        {**LOG, "kind": ["log"]},
        {**LOG, "kind": "rumour"},
        {**LOG, "stream": "stdin"},
        {**LOG, "text": "x" * (wire.MAX_TEXT_CHARS + 1)},
        {**LOG, "text": "half a pair: \ud83d"},
        {**LOG, "\udc00": "a name is text too"},
        {**LOG, "more": [[[[]]]]},
        {**OUTCOME, "result": "won"},
        {**OUTCOME, "exit_code": 10**30},
        {**OUTCOME, "duration_s": 10**400},
        {**OUTCOME, "duration_s": None},
        {**OUTCOME, "peak_memory_bytes": -1},
        {"n": 1, "t": 0.0, "kind": "artifact", "name": "../up", "size": 1},
        {"n": 1, "t": 0.0, "kind": "artifact", "name": "a", "size": 1, "stored": "/etc/passwd"},
        {"n": 1, "t": 0.0, "kind": "gap", "bytes": -1, "lines": 0},
    ],
    ids=lambda fields: str(fields)[:80],
)
def test_what_the_wire_does_not_allow_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        wire.event_from_line(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "line",
    [
        b'{"n":1,"t":NaN,"kind":"phase","phase":"run"}',
        b'{"n":1,"t":0,"kind":"phase","phase":"run","x":Infinity}',
        b'{"n":1,"t":1e999,"kind":"phase","phase":"run"}',
        b'{"n":1,"t":0,"kind":"phase","phase":"run","x":1e999}',
        b'{"n":1,"t":0,"kind":"log","stream":"stdout","text":"\xff"}',
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"n":' + b"9" * 5000 + b"}",
        b" " * (wire.MAX_EVENT_BYTES + 1),
    ],
    ids=range(9),
)
def test_bytes_that_are_no_honest_json_are_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        wire.event_from_line(line)


def test_unknown_fields_are_kept_for_a_later_reader() -> None:
    event = wire.event_from_line(json.dumps({**LOG, "colour": "red"}).encode())
    assert event.body == {"stream": "stdout", "text": "x", "colour": "red"}


def test_an_event_too_large_is_not_written() -> None:
    with pytest.raises(WireError):
        wire.event_to_line(Event(1, 0.0, "log", {"stream": "stdout", "text": "x" * wire.MAX_EVENT_BYTES}))


def test_half_a_surrogate_pair_is_written_as_a_question_mark() -> None:
    line = wire.event_to_line(Event(1, 0.0, "artifact", {"name": "a\udcff", "size": 1}))
    assert wire.event_from_line(line).body["name"] == "a?"


@given(st.text(max_size=100), st.integers(0, 3))
def test_split_text_loses_nothing(text: str, times: int) -> None:
    text = text * (wire.MAX_TEXT_CHARS // 40) * times
    pieces = wire.split_text(text)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= wire.MAX_TEXT_CHARS for piece in pieces)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0b", "a\nb", "a\x7f", "x" * 256, "ä" * 128, None, 3])
def test_names_that_are_not_plain(name: object) -> None:
    assert not wire.is_plain_name(name)


@pytest.mark.parametrize("name", ["a", "kernel.py", "...", "-rf", "ü.cu", "x" * 255])
def test_names_that_are_plain(name: str) -> None:
    assert wire.is_plain_name(name)


@pytest.mark.parametrize(
    "path",
    [
        *("/a", "a/", "a//b", "./a", "a/..", "../a", "a/../b", "a\\b", "a/\\/b", "a/b\0", "\n/a", "", "/", None, 3),
        "/".join("abcdefghi"),
        "/".join(["x" * 255] * 5),
    ],
)
def test_paths_that_lead_elsewhere(path: object) -> None:
    assert not wire.is_plain_path(path)


@pytest.mark.parametrize("path", ["a", "include/a.h", "pkg/__init__.py", "-rf/...", "\u00fc/\u00fc", "a/b/c/d/e/f/g/h"])
def test_paths_that_stay_below(path: str) -> None:
    assert wire.is_plain_path(path)


@given(st.text("./\\ab\0", max_size=12) | st.text(max_size=20))
def test_a_path_that_passes_stays_in_its_folder(path: str) -> None:
    if wire.is_plain_path(path):
        assert os.path.normpath(f"/src/{path}") == f"/src/{path}"


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["a", "b", "a.py", "pkg/a", "pkg/b/a"], None),
        (["a.h", "A.H"], "A.H"),
        (["pkg/a", "PKG/A"], "PKG/A"),
        (["\u00fc.py", "u\u0308.py"], "u\u0308.py"),
        (["stra\u00dfe", "STRASSE"], "STRASSE"),
        (["a", "a/b"], "a"),
        (["x/A/b/c", "X/a"], "X/a"),
        (["ab", "a/b"], None),
    ],
)
def test_names_that_would_be_one(paths: list[str], found: str | None) -> None:
    assert wire.clash(paths) == found


def _json(files: dict[str, str], **changes: object) -> str:
    payload = Payload("0" * 32, 1, {"a.py": "print()"}, "a.py", "python", 1.0)
    return json.dumps({**json.loads(wire.payload_to_json(payload)), "files": {"a.py": "", **files}, **changes})


@pytest.mark.parametrize(
    "text",
    [
        _json({"../b": ""}),
        _json({"/b": ""}),
        _json({"b\\c": ""}),
        _json({"A.py": ""}),
        _json({"a.py/b": ""}),
        _json({f"{n}.h": "" for n in range(wire.MAX_FILES)}),
        _json({}, v=3),
        _json({}, v=True),
        _json({}, v="1"),
    ],
    ids=lambda text: text[-60:],
)
def test_a_runner_refuses_what_it_could_not_write(text: str) -> None:
    with pytest.raises(WireError):
        wire.payload_from_json(text)


def test_only_folders_need_the_newer_version() -> None:
    flat = Payload("0" * 32, 1, {"a.py": "", "b.py": ""}, "a.py", "python", 1.0)
    deep = Payload("0" * 32, 1, {"a.py": "", "pkg/b.py": ""}, "a.py", "python", 1.0)
    assert [json.loads(wire.payload_to_json(one))["v"] for one in (flat, deep)] == [1, 2]
