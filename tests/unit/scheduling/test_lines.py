"""From raw output to safe lines: the same lines however the output was cut."""

import unicodedata
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.scheduling.colours import SGR, uncoloured
from cluster_bot.scheduling.lines import LONGEST_LINE, Lines, PlainText

# Characters that matter here, mixed with any others.
COLOURS = [f"\x1b[{codes}m" for codes in ("31", "0", "", "1;97;44", "4", "38;5;208", "48;2;1;2;3", "22")]
NASTY = st.sampled_from(
    ["\n", "\r", "\r\n", "\t", *COLOURS, "\x1b[2K", "\x1b]0;t\x07", "\x1b", "\x00", "\u202e", "\U000e0041", "a", "é"]
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
        for char in uncoloured(line):
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
    assert lines.take("stdout", "red \x1b[?2") == []
    assert lines.partial == "red "
    assert lines.take("stdout", "5hword\x1b]0;title\x07\n") == ["red word"]


def test_whoever_listens_to_errors_hears_them_without_colours() -> None:
    heard: list[str] = []
    lines = Lines(heard.extend)
    lines.take("stdout", "not this\n")
    lines.take("stderr", "Traceback\n\x1b[31mValueError: bad\n\n")
    assert heard == ["Traceback", "ValueError: bad", ""]
    lines.take("stderr", "worse")
    assert lines.end() == ["\x1b[31mworse\x1b[0m"]
    assert heard[3:] == ["worse"]


KNOWN = {"0", "1", "4", *map(str, range(30, 38)), *map(str, range(40, 48))}
LONG = st.lists(
    st.one_of(NASTY, st.sampled_from(["x" * 500, "y" * 899, "\x1b[32mz" * 200, "\x1b[31m" * 400])), max_size=12
).map("".join)


@given(OUTPUT | LONG)
def test_each_line_stands_alone_in_colours_that_a_chat_knows(text: str) -> None:
    for line in everything([text]):
        assert len(line) <= LONGEST_LINE
        codes = [code for match in SGR.finditer(line) for code in match[1].split(";")]
        assert set(codes) <= KNOWN
        assert not codes or codes[-1] == "0", "nothing of it colours the next line"


@given(OUTPUT | LONG)
def test_colours_change_no_text(text: str) -> None:
    """What is read is what would be read of the same output without colours."""
    assert [uncoloured(line) for line in everything([text])] == everything([PlainText().take("stdout", text)])


@given(OUTPUT, st.lists(st.integers(0, 200), max_size=8))
def test_the_file_has_the_text_however_it_was_cut(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    plain = PlainText()
    whole = "".join(plain.take("stdout", text[start:end]) for start, end in pairwise(edges))
    assert "\x1b" not in whole
    assert whole == PlainText().take("stdout", text)


def test_a_colour_goes_on_in_the_next_line_and_ends_at_the_end_of_each() -> None:
    lines = Lines()
    shown = ["a \x1b[31mred\x1b[0m", "\x1b[31mstill\x1b[0m not"]
    assert lines.take("stdout", "a \x1b[31mred\nstill\x1b[0m not\n") == shown
    assert lines.take("stdout", "\x1b[1m") == []
    assert lines.take("stderr", "its own\n") == ["its own"]
    assert lines.take("stdout", "bold") == []
    assert lines.partial == "\x1b[1mbold\x1b[0m"
    assert lines.take("stdout", "\x1b[22;4m under\n") == ["\x1b[1mbold\x1b[0;4m under\x1b[0m"]


def test_a_line_with_too_many_colours_has_none() -> None:
    lines = Lines()
    assert lines.take("stdout", "".join(f"\x1b[3{n % 8}mx" for n in range(300)) + "\n") == ["x" * 300]
    assert lines.take("stdout", "y\n") == ["\x1b[33my\x1b[0m"]


def test_a_coloured_progress_bar_shows_its_newest_state() -> None:
    lines = Lines()
    assert lines.take("stderr", "\r\x1b[32m 10%\x1b[0m\r\x1b[2K\x1b[33m 50%\x1b[0m\r\x1b[K") == []
    assert lines.partial == "\x1b[33m 50%\x1b[0m"
    assert lines.take("stderr", "\x1b[34m100%\n") == ["\x1b[34m100%\x1b[0m"]
