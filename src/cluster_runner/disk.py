"""How much disk a program takes: its work folder, and what it removed or never named and still holds open.

Called by `supervise`, again and again while the program works on the same folder, so everything may vanish or change
under the look. Limits: what cannot be looked through (too many names, folders too deep) counts as too much; a folder
that an ordinary runner's own program closed to it is not seen, nor is a mapped file that is unlinked and closed. One
file is never larger than the limit (RLIMIT_FSIZE).
"""

import os
import stat
import time
from typing import Callable, Iterable, Set, Tuple

from cluster_runner import linux

MOST_NAMES = 50_000
_DEEPEST = 200
_MOST_DESCRIPTORS = 4096
_BLOCK = 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A look never takes more than a twentieth of the runner's time.
_REST = 20
_PAUSE_S = 0.5


class TooMuchError(Exception):
    """The folder holds more than can be looked through."""


class DiskWatch:
    """Looks at a folder and at the open files of processes, not too often. Times are `time.monotonic()` seconds."""

    def __init__(self, folder: str, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._next = 0.0

    def is_over(self, now: float, processes: Callable[[], Iterable[int]]) -> bool:
        """Whether more than the limit is taken by the folder and `processes()`, as far as it is time to look again."""
        if now < self._next:
            return False
        began = time.monotonic()
        try:
            taken = folder_bytes(self._folder) + linux.nameless_bytes(processes(), _MOST_DESCRIPTORS)[0]
        except TooMuchError:
            taken = self._limit + 1
        self._next = now + max(_PAUSE_S, _REST * (time.monotonic() - began))
        return taken > self._limit


def folder_bytes(root: str) -> int:
    """What the files below `root` take on the disk; no link is followed. Raises TooMuchError."""
    try:
        fd = os.open(root, _FOLDER)
    except OSError:
        return 0
    return _Walk().below(fd, 0)


class _Walk:
    def __init__(self) -> None:
        self._names = 0
        # Files with several names are counted once.
        self._seen: Set[Tuple[int, int]] = set()

    def below(self, fd: int, depth: int) -> int:
        """The bytes below an open folder, which it closes. By descriptors, since any name may become a link."""
        total = 0
        try:
            if depth > _DEEPEST:
                raise TooMuchError
            with os.scandir(fd) as entries:
                for entry in entries:
                    self._names += 1
                    if self._names > MOST_NAMES:
                        raise TooMuchError
                    total += self._bytes(fd, entry.name, depth)
        finally:
            os.close(fd)
        return total

    def _bytes(self, fd: int, name: str, depth: int) -> int:
        try:
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            inner = os.open(name, _FOLDER, dir_fd=fd) if stat.S_ISDIR(info.st_mode) else None
        except OSError:
            # Gone, or closed to us.
            return 0
        if inner is not None:
            return info.st_blocks * _BLOCK + self.below(inner, depth + 1)
        if info.st_nlink > 1:
            if (info.st_dev, info.st_ino) in self._seen:
                return 0
            self._seen.add((info.st_dev, info.st_ino))
        return info.st_blocks * _BLOCK
