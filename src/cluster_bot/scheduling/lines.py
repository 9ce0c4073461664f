"""From a program's raw output to lines that are safe to show anywhere.

Called by the relay, one `Lines` a feed. Pure: the same events give the same lines, so that a restarted relay arrives
at what its predecessor showed. Escape sequences, control characters and marks that reorder text are taken out; a
carriage return starts the line over, as a terminal would show it.
"""

import re

# Characters. Even where each counts twice, as emoji may, a line fits into a Discord message with what stands around it.
LONGEST_LINE = 900
_LONGEST_ESCAPE = 256

# CSI, then strings up to BEL or ST (OSC, DCS, SOS, PM, APC), then two- and three-byte escapes.
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-OQ-WYZ\\`-~]")
_UNFINISHED_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$")
# Controls other than tab, line feed and carriage return; C1 controls; marks that reorder or hide text.
# The last are tags: a second, invisible ASCII.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_ERROR = re.compile(r"\berror\b", re.IGNORECASE)
_SEPARATORS = str.maketrans({"\u2028": " ", "\u2029": " ", "\x85": " "})


class Lines:
    """Assembles lines of the two streams, in the order in which they are completed.

    `last_error` is the last line of stderr with something on it, `first_error` the first that says "error", which is
    the one that matters of a compiler's; "" where there is none.
    """

    def __init__(self) -> None:
        self._raw: dict[str, str] = {}
        self._open: dict[str, str] = {}
        self._newest = "stdout"
        self.last_error = ""
        self.first_error = ""

    def take(self, stream: str, text: str) -> list[str]:
        """The lines that `text` completes; over-long ones are cut into pieces."""
        self._newest = stream
        text = self._raw.pop(stream, "") + text
        unfinished = _UNFINISHED_ESCAPE.search(text[-_LONGEST_ESCAPE:])
        if unfinished is not None:
            held = unfinished.group()
            text = text[: len(text) - len(held)]
            self._raw[stream] = held
        if text.endswith("\r"):
            # It may be half of a line end.
            text = text[:-1]
            self._raw[stream] = "\r" + self._raw.get(stream, "")
        *complete, rest = (self._open.pop(stream, "") + _clean(text)).split("\n")
        lines: list[str] = []
        for line in complete:
            if len(line) <= LONGEST_LINE and "\r" not in line:
                lines.append(line)
            else:
                lines += _pieces(_overwritten(line))
        *cut, rest = _pieces_of_open(rest)
        lines += cut
        if rest:
            self._open[stream] = rest
        if stream == "stderr":
            self.last_error = next((line for line in reversed(lines) if line.strip()), self.last_error)
            self.first_error = self.first_error or next((line for line in lines if _ERROR.search(line)), "")
        return lines

    @property
    def partial(self) -> str:
        """What stands on the unfinished line that was written to last, or on the other one."""
        streams = [self._newest, *self._open]
        return next((shown for stream in streams if (shown := _overwritten(self._open.get(stream, "")))), "")

    def end(self) -> list[str]:
        """There will be no more: the unfinished lines become lines."""
        self._raw.clear()
        lines = [_overwritten(self._open[stream]) for stream in sorted(self._open, reverse=True)]
        last_error = _overwritten(self._open.get("stderr", ""))
        self.last_error = last_error if last_error.strip() else self.last_error
        self._open.clear()
        return [line for line in lines if line]


def _clean(text: str) -> str:
    text = _ESCAPE.sub("", text).replace("\r\n", "\n")
    return _UNSAFE.sub("", text.translate(_SEPARATORS))


def _overwritten(line: str) -> str:
    """The line after its carriage returns: the last stretch that wrote anything."""
    return next((part for part in reversed(line.split("\r")) if part), "")


def _pieces(line: str) -> list[str]:
    return [line[i : i + LONGEST_LINE] for i in range(0, len(line), LONGEST_LINE)] or [""]


def _pieces_of_open(line: str) -> list[str]:
    """Pieces that are certain already, and what may still grow; a line that is rewritten is cut to its newest state."""
    if "\r" in line:
        line = _overwritten(line) if len(line) > LONGEST_LINE else line
    if len(line) <= LONGEST_LINE:
        return [line]
    return _pieces(line)
