"""The source files in a .zip that a member sent, which is hostile until proven otherwise.

Called by `sources`, on a thread. Nothing is written anywhere, and nothing that the archive says of itself is believed:
reading stops at the bound whatever sizes it names, so that a bomb costs what an honest archive of the largest size
costs. What packers add by themselves is left out; anything else that is no source file is refused in a sentence.
"""

import stat
import zipfile
from io import BytesIO
from pathlib import PurePosixPath

from cluster_bot.errors import UserError
from cluster_bot.runs import spec
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_runner import wire

MAX_ZIP_BYTES = 4 * 1024 * 1024
# Entries of all kinds; of files that are kept, a run takes fewer.
MAX_ENTRIES = 2_000
SHOWN_CHARS = 60
# What each entry of the list at an archive's end begins with.
_LISTED = b"PK\x01\x02"
_LEFT_OUT = frozenset(
    {"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", "__pycache__", ".git", ".svn", ".hg", ".idea", ".vscode"}
)
_LOCKED, _UTF_8 = 0x1, 0x800


def is_zip(name: str) -> bool:
    """Whether a file is taken for an archive, by its name."""
    return name.lower().endswith(".zip")


def unzip(name: str, content: bytes, room: int) -> dict[str, str]:
    """The files in the archive called `name`, which has been looked at: paths to text, `room` bytes at most.

    Raises UserError.
    """
    # Before anything is made of them: each entry begins with this, so there are no more entries than this is found.
    if content.count(_LISTED) > MAX_ENTRIES:
        raise refuse(Refusal.ZIP_TOO_MANY_FILES, name=name, limit=wire.MAX_FILES)
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return _Reading(name, archive, room).files()
    except UserError:
        raise
    except Exception as error:
        # A border: bytes of a stranger's make the library raise whatever they like.
        raise refuse(Refusal.BAD_ZIP, name=name) from error


class _Reading:
    def __init__(self, name: str, archive: zipfile.ZipFile, room: int) -> None:
        self._name, self._archive, self._room, self._left = name, archive, room, room

    def files(self) -> dict[str, str]:
        wanted = [
            (path, entry)
            for entry in self._archive.infolist()
            if not (path := _path(entry)).endswith("/") and not _LEFT_OUT.intersection(path.split("/"))
        ]
        if len(wanted) > wire.MAX_FILES:
            raise self._refusal(Refusal.ZIP_TOO_MANY_FILES, limit=wire.MAX_FILES)
        found: dict[str, str] = {}
        for path, entry in wanted:
            self._check(path, entry)
            if path in found:
                raise refuse(Refusal.SAME_NAME, name=path)
            found[path] = self._text(path, entry)
        return found

    def _check(self, path: str, entry: zipfile.ZipInfo) -> None:
        try:
            spec.check_path(path)
            # A drive of Windows, and everything below it.
            usable = path[1:2] != ":"
        except UserError:
            usable = False
        if not usable:
            raise self._refusal(Refusal.ZIP_BAD_NAME, inside=_shown(path), depth=wire.MAX_DEPTH - 1)
        if entry.flag_bits & _LOCKED:
            raise self._refusal(Refusal.ZIP_LOCKED)
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise self._refusal(Refusal.ZIP_LINK, inside=path)
        # Others are as good as never met, and one of them lets an archive say how much memory it wants.
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._refusal(Refusal.BAD_ZIP)

    def _text(self, path: str, entry: zipfile.ZipInfo) -> str:
        with self._archive.open(entry) as file:
            content = file.read(self._left + 1)
        if len(content) > self._left:
            raise self._refusal(Refusal.ZIP_TOO_LARGE, limit=self._room)
        self._left -= len(content)
        if len(content) != entry.file_size:
            raise self._refusal(Refusal.BAD_ZIP)
        try:
            return spec.source_text(path, content)
        except UserError:
            raise self._refusal(Refusal.ZIP_NOT_TEXT, inside=path) from None

    def _refusal(self, reason: Refusal, **facts: object) -> UserError:
        return refuse(reason, name=self._name, **facts)


def _path(entry: zipfile.ZipInfo) -> str:
    # As it is written: the library ends `filename` at a NUL.
    path = entry.orig_filename
    if entry.flag_bits & _UTF_8:
        return path
    try:
        # Some packers write UTF-8 without saying so.
        return path.encode("cp437").decode()
    except UnicodeError:
        return path


def _shown(path: str) -> str:
    """A name that can't be used, so that its owner recognises it and a sentence bears it."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-/ ") else "?" for char in path)
    return plain[:SHOWN_CHARS] + ("…" if len(plain) > SHOWN_CHARS else "") or "?"


def without_top_folder(files: dict[str, str]) -> dict[str, str]:
    """`files` without the one folder that all of them lie in, where there is such."""
    tops = {PurePosixPath(path).parts[0] for path in files}
    if len(tops) != 1 or any("/" not in path for path in files):
        return files
    return {path.partition("/")[2]: text for path, text in files.items()}
