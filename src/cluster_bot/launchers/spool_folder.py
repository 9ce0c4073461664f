"""The reading side of a runner's spool: one folder for one attempt, judged and read without trusting a byte of it.

Called by `local_process`, in helper threads, so everything here may block. The names in the folder are the contract
with `cluster_runner.spool`; the contract suite holds both sides to it. Limits: Linux, for asking about a record lock
without taking it.
"""

import errno
import fcntl
import os
import re
import select
import stat
import struct
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

from cluster_runner import wire
from cluster_runner.wire import Event, WireError

# Who forbade the attempt, as written into the claim: then no runner ever executed it, nor will one.
_FORBIDDEN = "forbidden by the launcher"
_FOLDER_NAME = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,8})")
# struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK = struct.Struct("hhqqi4x")
_READ_BYTES = 1024 * 1024
# Of folders in folders, and of names in all of them, that are removed without help.
_LEVELS, _NAMES = 8, 1000
_MOST_EVENTS = 500
_END_PATIENCE_S = 2


class Life(Enum):
    """What the folder says of its runner."""

    GONE = auto()  # no folder
    UNCLAIMED = auto()  # no runner has claimed it yet
    WAITING = auto()  # a runner lives and has not claimed it yet
    ALIVE = auto()  # claimed, and a runner lives
    ENDED = auto()  # claimed, and no runner lives
    FORBIDDEN = auto()  # the launcher claimed it itself: it never ran and never will


def run_of(name: str) -> str | None:
    """The id of the run a folder of this name belongs to; None for a name that no spool has."""
    match = _FOLDER_NAME.fullmatch(name)
    return match[1] if match else None


def attempts_below(root: Path) -> list[tuple[str, int]]:
    """Run and attempt of every spool in `root`."""
    names = (entry.name for entry in os.scandir(root))
    return [(match[1], int(match[2])) for name in names if (match := _FOLDER_NAME.fullmatch(name))]


