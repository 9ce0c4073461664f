"""bubblewrap around compiler and program: what they see of the machine, and the command that makes it so.

Called by `execute` to choose, by `process` to start. Inside there are the system's programs and libraries, the tool's
own folders, a few lines of /etc made here, the GPUs, and the program's work at WORK; all but the work is read-only.
No other process is seen, no other user, no network unless the admin opened it. Root never enters as it is: the runner
has become the run's own user by then, since bubblewrap started by root contains little.

Limits: needs unprivileged user namespaces; what lies on a file system is bounded by `disk`, so there is no writable
tmpfs in here, whose pages nobody would count. A kernel bug is a way out, as from every container.
"""

import glob
import os
import sys
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from cluster_runner.programs import search_path, which

# Where the program finds its folder: short in tracebacks, and nothing of the host's paths.
WORK = "/run/work"
_KEEPER = "/run/keeper.py"
_USER = 1000
_MOST_PROGRAM_BYTES = 8 * 1024 * 1024

# What the admin may choose: `auto` takes bubblewrap where it works, `bubblewrap` refuses to run without.
AUTO, NONE, BUBBLEWRAP = CHOICES = ("auto", "none", "bubblewrap")

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SHOWN_WHERE_THERE = (
    "/nix/store",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/sys/devices/system",
)
_SHOWN_WITH_NETWORK = ("/etc/resolv.conf", "/etc/services", "/etc/protocols")
# CUDA finds its devices through these.
_SHOWN_WITH_GPU = ("/sys/devices", "/sys/bus/pci", "/sys/class", "/sys/module")
_GPU_DEVICES = ("/dev/nvidia*", "/dev/dxg", "/dev/kfd", "/dev/dri/renderD*")

_MADE: Dict[str, str] = {
    "/etc/passwd": "runner:x:%d:%d:runner:%s/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    % (_USER, _USER, WORK),
    "/etc/group": "runner:x:%d:\nnogroup:x:65534:\n" % _USER,
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class Sandbox(NamedTuple):
    """bubblewrap at `bwrap`, showing the host's `folders` (to read) and `work` (at WORK, to write)."""

    bwrap: str
    folders: Tuple[str, ...]
    work: str
    network: bool
    can_forbid_namespaces: bool

    @property
    def words(self) -> str:
        """What people are told of it."""
        return "bubblewrap, %s" % ("network open" if self.network else "no network")

    def command(self, streams: Tuple[int, int], fate: int, channel: int, folder: str, argv: Sequence[str]) -> List[str]:
        """The whole command: bubblewrap, the keeper in it, the program under that. The descriptors must be inheritable.

        Leaves further inheritable descriptors open, for bubblewrap to read: only for a process about to become it.
        """
        made = dict(_MADE)
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.py"), encoding="utf-8") as file:
            made[_KEEPER] = file.read()
        numbers = [str(number) for number in (*streams, fate, channel)]
        python = os.path.realpath(sys.executable)
        keeper = [python, "-I", "-S", "-B", _KEEPER, *numbers, folder]
        return [self.bwrap, *self._namespaces(), *self._sights(), *_made(made), *_closing(), "--", *keeper, *argv]

    def _namespaces(self) -> List[str]:
        options = ["--unshare-user", "--uid", str(_USER), "--gid", str(_USER), "--unshare-pid", "--unshare-ipc"]
        options += ["--unshare-uts", "--hostname", "sandbox", "--unshare-cgroup-try"]
        options += [] if self.network else ["--unshare-net"]
        options += ["--disable-userns"] if self.can_forbid_namespaces else []
        return [*options, "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL"]

    def _sights(self) -> List[str]:
        options: List[str] = []
        for folder in _SYSTEM:
            if os.path.islink(folder):
                options += ["--symlink", os.readlink(folder), folder]
            elif os.path.isdir(folder):
                options += _shown(folder)
        shown = [*_SHOWN_WHERE_THERE, *_libraries(), *(_SHOWN_WITH_NETWORK if self.network else ())]
        devices = [device for pattern in _GPU_DEVICES for device in sorted(glob.glob(pattern))]
        shown += [*(_SHOWN_WITH_GPU if devices else ()), *self.folders]
        # Before the folders: a tool may lie below the host's /tmp, and must stand in this one.
        options += ["--bind", os.path.join(self.work, "tmp"), "/tmp"]
        for path in dict.fromkeys(shown):
            if os.path.exists(path) and not path.startswith("/usr/"):
                options += _shown(path)
        options += ["--proc", "/proc", "--dev", "/dev"]
        for device in devices:
            options += ["--dev-bind", device, device]
        options += ["--bind", self.work, WORK, "--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run"]
        return [*options, "--bind", os.path.join(self.work, "shm"), "/dev/shm"]


def make(choice: str, work: str, folders: Iterable[str], network: bool) -> Tuple[Optional[Sandbox], str]:
    """The sandbox for the work folder `work`, or None and why there is none, as half a sentence.

    `folders` are what the tool needs. That it works is for the caller to try.
    """
    if choice == NONE:
        return None, "switched off"
    bwrap = which("bwrap", search_path())
    if bwrap is None:
        return None, "not installed"
    python = os.path.realpath(sys.executable)
    needed = tuple(dict.fromkeys((*folders, os.path.dirname(os.path.dirname(python)))))
    for folder in needed:
        # Read-only or not, a tool's folder that holds the runs (and the bot's data beside them) must not be shown.
        if _holds(os.path.realpath(folder), os.path.realpath(work)):
            return None, "the programs' tools lie in %s, which holds the runs too" % folder
    try:
        # Asking it would take as long as the rest; its help is in there, whole.
        with open(bwrap, "rb") as file:
            can_forbid_namespaces = b"--disable-userns" in file.read(_MOST_PROGRAM_BYTES)
    except OSError:
        return None, "%s can't be read" % bwrap
    return Sandbox(bwrap, needed, work, network, can_forbid_namespaces), ""


def _holds(folder: str, path: str) -> bool:
    return os.path.commonpath([folder, path]) == folder


def _shown(path: str) -> List[str]:
    return ["--ro-bind", os.path.realpath(path), path]


def _libraries() -> List[str]:
    """Folders outside /usr that the system's or the admin's settings name for libraries, such as CUDA's."""
    found = [part for part in os.environ.get("LD_LIBRARY_PATH", "").split(":") if part.startswith("/")]
    found += [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if name in os.environ]
    for name in glob.glob("/etc/ld.so.conf.d/*.conf"):
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                found += [line.strip() for line in file if line.startswith("/")]
        except OSError:
            continue
    return [path for path in found if os.path.isdir(path) and os.path.realpath(path) != "/"]


def _made(files: Dict[str, str]) -> List[str]:
    options: List[str] = []
    for path, text in files.items():
        # A pipe holds 64 KiB, more than any of these.
        read_end, write_end = os.pipe()
        with os.fdopen(write_end, "wb") as file:
            file.write(text.encode())
        os.set_inheritable(read_end, True)
        options += ["--ro-bind-data", str(read_end), path]
    return options


def _closing() -> List[str]:
    # The root and /dev are tmpfs, which nobody bounds: not to be written to.
    return ["--remount-ro", "/dev", "--remount-ro", "/"]
