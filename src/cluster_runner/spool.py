"""The spool: one folder for one attempt of a run, the runner's only way to be heard.

The folder holds `payload.json` (written by the launcher), `lock` (a record lock, held while the runner lives),
`claim` (made once, by whoever may execute or forbid the attempt), `events.ndjson`, `stop` (its existence is the wish
to stop), `artifacts/`, `work/` (the program's) and, in the folder above, `doorbell`: a datagram socket of the bot.
Called by `execute`; the reading side belongs to the launcher.

Limits: a phase's log keeps its head (4 MiB) and its newest text (256 KiB); what lies between is dropped and counted.
The lock is a POSIX record lock because others must be able to ask about it without taking it (F_GETLK), and because a
child of a killed runner must not keep it.
"""

import errno
import fcntl
import os
import socket
import time
from collections import deque
from typing import Any, Deque, Tuple

from cluster_runner.wire import Event, Outcome, event_to_line

HEAD_BYTES = 4 * 1024 * 1024
TAIL_BYTES = 256 * 1024
_RESERVE_BYTES = 64 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def take_lock() -> bool:
    """Lock the spool in the current folder until this process ends; False where another runner has it."""
    # The descriptor stays open on purpose: closing any descriptor of the file would give the lock up.
    fd = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def claim(instance: str) -> bool:
    """Win the right to execute what lies in the current folder; repeatable by the same instance and by no other."""
    try:
        fd = os.open("claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        with open("claim", encoding="utf-8", errors="replace") as file:
            return file.read() == instance
    with open(fd, "w", encoding="utf-8") as file:
        file.write(instance)
        file.flush()
        os.fsync(fd)
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def stop_wished() -> bool:
    """Whether somebody wishes the run in the current folder to end."""
    return os.path.lexists("stop")


class Spool:
    """The event file in the current folder. One `write` a line, so that a reader sees whole lines or a torn last one.

    Log text goes through `log`, is bounded for each phase, and is complete once `settle` was called; everything else
    goes through `emit` and is always written. A full disk drops log text; a small reserve keeps room for the outcome.
    """

    def __init__(self, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self._fd = os.open("events.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
        self._number = self._rung = 0
        self._head_bytes, self._tail_bytes = head_bytes, tail_bytes
        self._head_left = head_bytes
        self._tail: Deque[Tuple[float, str, str, int]] = deque()
        self._tail_size = 0
        self._dropped_bytes = self._dropped_lines = 0
        self.disk_full = False
        self._bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._name = os.path.basename(os.getcwd()).encode()
        self._keep_reserve()

    def emit(self, kind: str, **body: Any) -> None:
        """Write one event; raises OSError where not even the reserve had room."""
        self._write(time.time(), kind, body, vital=True)
        if kind == "hello":
            os.fsync(self._fd)
        self.ring()

    def log(self, stream: str, text: str) -> None:
        """Take text (at most `wire.MAX_TEXT_CHARS`) of the program: to the file, or to the bounded tail."""
        size = len(text.encode("utf-8", "replace"))
        if size <= self._head_left and not self.disk_full and not self._tail:
            try:
                self._write(time.time(), "log", {"stream": stream, "text": text}, vital=False)
                self._head_left -= size
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self.disk_full = True
        # Once something went to the tail, all of the phase does: the order must hold.
        self._tail.append((time.time(), stream, text, size))
        self._tail_size += size
        while self._tail_size > self._tail_bytes:
            self._drop()

    def settle(self) -> None:
        """End a phase's log: say what was dropped, then write the tail; the next phase begins anew."""
        if not self.disk_full:
            self._tell_dropped()
        while self._tail and not self.disk_full:
            at, stream, text, size = self._tail[0]
            try:
                self._write(at, "log", {"stream": stream, "text": text}, vital=False)
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self.disk_full = True
                break
            self._tail.popleft()
            self._tail_size -= size
        while self._tail:
            self._drop()
        self._tell_dropped()
        self._head_left = self._head_bytes
        self.ring()

    def finish(self, outcome: Outcome) -> None:
        """Write the outcome, the last event there will be, and make it durable."""
        self._write(time.time(), "outcome", outcome._asdict(), vital=True)
        os.fsync(self._fd)
        self._let_reserve_go()
        self.ring()
        os.close(self._fd)
        self._bell.close()

    def ring(self) -> None:
        """Tell the bot, if it listens and there is news. Only a hint: nothing may depend on it, no error matters."""
        if self._rung == self._number:
            return
        self._rung = self._number
        try:
            # Relative to the current folder, so that the 108 characters of a socket's path always suffice.
            self._bell.sendto(self._name, "../doorbell")
        except OSError:
            return

    def _tell_dropped(self) -> None:
        if self._dropped_bytes:
            body = {"bytes": self._dropped_bytes, "lines": self._dropped_lines}
            self._dropped_bytes = self._dropped_lines = 0
            self._write(time.time(), "gap", body, vital=True)

    def _drop(self) -> None:
        _, _, text, size = self._tail.popleft()
        self._tail_size -= size
        self._dropped_bytes += size
        self._dropped_lines += text.count("\n")

    def _write(self, at: float, kind: str, body: Any, vital: bool) -> None:
        line = event_to_line(Event(self._number + 1, at, kind, body))
        try:
            self._append(line)
        except OSError as error:
            if error.errno not in _FULL or not vital or not self._let_reserve_go():
                raise
            # What the reserve freed is for the vital events alone.
            self.disk_full = True
            self._append(line)
        self._number += 1

    def _append(self, line: bytes) -> None:
        try:
            written = os.write(self._fd, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            # Half a line must not stay: the next event would be glued to it.
            os.ftruncate(self._fd, self._size)
            raise
        self._size += written

    def _keep_reserve(self) -> None:
        try:
            fd = os.open("reserve", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            os.posix_fallocate(fd, 0, _RESERVE_BYTES)
        except OSError:
            # A file system without it, or a disk already full: then there is no reserve.
            return
        finally:
            os.close(fd)

    def _let_reserve_go(self) -> bool:
        try:
            os.unlink("reserve")
        except OSError:
            return False
        return True
