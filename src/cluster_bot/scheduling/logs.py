"""A run's whole log as one file: all that was kept of its output, as text that any reader takes, without colours.

Called by the relay for the verdict's file, and by whoever asks at any time. Where it is larger than it may be, its
middle is left out and the file says so: both the beginning and the end matter, and text opens on a phone where an
archive does not.
"""

from collections import deque
from dataclasses import dataclass

from cluster_bot.runs.ports import Store
from cluster_bot.scheduling.lines import PlainText

SHOWN_KINDS = ("log", "gap")
# Few, because an event of nothing but line ends is 8,192 lines, and the loop breathes between two reads.
EVENTS_A_READ = 16
LEFT_OUT = "\n[… {bytes:,} bytes are left out here: the file would be too large …]\n"
# More than that line takes.
_FOR_THE_LINE = 200


@dataclass(frozen=True, slots=True)
class Log:
    """The file, and how many bytes of the log are not in it."""

    content: bytes
    left_out: int = 0


async def whole_log(store: Store, run_id: str, attempt: int, *, most_bytes: int | None = None) -> Log:
    """The log as far as it is kept now; never more than `most_bytes`, nor much more of it in memory."""
    kept = _Kept(most_bytes)
    plain = PlainText()
    after = 0
    while events := await store.events(run_id, attempt, after, kinds=SHOWN_KINDS, limit=EVENTS_A_READ):
        after = events[-1].n
        for event in events:
            if event.kind == "log":
                kept.add(plain.take(str(event.body["stream"]), str(event.body["text"])))
            else:
                kept.add("\n[…]\n")
    return kept.log()


class _Kept:
    """The pieces of a log, less those in the middle that there is no room for."""

    def __init__(self, most_bytes: int | None) -> None:
        self._most = most_bytes
        self._room = None if most_bytes is None else max(0, most_bytes - _FOR_THE_LINE) // 2
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._head_bytes = self._tail_bytes = self._left_out = 0

    def add(self, text: str) -> None:
        piece = text.encode("utf-8", "replace")
        if self._room is None or (not self._tail and self._head_bytes + len(piece) <= self._room):
            self._head.append(piece)
            self._head_bytes += len(piece)
            return
        self._tail.append(piece)
        self._tail_bytes += len(piece)
        # What is in the tail may still fit beside the head, so nothing goes before both together are too much.
        while self._most is not None and self._head_bytes + self._tail_bytes > self._most - self._line_bytes:
            gone = len(self._tail.popleft())
            self._tail_bytes -= gone
            self._left_out += gone

    @property
    def _line_bytes(self) -> int:
        return _FOR_THE_LINE if self._left_out else 0

    def log(self) -> Log:
        line = [LEFT_OUT.format(bytes=self._left_out).encode()] if self._left_out else []
        return Log(b"".join([*self._head, *line, *self._tail]), self._left_out)
