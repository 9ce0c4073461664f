"""What of all that a program or its compiler wrote to stderr says what went wrong: a few lines for the verdict.

Called by the relay, one a feed, with the lines of stderr as they come. Pure and bounded: however much is written,
it keeps the surroundings of a compiler's first error, and the last lines.
"""

import re
from collections import deque
from collections.abc import Collection, Sequence
from itertools import takewhile

from cluster_bot.runs.ports import Trouble

# Templates make a compiler say much before its error, and deep recursion a traceback long.
_BEFORE, _AFTER, _LAST = 40, 8, 150
SHOWN_LINES, SHOWN_CHARS = 7, 160

_LINKER = re.compile(
    r"undefined reference to|undefined symbol|multiple definition of|cannot find -l|nvlink (?:error|fatal)",
    re.IGNORECASE,
)
_ERROR = re.compile(r"\berror\b|^nvcc fatal", re.IGNORECASE)
_PLACE = re.compile(r"^(?P<file>[^\s:()]+)[:(]\d+")
_FROM_HERE = re.compile(r"^(?P<file>[^\s:()]+):\d+:\d+:\s+required from here")
# The source and the caret below an error: `   12 |   int x`, or indented as nvcc does.
_SOURCE = re.compile(r"^(?:\s*\d*\s*\||\s+\S)")
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
# How a Python exception ends its traceback: `ValueError: no`, `torch.cuda.OutOfMemoryError: ...`, `KeyboardInterrupt`.
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?::\s.*)?$")


class Diagnosis:
    """Hears stderr; `files` are the names of the member's own files."""

    def __init__(self, files: Collection[str]) -> None:
        self._files = frozenset(map(_base, files))
        self._before: deque[str] = deque(maxlen=_BEFORE)
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=_LAST)

    def hear(self, lines: Sequence[str]) -> None:
        """Take the next lines, without colours."""
        self._last.extend(lines)
        for line in lines:
            if self._first:
                if len(self._first) > _AFTER:
                    return
                self._first.append(line)
            elif _LINKER.search(line) or _ERROR.search(line):
                self._first.append(line)
            else:
                self._before.append(line)

    def of_compiler(self) -> Trouble:
        """The first error: its line, the source and the caret below it, and where in the member's file it began."""
        if not self._first:
            return self.of_program()
        error, *after = self._first
        if _LINKER.search(error):
            return Trouble(excerpt=_cut([error, *(line for line in after if _LINKER.search(line))][:3]))
        shown = [error, *takewhile(_SOURCE.match, after)]
        if not self._is_own(_PLACE.match(error)):
            # Templates fail deep in a library; the member's own line is what led there.
            here = next((line for line in reversed(self._before) if self._is_own(_FROM_HERE.match(line))), None)
            shown = [here, *shown] if here is not None else shown
        return Trouble(excerpt=_cut(shown))

    def of_program(self) -> Trouble:
        """A Python exception and where in the member's own files it was raised; else the last line that says a word."""
        said = next((line for line in reversed(self._last) if line.strip()), "")
        lines = list(self._last)
        frames = [(n, match) for n, line in enumerate(lines) if (match := _FRAME.match(line)) is not None]
        if not frames:
            return Trouble(said)
        last = frames[-1][0]
        ending = next((n for n in range(last + 1, len(lines)) if not lines[n].startswith((" ", "\t"))), None)
        if ending is None or not _EXCEPTION.match(lines[ending]):
            return Trouble(said)
        if frames[-1][1]["function"] is None:
            # A syntax error has no frame, but the line, and a caret below it.
            return Trouble(excerpt=_cut([_own_name(lines[last]), *lines[last + 1 : ending + 1]]))
        own = next((match for _, match in reversed(frames) if self._is_own(match)), None)
        if own is None:
            return Trouble(lines[ending])
        number = next(n for n, match in frames if match is own)
        source = lines[number + 1].strip() if number + 1 < ending and not _FRAME.match(lines[number + 1]) else ""
        return Trouble(lines[ending], file=_base(own["file"]), line=int(own["line"]), source=source)

    def _is_own(self, place: re.Match[str] | None) -> bool:
        return place is not None and _base(place["file"]) in self._files


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _own_name(line: str) -> str:
    """A frame's line with the file's name instead of its path, which is the machine's business."""
    return re.sub(r'"[^"]*/', '"', line)


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line.rstrip()[:SHOWN_CHARS] for line in lines[:SHOWN_LINES])
