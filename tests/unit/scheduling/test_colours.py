"""Colours of any kind become the nearest of what a chat knows."""

import pytest

from cluster_bot.scheduling.colours import PLAIN, Style, as_text, line_of, spans


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        ("", PLAIN),
        ("0", PLAIN),
        ("01;31", Style(bold=True, front=1)),
        ("4;42", Style(underline=True, back=2)),
        ("4:3", Style(underline=True)),
        ("91;107", Style(front=1, back=7)),
        ("38;5;9", Style(front=1)),
        ("38;5;208", Style(front=3)),
        ("38;5;244;1", Style(bold=True, front=7)),
        ("38:5:21", Style(front=4)),
        ("48;2;250;10;10", Style(back=1)),
        ("48:2::10:200:10", Style(back=2)),
        ("58;5;3;1", Style(bold=True)),
        ("38;2;300;0;0", PLAIN),
        ("38;5", PLAIN),
        ("2;3;5;7;9;53", PLAIN),
        ("31;0", PLAIN),
        ("31;39", PLAIN),
        ("1;4;22", Style(underline=True)),
    ],
)
def test_what_a_code_means(codes: str, style: Style) -> None:
    assert spans(f"\x1b[{codes}mx", PLAIN) == ([(style, "x")], style)


def test_a_line_says_no_more_than_it_must() -> None:
    red, bold = Style(front=1), Style(bold=True, front=1)
    assert line_of([(PLAIN, "a"), (red, "b"), (red, "c"), (bold, "d")], 99) == "a\x1b[31mbc\x1b[0;1;31md\x1b[0m"


def test_what_is_kept_reads_the_same_again() -> None:
    red, bold = Style(front=1), Style(bold=True)
    pieces = [(red, "a"), (PLAIN, "b"), (bold, "c")]
    assert spans(as_text(pieces, red, bold), red) == (pieces, bold)
