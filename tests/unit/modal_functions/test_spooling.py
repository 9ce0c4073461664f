"""Items of a container become a spool, whatever they are."""

from pathlib import Path

import pytest

from cluster_bot.launchers.modal_functions import spooling
from cluster_bot.launchers.modal_functions.spooling import MOST_FILE_BYTES, SpoolWriter
from cluster_bot.launchers.spool_folder import SpoolFolder, SpoolReader
from cluster_runner.wire import Event, event_to_line


def lines(*events: Event) -> bytes:
    return b"".join(map(event_to_line, events))


def log(number: int, text: str = "text\n") -> Event:
    return Event(number, 1.0, "log", {"stream": "stdout", "text": text})


def named(number: int, stored: object) -> Event:
    return Event(number, 1.0, "artifact", {"name": "a.bin", "size": 3, "stored": stored})


def piece(number: int, offset: int, size: int, content: bytes) -> bytes:
    return b"artifact %d %d %d\n" % (number, offset, size) + content


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_lines_are_read_as_from_any_spool_and_the_last_number_is_told(path: Path) -> None:
    writer = SpoolWriter(path)
    assert writer.add(lines(log(1), log(2))) == 2
    assert writer.add(lines(log(3, "with\rreturns\x85and \u2028 more\n"))) == 3
    assert SpoolReader(path).read(0) == [log(1), log(2), log(3, "with\rreturns\x85and \u2028 more\n")]


def test_what_comes_twice_is_read_once(path: Path) -> None:
    writer = SpoolWriter(path)
    for item in (lines(log(1), log(2)), lines(log(1), log(2)), lines(log(2), log(3)), lines(log(5)), lines(log(4))):
        writer.add(item)
    assert [event.n for event in SpoolReader(path).read(0)] == [1, 2, 3, 4]


def test_what_was_there_before_is_written_anew(path: Path) -> None:
    SpoolWriter(path).add(lines(log(1, "old")))
    writer = SpoolWriter(path)
    assert SpoolReader(path).read(0) == []
    writer.add(lines(log(1, "new")))
    assert SpoolReader(path).read(0) == [log(1, "new")]


def test_a_file_in_pieces_has_its_name_before_the_event_is_read(path: Path) -> None:
    writer = SpoolWriter(path)
    for item in (piece(2, 3, 6, b"def"), piece(2, 0, 6, b"abc"), piece(2, 3, 6, b"def"), lines(log(1))):
        writer.add(item)
    assert SpoolFolder(path).artifact("01-a.bin", 100) is None
    writer.add(lines(named(2, "01-a.bin")))
    assert SpoolFolder(path).artifact("01-a.bin", 100) == b"abcdef"


@pytest.mark.parametrize("stored", ["../../outside", "/etc/passwd", "..", "", "a/b", None, 5])
def test_a_file_gets_no_odd_name(path: Path, tmp_path: Path, stored: object) -> None:
    writer = SpoolWriter(path)
    writer.add(piece(1, 0, 3, b"abc"))
    writer.add(b'{"n":1,"t":1.0,"kind":"artifact","name":"a","size":3,"stored":%b}\n' % str(stored).encode())
    writer.add(lines(named(1, stored)) if stored is None else b"")
    assert list((path / "artifacts").iterdir()) == []
    assert {one.name for one in tmp_path.iterdir()} == {"spool"}


def test_a_file_is_never_longer_than_was_said_nor_than_may_be(path: Path) -> None:
    writer = SpoolWriter(path)
    for item in (
        piece(1, 0, 2, b"abc"),
        piece(1, 5, 6, b"abc"),
        piece(1, 999_999_999, 999_999_999, b""),
        piece(1, 0, MOST_FILE_BYTES + 1, b"abc"),
        *(piece(number, 0, 1, b"x") for number in range(1, 100)),
    ):
        writer.add(item)
    kept = list(path.glob("piece-*"))
    assert len(kept) == 32
    assert {one.stat().st_size for one in kept} == {1}


def test_an_attempt_has_its_bound(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "MOST_BYTES", 1000)
    writer = SpoolWriter(path)
    for number in range(1, 100):
        writer.add(lines(log(number)))
    assert (path / "events.ndjson").stat().st_size <= 1000


def test_noise_is_no_event_and_hides_none(path: Path) -> None:
    writer = SpoolWriter(path)
    for item in (b"", b"\n", b"artifact\n", b"artifact 0 0 0\n", b"no end", b"\xff\xfe\n", lines(log(1)), b"x\n"):
        assert writer.add(item) == (1 if item == lines(log(1)) else 0)
    writer.add(lines(log(2)))
    assert [event.n for event in SpoolReader(path).read(0)] == [1, 2]
