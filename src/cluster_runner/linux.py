"""The few calls of Linux that Python does not offer: prctl, unshare, mount; and what /proc says about processes.

Called by the rooms that start and end programs. Every call is safe between fork and exec of a process with one thread.
Limits: Linux only; a /proc that hides other processes hides descendants of another user from an ordinary user.
"""

import ctypes
import os
import stat
from typing import Dict, Iterable, List, Optional, Set, Tuple

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18

CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN = 0, 1, 5, 6, 7, 21

_PAGE = os.sysconf("SC_PAGE_SIZE")


def prctl(option: int, value: int) -> None:
    """Set one attribute of this process; raises OSError."""
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero), "prctl")


def unshare(flags: int) -> None:
    """Leave a namespace for one of this process's own; raises OSError."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: Optional[str], flags: int, data: Optional[str] = None) -> None:
    """mount(2); raises OSError."""
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        None if data is None else data.encode(),
    )
    _checked(result, "mount " + target)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def capabilities() -> Set[int]:
    """The numbers of this process's effective capabilities."""
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            bits = int(line.split()[1], 16)
            return {number for number in range(64) if bits >> number & 1}
    return set()


def uid_exists(uid: int) -> bool:
    """Whether this user namespace (a container may have few) knows the number."""
    for line in _read("/proc/self/uid_map").splitlines():
        first, _, count = (int(part) for part in line.split())
        if first <= uid < first + count:
            return True
    return False


def descendants(pid: int) -> List[int]:
    """Every process below `pid` that can be seen now, zombies included."""
    found: List[int] = []
    waiting = [pid]
    everybody: Optional[Dict[int, List[int]]] = None
    while waiting:
        parent = waiting.pop()
        children = _children(parent)
        if children is None:
            # A kernel without CONFIG_PROC_CHILDREN: read all of /proc once.
            everybody = _everybody() if everybody is None else everybody
            children = everybody.get(parent, [])
        found += children
        waiting += children
    return found


def _children(pid: int) -> Optional[List[int]]:
    tasks = "/proc/%d/task" % pid
    children: List[int] = []
    try:
        for task in os.listdir(tasks):
            with open("%s/%s/children" % (tasks, task)) as file:
                children += [int(word) for word in file.read().split()]
    except FileNotFoundError:
        # Either the process (or one of its threads) ended, or the kernel has no such file.
        return children if os.path.exists("/proc/self/task/%d/children" % os.getpid()) else None
    except (ProcessLookupError, PermissionError):
        return children
    return children


def _everybody() -> Dict[int, List[int]]:
    families: Dict[int, List[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            # The command's name stands in parentheses and may hold anything, parentheses too.
            fields = _read("/proc/%s/stat" % name).rpartition(")")[2].split()
            if len(fields) > 1:
                families.setdefault(int(fields[1]), []).append(int(name))
    return families


def resident_bytes(pid: int) -> int:
    """The memory `pid` holds now; 0 where it is gone."""
    fields = _read("/proc/%d/statm" % pid).split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def proportional_bytes(pid: int) -> Tuple[int, int]:
    """The memory `pid` holds now, what it shares with others counted in parts: (its own and files', shared memory).

    Where that can't be told, all it holds counts as its own.
    """
    told: Dict[str, int] = {}
    for line in _read("/proc/%d/smaps_rollup" % pid).splitlines():
        words = line.split()
        if words[0].startswith("Pss"):
            told[words[0]] = int(words[1]) * 1024
    if "Pss:" not in told:
        return resident_bytes(pid), 0
    shared = told.get("Pss_Shmem:", 0)
    return told["Pss:"] - shared, shared


def peak_bytes(pid: int) -> int:
    """The most memory `pid` held since its last exec; 0 where it is gone."""
    for line in _read("/proc/%d/status" % pid).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def nameless_bytes(pids: Iterable[int], most: int) -> Tuple[int, int]:
    """What open files without a name take, in bytes: (on disks, in memory); at most `most` descriptors are looked at.

    A file that is removed and held open, or made by memfd_create, stands in no folder and is no process's resident
    memory unless it is mapped.
    """
    sizes: Dict[Tuple[int, int], Tuple[bool, int]] = {}
    for pid in pids:
        folder = "/proc/%d/fd" % pid
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            most -= 1
            if most < 0:
                break
            path = "%s/%s" % (folder, name)
            try:
                info = os.stat(path)
                if stat.S_ISREG(info.st_mode) and info.st_nlink == 0:
                    in_memory = os.readlink(path).startswith(("/memfd:", "/dev/shm/"))
                    sizes[info.st_dev, info.st_ino] = in_memory, info.st_blocks * 512
            except OSError:
                continue
    disk = sum(size for in_memory, size in sizes.values() if not in_memory)
    return disk, sum(size for in_memory, size in sizes.values() if in_memory)


def tasks_of(uid: int) -> int:
    """How many tasks, threads included, a user has: what RLIMIT_NPROC counts."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat("/proc/" + name).st_uid == uid:
                    count += len(os.listdir("/proc/%s/task" % name))
            except OSError:
                continue
    return count


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
