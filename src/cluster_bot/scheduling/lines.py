"""From a program's raw output to lines that are safe to show anywhere.

Called by the relay, one `Lines` a feed. Pure: the same events give the same lines, so that a restarted relay arrives
at what its predecessor showed. Escape sequences other than colours, control characters and marks that reorder text
are taken out; a carriage return starts the line over, as a terminal would show it.
"""

import re
from collections.abc import Callable

from cluster_bot.scheduling.colours import PLAIN, SGR, Spans, Style, as_text, line_of, spans, uncoloured

# Characters, its colours included. Even where each counts twice, as emoji may, a line fits into a Discord message with
# what stands around it.
LONGEST_LINE = 900
_LONGEST_ESCAPE = 256

# CSI, then strings up to BEL or ST (OSC, DCS, SOS, PM, APC), then two- and three-byte escapes.
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-OQ-WYZ\\`-~]")
_UNFINISHED_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")
# Controls other than tab, line feed and carriage return; C1 controls; marks that reorder or hide text.
# The last are tags: a second, invisible ASCII. Escapes are `_LONE`'s business.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# An escape that begins no colour.
_LONE = re.compile(rf"(?!{SGR.pattern})\x1b")
_SEPARATORS = str.maketrans({"\u2028": " ", "\u2029": " ", "\x85": " "})


class Lines:
    """Assembles lines of the two streams, in the order in which they are completed.

    A line may have colours: then it begins with those in force and ends with none. Each stream has colours of its own.
    `on_error` hears the lines of stderr, without colours, as they are completed.
    """

    def __init__(self, on_error: Callable[[list[str]], None] = lambda lines: None) -> None:
        self._raw: dict[str, str] = {}
        self._open: dict[str, str] = {}
        self._styles: dict[str, Style] = {}  # at the beginning of the open line
        self._newest = "stdout"
        self._on_error = on_error

    def take(self, stream: str, text: str) -> list[str]:
        """The lines that `text` completes; over-long ones are cut into pieces."""
        self._newest = stream
        text, held = _held_back(self._raw.pop(stream, "") + text)
        if held:
            self._raw[stream] = held
        *complete, rest = (self._open.pop(stream, "") + _clean(text)).split("\n")
        lines: list[str] = []
        for line in complete:
            lines += self._completed(stream, line)
        lines += self._cut(stream, rest)
        if stream == "stderr" and lines:
            self._on_error([uncoloured(line) for line in lines])
        return lines

    @property
    def partial(self) -> str:
        """What stands on the unfinished line that was written to last, or on the other one."""
        streams = [self._newest, *self._open]
        return next((shown for stream in streams if (shown := self._shown(stream))), "")

    def end(self) -> list[str]:
        """There will be no more: the unfinished lines become lines."""
        self._raw.clear()
        lines = [(stream, self._shown(stream)) for stream in sorted(self._open, reverse=True)]
        self._open.clear()
        self._on_error([uncoloured(line) for stream, line in lines if stream == "stderr" and line])
        return [line for _, line in lines if line]

    def _shown(self, stream: str) -> str:
        line, style = self._open.get(stream, ""), self._styles.get(stream, PLAIN)
        if not _coloured(line, style):
            return _overwritten(line)
        return line_of(_overwritten_spans(spans(line, style)[0]), LONGEST_LINE)

    def _completed(self, stream: str, line: str) -> list[str]:
        style = self._styles.get(stream, PLAIN)
        if not _coloured(line, style):
            return [line] if len(line) <= LONGEST_LINE and "\r" not in line else _pieces(_overwritten(line))
        found, self._styles[stream] = spans(line, style)
        if len(line) <= LONGEST_LINE and "\r" not in line:
            return [line_of(found, LONGEST_LINE)]
        return [line_of(piece, LONGEST_LINE) for piece in _cut_spans(_overwritten_spans(found))]

    def _cut(self, stream: str, rest: str) -> list[str]:
        """Pieces of the open line that are certain already; what may still grow is kept.

        A line that is rewritten is cut to its newest state, so that what is kept stays short.
        """
        if len(rest) <= LONGEST_LINE:
            certain: list[str] = []
        elif not _coloured(rest, start := self._styles.get(stream, PLAIN)):
            *certain, rest = _pieces(_overwritten(rest) if "\r" in rest else rest)
        else:
            found, end = spans(rest, start)
            *cut, kept = _cut_spans(_overwritten_spans(found) if "\r" in rest else found)
            certain = [line_of(piece, LONGEST_LINE) for piece in cut]
            self._styles[stream] = kept[0][0] if kept else end
            # Behind a carriage return may be nothing but colours yet: what is kept will be overwritten by what comes.
            begun = "\r" if uncoloured(rest).endswith("\r") else ""
            rest = as_text(kept, self._styles[stream], end) + begun
        if rest:
            self._open[stream] = rest
        return certain


class PlainText:
    """The whole output as text for a file: nothing taken out but escape sequences and control characters."""

    def __init__(self) -> None:
        self._raw: dict[str, str] = {}

    def take(self, stream: str, text: str) -> str:
        """What `text` adds."""
        text, held = _held_back(self._raw.pop(stream, "") + text)
        if held:
            self._raw[stream] = held
        return uncoloured(_clean(text))


def _held_back(text: str) -> tuple[str, str]:
    """The text without what may be half of an escape sequence or of a line end, and that half."""
    held = ""
    unfinished = _UNFINISHED_ESCAPE.search(text[-_LONGEST_ESCAPE:])
    if unfinished is not None:
        held = unfinished.group()
        text = text[: len(text) - len(held)]
    return (text[:-1], "\r" + held) if text.endswith("\r") else (text, held)


def _clean(text: str) -> str:
    if "\x1b" in text:
        # Lone ones before anything else is taken out, which could make a colour of them.
        text = _LONE.sub("", _ESCAPE.sub(_colour, text))
    text = text.replace("\r\n", "\n")
    return _UNSAFE.sub("", text.translate(_SEPARATORS))


def _colour(escape: re.Match[str]) -> str:
    return escape.group() if SGR.fullmatch(escape.group()) else ""


def _coloured(line: str, style: Style) -> bool:
    return style != PLAIN or "\x1b" in line


def _overwritten(line: str) -> str:
    """The line after its carriage returns: the last stretch that wrote anything."""
    return next((part for part in reversed(line.split("\r")) if part), "")


def _overwritten_spans(found: Spans) -> Spans:
    """The same of a line with colours."""
    newest: Spans = []
    begun = False  # whether a carriage return stands behind what is in `newest`
    for style, text in found:
        for number, part in enumerate(text.split("\r")):
            begun = begun or number > 0
            if part:
                newest = [] if begun else newest
                newest.append((style, part))
                begun = False
    return newest


def _pieces(line: str) -> list[str]:
    return [line[i : i + LONGEST_LINE] for i in range(0, len(line), LONGEST_LINE)] or [""]


def _cut_spans(found: Spans) -> list[Spans]:
    """The spans in pieces of `LONGEST_LINE` characters; at least one, which may be empty."""
    pieces: list[Spans] = [[]]
    room = LONGEST_LINE
    for style, whole in found:
        text = whole
        while text:
            if room == 0:
                pieces.append([])
                room = LONGEST_LINE
            pieces[-1].append((style, text[:room]))
            room, text = room - len(text[:room]), text[room:]
    return pieces
