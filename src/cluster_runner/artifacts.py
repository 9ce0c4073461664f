"""The files a program left in `$CLUSTER_ARTIFACTS`: copied to the spool, each with an event, before the outcome.

Called by `execute` once nothing of the program lives any more. Everything below the folder is hostile: no link is
followed, nothing but a regular file with one name and of the program's own user is read, and what was checked is the
open descriptor, not the path. Limits: 10 files, 8 MiB each, 20 MiB in all; 1,000 entries and 8
folders deep are looked at.
"""

import os
import re
import stat
from itertools import islice
from typing import Iterator, List, Optional, Tuple

from cluster_runner.spool import Spool

MOST_FILES = 10
MOST_BYTES_EACH = 8 * 1024 * 1024
MOST_BYTES = 20 * 1024 * 1024
_MOST_LEFT_BEHIND = 20
_MOST_ENTRIES = 1000
_DEEPEST = 8
_CHUNK = 256 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def collect(source: str, owner: int, spool: Spool) -> None:
    """Copy what may be kept from `source` to `artifacts/` of the current folder, telling each through `spool`."""
    os.makedirs("artifacts", 0o700, exist_ok=True)
    kept = left = total = 0
    for path, folder_fd, entry in _entries(source):
        name = _shown_name(path)
        fd = _open(folder_fd, entry)
        try:
            size, refusal = _judge(fd, owner, kept, total)
            if fd is not None and refusal is None:
                stored = "%02d-%s" % (kept + 1, _safe_name(name))
                refusal = _copy(fd, size, os.path.join("artifacts", stored))
                if refusal is None:
                    spool.emit("artifact", name=name, size=size, stored=stored)
                    kept, total = kept + 1, total + size
                    continue
        finally:
            if fd is not None:
                os.close(fd)
        left += 1
        if left <= _MOST_LEFT_BEHIND:
            spool.emit("artifact", name=name, size=size, stored=None, detail=refusal)
    if left > _MOST_LEFT_BEHIND:
        detail = "%d more files were left behind" % (left - _MOST_LEFT_BEHIND)
        spool.emit("artifact", name="...", size=0, stored=None, detail=detail)


def _entries(source: str) -> Iterator[Tuple[str, int, str]]:
    """(path below `source`, descriptor of its folder, name) of each file, in the order of their names."""
    try:
        top = os.open(source, _FOLDER)
    except OSError:
        # The program removed it, or put something else there.
        return
    yield from islice(_walk(top, "", 0), _MOST_ENTRIES)


def _walk(fd: int, path: str, depth: int) -> Iterator[Tuple[str, int, str]]:
    try:
        for name in sorted(os.listdir(fd)):
            below = os.path.join(path, name)
            try:
                inner = os.open(name, _FOLDER, dir_fd=fd)
            except OSError:
                # Whatever is no folder, links to folders included, is for the caller to judge.
                yield below, fd, name
                continue
            if depth < _DEEPEST:
                yield from _walk(inner, below, depth + 1)
            else:
                os.close(inner)
    finally:
        os.close(fd)


def _open(folder_fd: int, name: str) -> Optional[int]:
    try:
        # Non-blocking, because a named pipe would wait for its writer for ever.
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder_fd)
    except OSError:
        return None


def _judge(fd: Optional[int], owner: int, kept: int, total: int) -> Tuple[int, Optional[str]]:
    """The size of the open file, and why it stays behind, or None."""
    if fd is None:
        return 0, "it is a link or can't be read"
    info = os.fstat(fd)
    size = info.st_size if stat.S_ISREG(info.st_mode) else 0
    rules: List[Tuple[bool, str]] = [
        (not stat.S_ISREG(info.st_mode), "it is no regular file"),
        (info.st_nlink != 1, "it has more than one name"),
        (info.st_uid != owner, "it is not the program's own"),
        (size > MOST_BYTES_EACH, "it is larger than %d MiB" % (MOST_BYTES_EACH >> 20)),
        (kept >= MOST_FILES, "only %d files are kept" % MOST_FILES),
        (total + size > MOST_BYTES, "all files together are larger than %d MiB" % (MOST_BYTES >> 20)),
    ]
    return size, next((reason for broken, reason in rules if broken), None)


def _copy(fd: int, size: int, target: str) -> Optional[str]:
    """Copy `size` bytes; why that failed, or None."""
    try:
        with open(target, "xb") as file:
            left = size
            while left > 0:
                chunk = os.read(fd, min(_CHUNK, left))
                if not chunk:
                    return "it changed while it was copied"
                file.write(chunk)
                left -= len(chunk)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if os.path.exists(target):
            os.unlink(target)
        return "it could not be kept (%s)" % (error.strerror or "unknown error")
    return None


def _shown_name(path: str) -> str:
    """The path as a plain name of at most 200 bytes: folders joined by an underscore, nothing invisible."""
    text = os.fsencode(path).decode("utf-8", "replace").replace("/", "_")
    shown = "".join(char if char.isprintable() else "?" for char in text).encode()
    if len(shown) > 200:
        # The end tells what kind of file it is.
        shown = shown[:100] + b"_" + shown[-99:]
    plain = shown.decode("utf-8", "ignore")
    return plain if plain not in ("", ".", "..") else "file"


def _safe_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-80:]
