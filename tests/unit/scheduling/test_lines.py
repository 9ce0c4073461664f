"""From raw output to safe lines: the same lines however the output was cut."""

import unicodedata
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.scheduling.lines import LONGEST_LINE, Lines

# Characters that matter here, mixed with any others.
NASTY = st.sampled_from(
    ["\n", "\r", "\r\n", "\t", "\x1b[31m", "\x1b[0m", "\x1b]0;t\x07", "\x1b", "\x00", "\u202e", "\U000e0041", "a", "é"]
)
OUTPUT = st.lists(st.one_of(NASTY, st.text(max_size=5)), max_size=40).map("".join)


def everything(pieces: list[str]) -> list[str]:
    lines = Lines()
    shown = [line for piece in pieces for line in lines.take("stdout", piece)]
    return shown + lines.end()


@given(OUTPUT, st.lists(st.integers(0, 200), max_size=8))
def test_where_the_output_is_cut_makes_no_difference(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert everything(pieces) == everything([text])


@given(OUTPUT)
def test_nothing_unsafe_gets_through(text: str) -> None:
    for line in everything([text]):
        assert len(line) <= LONGEST_LINE
        for char in line:
            assert char == "\t" or unicodedata.category(char) != "Cc", repr(char)
            assert char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029"
            assert char not in "\u00ad\u180e\u206a\u206e\u206f\ufff9\ufffb\U000e0001\U000e0041\U000e007f"


def test_lines_come_when_they_are_complete() -> None:
    lines = Lines()
    assert lines.take("stdout", "one\ntw") == ["one"]
    assert lines.partial == "tw"
    assert lines.take("stdout", "o\n\n") == ["two", ""]
    assert lines.partial == ""
    assert lines.end() == []


def test_the_streams_do_not_mix_within_a_line() -> None:
    lines = Lines()
    assert lines.take("stdout", "abc") == []
    assert lines.take("stderr", "ERROR: no\n") == ["ERROR: no"]
    assert lines.partial == "abc"
    assert lines.take("stdout", "def\n") == ["abcdef"]
    assert lines.last_error == "ERROR: no"


def test_a_progress_bar_shows_its_newest_state() -> None:
    lines = Lines()
    assert lines.take("stderr", "\r 10%\r 50%") == []
    assert lines.partial == " 50%"
    assert lines.take("stderr", "\r100%\r\n") == ["100%"]


def test_an_endless_line_is_cut_into_pieces() -> None:
    lines = Lines()
    pieces = lines.take("stdout", "x" * (3 * LONGEST_LINE + 5))
    assert pieces == ["x" * LONGEST_LINE] * 3
    assert lines.end() == ["x" * 5]


def test_escape_sequences_split_over_events_are_taken_out_whole() -> None:
    lines = Lines()
    assert lines.take("stdout", "red \x1b[3") == []
    assert lines.partial == "red "
    assert lines.take("stdout", "1mword\x1b[0m\n") == ["red word"]


def test_the_last_error_is_the_last_line_with_something_on_it() -> None:
    lines = Lines()
    lines.take("stderr", "Traceback\nValueError: bad\n\n")
    assert lines.last_error == "ValueError: bad"
    lines.take("stderr", "worse")
    assert lines.end() == ["worse"]
    assert lines.last_error == "worse"


def test_the_first_error_is_the_compilers() -> None:
    lines = Lines()
    lines.take("stderr", "a.cpp:1:21: error: 'x' was not declared\n    1 | int main\n      |   ^\nError 1\n")
    assert lines.first_error == "a.cpp:1:21: error: 'x' was not declared"