class SpoolFolder:
    """One attempt's folder, which need not exist. Every method may raise OSError where the disk says no."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, payload: str, mode: int) -> None:
        """Make the folder with its payload; again is harmless."""
        self.path.mkdir(mode=mode, exist_ok=True)
        # mkdir's mode passes through the umask.
        self.path.chmod(mode)
        if (self.path / "claim").exists():
            return
        draft = self.path / f"payload.{os.urandom(4).hex()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(payload)
        draft.replace(self.path / "payload.json")

    def life(self) -> Life:
        """What became of the runner."""
        # The claim before the lock: a runner locks first, so a claim seen here with a free lock has lost its runner.
        claimed = self._claimant()
        if claimed == _FORBIDDEN:
            return Life.FORBIDDEN
        locked = self._holder() is not None
        if claimed is not None:
            return Life.ALIVE if locked else Life.ENDED
        if locked:
            return Life.WAITING
        if self.path.is_dir():
            return Life.UNCLAIMED
        if not self.path.parent.is_dir():
            # A disk that is not mounted says nothing about the runs on it.
            raise FileNotFoundError(errno.ENOENT, "the folder of all spools is gone", str(self.path.parent))
        return Life.GONE

    def age_s(self, now: float) -> float:
        """Seconds since the payload was written (or the folder made, where there is none), by the wall clock."""
        payload = self.path / "payload.json"
        return abs(now - (payload if payload.exists() else self.path).stat().st_mtime)

    def forbid(self) -> bool:
        """Make the claim in the runner's stead; True where that won, so that no runner will ever execute it."""
        try:
            fd = os.open(self.path / "claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(_FORBIDDEN)
            file.flush()
            os.fsync(fd)
        return True

    def wish_stop(self) -> None:
        """Leave the wish to stop; a folder that is gone needs none."""
        with suppress(FileNotFoundError):
            os.close(os.open(self.path / "stop", os.O_WRONLY | os.O_CREAT, 0o600))

    def artifact(self, stored: str, most_bytes: int) -> bytes | None:
        """The content of a kept file, None where there is none or it is larger than `most_bytes`."""
        if not wire.is_plain_name(stored):
            return None
        try:
            fd = os.open(self.path / "artifacts" / stored, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                return None
            raise
        with os.fdopen(fd, "rb") as file:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_size > most_bytes:
                return None
            return file.read(most_bytes)

    def discard(self) -> bool:
        """Remove the folder; False where a runner still lives in it and does not end within two seconds.

        Who has not claimed it by now never will: a runner that is late must find nothing to execute.
        """
        life = self.life()
        if life is Life.GONE:
            return True
        if life in (Life.UNCLAIMED, Life.WAITING):
            self.forbid()
        # Either it has told the outcome, or the claim has turned it away: it is about to end.
        self._await_end()
        if self._holder() is not None:
            return False
        # The claim goes last: as long as anything else is left, it keeps late runners away.
        for entry in sorted(self.path.iterdir(), key=lambda one: one.name == "claim"):
            if entry.is_dir() and not entry.is_symlink():
                _remove_tree(entry)
            else:
                entry.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self.path.rmdir()
        return True

    def _claimant(self) -> str | None:
        try:
            with (self.path / "claim").open(encoding="utf-8", errors="replace") as file:
                return file.read(100)
        except FileNotFoundError:
            return None

    def _holder(self) -> int | None:
        """The process that holds the lock (0: one of another process namespace); None where nobody does."""
        try:
            fd = os.open(self.path / "lock", os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            answer = fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        finally:
            os.close(fd)
        kind, _, _, _, pid = _FLOCK.unpack(answer)
        return None if kind == fcntl.F_UNLCK else max(0, pid)

    def _await_end(self) -> None:
        pid = self._holder()
        if not pid:
            return
        try:
            process = os.pidfd_open(pid)
        except OSError:
            return
        try:
            poll = select.poll()
            poll.register(process, select.POLLIN)
            poll.poll(_END_PATIENCE_S * 1000)
        finally:
            os.close(process)


class SpoolReader:
    """Reads one folder's events in pieces, remembering where it stopped; correct for any `after`.

    Events are numbered without gaps by a runner that only appends. A line that is no event, or not the next one, is
    skipped: what a runner wrote is thus handed on unbroken up to the first number that cannot be had, and nothing that
    somebody else wrote between takes effect. A last line without its end is not there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path / "events.ndjson"
        # (the last number handed on, where the next line begins): one value, since two threads may be reading.
        self._place = (0, 0)

    def read(self, after: int) -> list[Event]:
        """The next events over `after`, at most 500 and 1 MiB; [] where none are there yet."""
        number, offset = self._place if self._place[0] == after else (after, 0)
        events: list[Event] = []
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return events
        with file:
            while not events:
                file.seek(offset)
                lines = _whole_lines(file.read(_READ_BYTES))
                if not lines:
                    break
                for line in lines:
                    offset += len(line)
                    event = _event(line)
                    if event is not None and event.n == number + 1:
                        events.append(event)
                        number += 1
                        if len(events) >= _MOST_EVENTS:
                            break
        self._place = (number, offset)
        return events


def _whole_lines(piece: bytes) -> list[bytes]:
    """The complete lines at the beginning of `piece`, ends included."""
    end = piece.rfind(b"\n") + 1
    if end == 0 and len(piece) == _READ_BYTES:
        # No line of ours is that long: let it pass as one odd line.
        return [piece]
    return [line + b"\n" for line in piece[:end].split(b"\n")[:-1]]


def _event(line: bytes) -> Event | None:
    try:
        return wire.event_from_line(line)
    except WireError:
        return None


def _remove_tree(folder: Path) -> None:
    """Remove a folder that a hostile program may have filled: with closed folders, or thousands deep.

    A usual one is gone before a process could begin. For others there are the system's own tools, which like this
    follow no link below it, and do not take a descriptor a level.
    """
    with suppress(OSError):
        _remove_levels(folder, None, _LEVELS, iter(range(_NAMES)))
        return
    if subprocess.run(["rm", "-rf", "--", folder], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        subprocess.run(["chmod", "-R", "u+rwx", "--", folder], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", "--", folder], stderr=subprocess.DEVNULL, check=False)


def _remove_levels(name: str | Path, above: int | None, levels: int, names: Iterator[int]) -> None:
    """Remove a folder; raises OSError, perhaps halfway, where it may not, or more is in it than `levels` or `names`."""
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if next(names, None) is None:
                    raise OSError(errno.EFBIG, "too much")
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=folder)
                elif levels:
                    _remove_levels(entry.name, folder, levels - 1, names)
                else:
                    raise OSError(errno.ENAMETOOLONG, "too deep")
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=above)
