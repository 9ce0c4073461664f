"""From the items of a partition to a spool on this machine: the folder that the runner filled, as far as it has come.

Called by `watch`, in helper threads; read by `SpoolReader` and `SpoolFolder` as any spool. Every byte is hostile: what
a container sends may be anything, so numbers are judged by the reader, names by the wire, and sizes here.

Limits: 64 MiB for an attempt, of which 16 MiB a file; what comes beyond is left out.
"""

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from cluster_runner import wire
from cluster_runner.wire import WireError

MOST_BYTES = 64 * 1024 * 1024
MOST_FILE_BYTES = 16 * 1024 * 1024
_MOST_FILES = 32
_HEAD = re.compile(rb"artifact ([1-9][0-9]{0,8}) ([0-9]{1,9}) ([0-9]{1,9})\n")
_NAMES_A_FILE = b'"kind":"artifact"'
_LAST_NUMBER = re.compile(rb'{"n":([1-9][0-9]{0,15}),')


@dataclass(slots=True)
class _File:
    """A file on its way: `pieces` by where they begin."""

    path: Path
    size: int
    pieces: dict[int, int] = field(default_factory=dict)


class SpoolWriter:
    """Writes one attempt's folder anew from its first item on. Any method may raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._files: dict[int, _File] = {}
        # What came before is written again: the partition has it all.
        shutil.rmtree(path, ignore_errors=True)
        (path / "artifacts").mkdir(parents=True, mode=0o700)

    def add(self, content: bytes) -> int:
        """Take one item; the number of its last event, 0 where it holds none."""
        if self._size + len(content) > MOST_BYTES:
            return 0
        self._size += len(content)
        head = _HEAD.match(content)
        if head is not None:
            self._piece(int(head[1]), int(head[2]), int(head[3]), content[head.end() :])
            return 0
        lines = content[: content.rfind(b"\n") + 1]
        for line in lines.split(b"\n") if _NAMES_A_FILE in lines else ():
            if _NAMES_A_FILE in line:
                self._name(line + b"\n")
        with (self._path / "events.ndjson").open("ab") as file:
            file.write(lines)
        last = _LAST_NUMBER.match(lines.rstrip(b"\n").rpartition(b"\n")[2])
        return 0 if last is None else int(last[1])

    def _piece(self, number: int, offset: int, size: int, piece: bytes) -> None:
        if size > MOST_FILE_BYTES or offset + len(piece) > size:
            return
        if number not in self._files:
            if len(self._files) >= _MOST_FILES:
                return
            self._files[number] = _File(self._path / f"piece-{number}", size)
        one = self._files[number]
        with os.fdopen(os.open(one.path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.seek(offset)
            file.write(piece)
        one.pieces[offset] = len(piece)

    def _name(self, line: bytes) -> None:
        """Give a file the name that its event says, before the event is there to be read."""
        try:
            event = wire.event_from_line(line)
        except WireError:
            return
        one, stored = self._files.get(event.n), event.body.get("stored")
        # A file of which a part is missing is none.
        whole = one is not None and sum(one.pieces.values()) == one.size and one.path.exists()
        if one is not None and whole and event.kind == "artifact" and wire.is_plain_name(stored):
            one.path.replace(self._path / "artifacts" / str(stored))
