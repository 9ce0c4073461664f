"""From the files a member sent to the files of a run, and which of them is the one to execute.

Called by the front ends: with names and sizes before anything is fetched, then with the contents, on a thread. Files
arrive one by one or packed in a .zip, which keeps its folders; which of them came first says most about what is meant.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from cluster_bot.runs import spec
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.unzip import MAX_ZIP_BYTES, is_zip, unzip, without_top_folder

MAX_NAMED = 5


class Sources(NamedTuple):
    """The files of a run, and the one to execute."""

    files: Mapping[str, str]
    main: str


def check_sent(sent: Sequence[tuple[str, int]], main: str | None = None) -> None:
    """Refuse, with UserError, what names and sizes (bytes) alone make impossible; the first file is the script."""
    whole = {True: 0, False: 0}
    for name, size in sent:
        spec.check_path(name)
        if "/" in name:
            raise refuse(Refusal.BAD_NAME)
        whole[is_zip(name)] += size
        limit = MAX_ZIP_BYTES if is_zip(name) else spec.MAX_SOURCE_BYTES
        if size > limit:
            raise refuse(Refusal.FILE_TOO_LARGE, name=name, size=size, limit=limit)
        if whole[is_zip(name)] > limit:
            raise refuse(Refusal.FILES_TOO_LARGE, name=name, limit=limit)
    first = sent[0][0]
    if not is_zip(first) and main is None:
        spec.language_of(first)
    spec.check_paths([name for name, _ in sent])


def sources_of(sent: Sequence[tuple[str, bytes]], main: str | None = None) -> Sources:
    """The files in what was sent, archives unpacked, and the one to execute: `main`, or the first, or what is plain.

    Raises UserError. Takes its time with a large archive: call it on a thread.
    """
    check_sent([(name, len(content)) for name, content in sent], main)
    first = sent[0][0]
    files: dict[str, str] = {}
    for name, content in sent:
        room = spec.MAX_SOURCE_BYTES - sum(len(text.encode()) for text in files.values())
        # Beside a script the folders of an archive are those that the script names; else they are just how it was made.
        new = {name: spec.source_text(name, content)} if not is_zip(name) else unzip(name, content, room)
        new = without_top_folder(new) if is_zip(name) and name == first else new
        twice = files.keys() & new.keys()
        if twice:
            raise refuse(Refusal.SAME_NAME, name=min(twice))
        files.update(new)
    spec.check_paths(files)
    if main is None:
        return Sources(files, first if not is_zip(first) else _plainly_main(first, files))
    return Sources(files, _named(main, first, files))


def _plainly_main(archive: str, files: Collection[str]) -> str:
    """The one program there is, or the one called main that lies highest."""
    programs = [path for path in files if spec.is_program(path) and PurePosixPath(path).name != "__init__.py"]
    if not programs:
        raise refuse(Refusal.NO_PROGRAM, name=archive, extensions=spec.EXTENSIONS_LISTED)
    mains = [path for path in programs if PurePosixPath(path).stem.lower() == "main"]
    highest = min((_depth(path) for path in mains), default=0)
    for found in (programs, [path for path in mains if _depth(path) == highest]):
        if len(found) == 1:
            return found[0]
    raise refuse(Refusal.WHICH_PROGRAM, programs=_listed(programs))


def _named(main: str, first: str, files: Collection[str]) -> str:
    """The program that a member means by `main`: its path, with the top folder or without, or its name alone."""
    programs = [path for path in files if spec.is_program(path)]
    if not programs:
        raise refuse(Refusal.NO_PROGRAM, name=first, extensions=spec.EXTENSIONS_LISTED)
    wanted = main.strip().removeprefix("./")
    for spelled in (wanted, wanted.partition("/")[2]):
        if spelled in programs:
            return spelled
    same = [path for path in programs if PurePosixPath(path).name == wanted]
    if len(same) == 1:
        return same[0]
    raise refuse(Refusal.NO_SUCH_PROGRAM, programs=_listed(programs))


def _depth(path: str) -> int:
    return path.count("/")


def _listed(programs: Collection[str]) -> str:
    """The highest few, as many as a sentence bears."""
    ordered = sorted(programs, key=lambda path: (_depth(path), path))
    shown = [f"`{path if len(path) <= 40 else path[:39] + '…'}`" for path in ordered[:MAX_NAMED]]
    return ", ".join(shown) + (" …" if len(ordered) > MAX_NAMED else "")
