"""Colours of program output, reduced to what a chat can show, so that every line stands alone.

Called by `lines`. Of all escape sequences only "select graphic rendition" (ESC[…m) means anything here, and of its
codes only bold, underline and eight colours each way: what Discord's code blocks know. Pure.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

# What is kept of an escape sequence; longer ones mean nothing that we know.
SGR = re.compile(r"\x1b\[([0-9;:]{0,60})m")
# A program uses few colours, and many times.
_REMEMBERED = 1024
_RESET = "\x1b[0m"
# The eight about as terminals paint them, from black to white, which is light grey.
_EIGHT = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0)),
    *((0, 0, 238), (205, 0, 205), (0, 205, 205), (192, 192, 192)),
)
_CUBE = (0, 95, 135, 175, 215, 255)


class Style(NamedTuple):
    """What is in force at a place in a line; colours are 0 to 7."""

    bold: bool = False
    underline: bool = False
    front: int | None = None
    back: int | None = None


PLAIN = Style()
Spans = list[tuple[Style, str]]


def uncoloured(line: str) -> str:
    """The line without its colours."""
    return SGR.sub("", line) if "\x1b" in line else line


def spans(text: str, style: Style) -> tuple[Spans, Style]:
    """The text in pieces of one style each, beginning with `style`, and the style behind it."""
    found: Spans = []
    at = 0
    for match in SGR.finditer(text):
        if match.start() > at:
            found.append((style, text[at : match.start()]))
        style = _after(style, match[1])
        at = match.end()
    if at < len(text):
        found.append((style, text[at:]))
    return found, style


def line_of(pieces: Sequence[tuple[Style, str]], longest: int) -> str:
    """A line that stands alone: it begins with the colours in force and ends with a reset where any are on.

    Without colours where it would be longer than `longest` with them.
    """
    now, out = PLAIN, []
    for style, text in pieces:
        if style != now:
            out.append(_change(now, style))
            now = style
        out.append(text)
    if now != PLAIN:
        out.append(_RESET)
    line = "".join(out)
    return line if len(line) <= longest else "".join(text for _, text in pieces)


def as_text(pieces: Spans, start: Style, end: Style) -> str:
    """Text that gives these pieces when it is read with `start` in force, and leaves `end` behind."""
    now, out = start, []
    for style, text in [*pieces, (end, "")]:
        if style != now:
            out.append(_change(now, style))
            now = style
        out.append(text)
    return "".join(out)


@lru_cache(_REMEMBERED)
def _change(before: Style, after: Style) -> str:
    if after == PLAIN:
        return _RESET
    codes = [
        *(["1"] if after.bold else []),
        *(["4"] if after.underline else []),
        *([str(30 + after.front)] if after.front is not None else []),
        *([str(40 + after.back)] if after.back is not None else []),
    ]
    # What was on and is off now goes with a reset only; few codes, since phones may show them as they are.
    return f"\x1b[{';'.join(codes if before == PLAIN else ['0', *codes])}m"


@lru_cache(_REMEMBERED)
def _after(style: Style, parameters: str) -> Style:
    """The style after ESC[`parameters`m; what is not known changes nothing."""
    codes = parameters.split(";")
    while codes:
        first, *rest = codes
        main, *more = first.split(":")
        code = int(main) if main else 0
        if code in (38, 48, 58):
            if more:
                # With colons the whole is one parameter; a colour space may stand before red, green and blue.
                colour = _nearest(more[:1] + more[-3:] if more[0] == "2" else more)
            else:
                taken = {"5": 2, "2": 4}.get(rest[0] if rest else "", 0)
                colour, rest = _nearest(rest[:taken]), rest[taken:] if taken else []
            if colour is not None and code != 58:
                style = style._replace(front=colour) if code == 38 else style._replace(back=colour)
        elif code == 4 and more:
            style = style._replace(underline=more[0] != "0")
        else:
            style = _simple(style, code)
        codes = rest
    return style


def _simple(style: Style, code: int) -> Style:
    if code == 0:
        return PLAIN
    if code in (1, 22):
        return style._replace(bold=code == 1)
    if code in (4, 21, 24):
        return style._replace(underline=code != 24)
    if code == 39 or 30 <= code <= 37 or 90 <= code <= 97:
        return style._replace(front=None if code == 39 else code % 10)
    if code == 49 or 40 <= code <= 47 or 100 <= code <= 107:
        return style._replace(back=None if code == 49 else code % 10)
    return style


def _nearest(words: list[str]) -> int | None:
    """The nearest of the eight to `5;n` or `2;r;g;b`; None where that is no colour."""
    if not all(word.isascii() and word.isdigit() and int(word) < 256 for word in words):
        return None
    match [int(word) for word in words]:
        case [5, n] if n < 16:
            return n % 8
        case [5, n] if n < 232:
            n -= 16
            return _nearest_to(_CUBE[n // 36], _CUBE[n // 6 % 6], _CUBE[n % 6])
        case [5, n]:
            return _nearest_to(*[8 + 10 * (n - 232)] * 3)
        case [2, red, green, blue]:
            return _nearest_to(red, green, blue)
    return None


def _nearest_to(red: int, green: int, blue: int) -> int:
    return min(range(8), key=lambda n: sum((a - b) ** 2 for a, b in zip(_EIGHT[n], (red, green, blue), strict=True)))
