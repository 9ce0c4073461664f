"""A view of the file system in which an unprivileged user reaches what it needs and no more of what is closed to it.

An interpreter or a work folder may lie below a folder that only root may enter (/root, a private temporary folder).
Opening that folder would show everything in it; instead the program gets a mount namespace of its own in which an empty
folder covers the closed one, and only what is needed is bound into it. Called by `execute` to plan, by the forked child
to apply. Limits: needs CAP_SYS_ADMIN; judges by mode bits alone, not by access control lists.
"""

import os
import stat
from typing import List, NamedTuple, Optional, Sequence, Tuple

from cluster_runner import linux
from cluster_runner.identity import SetupError


class View(NamedTuple):
    """`covers`: closed folders to hide; `binds`: (folder, writable) to show inside them. Empty: the view as it is."""

    covers: Tuple[str, ...] = ()
    binds: Tuple[Tuple[str, bool], ...] = ()


def closed_above(path: str) -> Optional[str]:
    """The first folder above `path` (links resolved) that a stranger may not enter; None where all are open."""
    parts = os.path.dirname(os.path.realpath(path)).split("/")
    for count in range(1, len(parts) + 1):
        folder = "/".join(parts[:count]) or "/"
        try:
            if not os.stat(folder).st_mode & stat.S_IXOTH:
                return folder
        except OSError:
            return None
    return None


def plan(tools: Sequence[str], work: str) -> View:
    """The view that shows the folders `tools`, to read, and `work`; raises SetupError where there can be none."""
    covers: List[str] = []
    binds: List[Tuple[str, bool]] = []
    for folder, writable in [*((tool, False) for tool in tools), (work, True)]:
        folder = os.path.realpath(folder)
        # The work folder itself belongs to the program's user; a tool's folder must be open to everybody.
        closed = closed_above(folder if writable else os.path.join(folder, "x"))
        if closed is None:
            continue
        if closed == folder or linux.CAP_SYS_ADMIN not in linux.capabilities():
            raise SetupError(
                "The unprivileged user that programs run as cannot reach %s, because %s is closed to others: use a "
                "folder that everybody may enter, or start the runner with --same-user if_needed." % (folder, closed)
            )
        if closed not in covers:
            covers.append(closed)
        if (folder, writable) not in binds:
            binds.append((folder, writable))
    # Outer folders first, so that a folder inside another finds its place.
    return View(tuple(covers), tuple(sorted(binds)))


def reachable(tools: Sequence[str]) -> bool:
    """Whether a stranger can be shown the folders `tools` and the work folder below the current one."""
    try:
        plan(tools, os.path.join(os.getcwd(), "work"))
    except SetupError:
        return False
    return True


def enter(view: View) -> None:
    """Give this process, a forked child of one thread and still root, the view; raises OSError."""
    if not view.covers:
        return
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    # Opened before they are covered, since the descriptors are the only way to them then; and opened in the new
    # namespace, since a mount of another one cannot be bound.
    sources = [os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder, _ in view.binds]
    for folder in view.covers:
        linux.mount("tmpfs", folder, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755,size=1m")
    for source, (folder, writable) in zip(sources, view.binds):
        os.makedirs(folder, 0o755, exist_ok=True)
        linux.mount("/proc/self/fd/%d" % source, folder, None, linux.MS_BIND | linux.MS_REC)
        if not writable:
            _make_read_only(folder)
        os.close(source)


def _make_read_only(folder: str) -> None:
    try:
        flags = linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY | linux.MS_NOSUID
        linux.mount("none", folder, None, flags)
    except PermissionError:
        # In some containers the flags of a mount are locked. The modes of the files protect them there.
        return
