"""From lines to messages that Discord accepts: code blocks of at most 2,000 characters that nothing can break out of.

Called by the feed. Pure, so that a restarted bot lays out the same lines the same way. A block in which a line has
colours is one that Discord paints, any other is plain.
"""

import re
from collections.abc import Sequence

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.messages.words import fenced
from cluster_bot.discord_bot.messages.words import units as units
from cluster_bot.runs.ports import Gap
from cluster_bot.scheduling.colours import uncoloured

MESSAGE_UNITS = 2000
# What a marker or a note above the block may take of it.
HEADROOM_UNITS = 140
_OPEN, _COLOURED, _CLOSE = "```\n", "```ansi\n", "\n```"
_ROOM = MESSAGE_UNITS - HEADROOM_UNITS - len(_COLOURED) - len(_CLOSE)
_BLOCK = re.compile(r"```(?:ansi)?\n(.*)\n```", re.DOTALL)


def defused(line: str | Gap) -> str:
    """A line that cannot end the code block it stands in."""
    return messages.gap(line) if isinstance(line, Gap) else fenced(line)


def block(lines: Sequence[str]) -> str:
    """A code block; "" where there is nothing to see in it."""
    text = "\n".join(lines)
    begin = _COLOURED if "\x1b" in text else _OPEN
    return f"{begin}{text}{_CLOSE}" if uncoloured(text).strip() else ""


def lines_in(content: str) -> list[str]:
    """The lines, colours included, of the block that an output message ends with; [] where it is none."""
    found = _BLOCK.search(content)
    return found[1].split("\n") if found is not None and found.end() == len(content) else []


def fit(lines: Sequence[str | Gap], partial: str) -> tuple[str, int]:
    """As many of the lines as one message holds, from the first: the block, and how many lines it took.

    `partial`, the unfinished line, is shown behind them if all of them fit and there is room.
    """
    taken: list[str] = []
    used = 0
    for line in lines:
        shown = defused(line)
        used += units(shown) + 1
        if used > _ROOM and taken:
            return block(taken), len(taken)
        taken.append(shown)
    count = len(taken)
    if partial:
        shown = defused(partial)
        if used + units(shown) + 1 <= _ROOM:
            taken.append(shown)
    return block(taken), count


def fit_tail(lines: Sequence[str | Gap], partial: str) -> tuple[str, int]:
    """As many of the lines as one message holds, from the last: the block, and how many lines it took."""
    taken: list[str] = []
    used = 0
    if partial:
        taken.append(defused(partial))
        used = units(taken[0]) + 1
    count = 0
    for line in reversed(lines):
        shown = defused(line)
        used += units(shown) + 1
        if used > _ROOM and taken:
            break
        taken.append(shown)
        count += 1
    return block(taken[::-1]), count


def shown_count(lines: Sequence[str | Gap], content: str) -> int:
    """How many of the lines, from the first, a message with this content shows in full, painted or not."""
    # An earlier version of the bot showed no colours.
    count = 0
    for line, there in zip(lines, lines_in(content.strip()), strict=False):
        if uncoloured(defused(line)).rstrip() != uncoloured(there).rstrip():
            break
        count += 1
    return count
