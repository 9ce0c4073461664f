"""From lines to messages: within Discord's limits, in order, complete, and nothing breaks out of its block."""

from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.discord_bot import chunks
from cluster_bot.runs.ports import Gap

LINE = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=1000) | st.sampled_from(
    ["```", "````", "``", "`"]
)
COLOURED = st.sampled_from(["\x1b[31mred\x1b[0m", "\x1b[1m`\x1b[0m``", "a" * 880 + "\x1b[4mb\x1b[0m"])
LINES = st.lists(LINE | COLOURED, max_size=60)


def lay_out(lines: list[str]) -> list[str]:
    bodies, start = [], 0
    while start < len(lines):
        body, used = chunks.fit(lines[start:], "")
        assert used > 0
        bodies.append(body)
        start += used
    return bodies


@given(LINES)
def test_every_line_is_shown_once_and_in_order(lines: list[str]) -> None:
    shown = [line for body in lay_out(lines) for line in chunks.lines_in(body)]
    expected = [chunks.defused(line) for line in lines]
    # A message with nothing to see is not sent.
    assert "".join(shown).split() == "".join(expected).split()


@given(LINES, LINE)
def test_no_message_is_too_long_or_can_be_broken_out_of(lines: list[str], partial: str) -> None:
    for body, _ in (chunks.fit(lines, partial), chunks.fit_tail(lines, partial)):
        assert chunks.units(body) <= chunks.MESSAGE_UNITS - chunks.HEADROOM_UNITS
        assert "```" not in body.removeprefix("```")[:-3]


@given(LINES)
def test_a_full_message_never_changes_when_more_lines_come(lines: list[str]) -> None:
    for count in range(len(lines)):
        body, used = chunks.fit(lines[:count], "")
        if used < count:
            assert chunks.fit(lines, "") == (body, used)


@given(LINES)
def test_the_tail_is_the_newest_lines(lines: list[str]) -> None:
    body, count = chunks.fit_tail(lines, "")
    newest = "\n".join(chunks.defused(line) for line in lines[len(lines) - count :])
    assert body in (f"```\n{newest}\n```", f"```ansi\n{newest}\n```") if newest.strip() else body == ""


def test_a_block_tells_how_many_lines_it_shows() -> None:
    lines = ["one", "two", "three"]
    body, _ = chunks.fit(lines[:2], "thr")
    assert chunks.shown_count(lines, body) == 2
    assert chunks.shown_count(lines, "") == 0


def test_a_line_that_was_shown_without_its_colours_was_shown() -> None:
    lines = ["plain", "\x1b[31mred\x1b[0m", "\x1b[32mgreen\x1b[0m"]
    assert chunks.shown_count(lines, "```\nplain\nred\n```") == 2


def test_a_gap_is_said_in_words() -> None:
    body, _ = chunks.fit(["head", Gap(1234, 5_600_000), "tail"], "")
    assert body == "```\nhead\n… 1,234 lines (5.6 MB) were left out here …\ntail\n```"


def test_a_block_is_painted_only_where_a_line_has_colours() -> None:
    assert chunks.block(["plain"]) == "```\nplain\n```"
    assert chunks.block(["plain", "\x1b[31mred\x1b[0m"]) == "```ansi\nplain\n\x1b[31mred\x1b[0m\n```"
    assert chunks.block(["\x1b[31m \x1b[0m"]) == ""


@given(LINES)
def test_a_block_gives_its_lines_back(lines: list[str]) -> None:
    body, used = chunks.fit(lines, "")
    if body:
        assert chunks.shown_count(lines, body) == used
        assert chunks.lines_in(f"-# a note\n{body}") == [chunks.defused(line) for line in lines[:used]]
    assert chunks.lines_in(f"{body}\nmore") == []
