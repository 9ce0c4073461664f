"""Starting the user's program: forked, connected, demoted, executed; and ending everything it left.

Called by `supervise`'s owner, `execute`. The runner has one thread, so Python code between fork and exec is safe.
Programs believe they speak to a terminal, or else C, C++ and CUDA programs would show nothing until they end. Limits:
the terminal is not a controlling one, since losing that would discard output at the program's end.
"""

import fcntl
import os
import pty
import resource
import signal
import struct
import termios
import time
import tty
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from cluster_runner import linux
from cluster_runner.identity import Identity, SetupError, become, end_all
from cluster_runner.mounts import View, enter

_ROWS, _COLUMNS = 40, 100
_END_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Command:
    """What to execute: the program with its arguments, its environment, its folder, and whether it gets a terminal."""

    argv: Sequence[str]
    env: Mapping[str, str]
    folder: str
    terminal: bool


@dataclass(frozen=True)
class Child:
    """A started program: its process and session, the descriptors of its output with their streams, when it began.

    `peak_floor` is what the forked copy of the runner held before it became the program, in bytes: the system counts
    it to the program's peak, so a measured peak up to it says nothing. `started` is monotonic seconds.
    """

    pid: int
    outputs: Mapping[int, str]
    peak_floor: int
    started: float


def start(command: Command, identity: Identity, view: View) -> Child:
    """Start the program in a session of its own; raises SetupError with one sentence where that fails."""
    ours, theirs = _connect(command.terminal)
    fates = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out, err = theirs[0], theirs[-1]
    if identity.uid is not None:
        # So that /dev/stdout and /dev/stderr can be opened by name.
        os.fchown(out, identity.uid, -1)
        os.fchown(err, identity.uid, -1)
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be(command, identity, view, (null, out, err), fates[1])
    for fd in {*theirs, fates[1], null}:
        os.close(fd)
    with open(fates[0], "rb") as file:
        floor, _, problem = file.read().decode("utf-8", "replace").partition("\n")
    if problem.strip():
        os.waitpid(pid, 0)
        for fd in ours:
            os.close(fd)
        raise SetupError("The program could not be started: %s." % problem.strip())
    for fd in ours:
        os.set_blocking(fd, False)
    return Child(pid, ours, int(floor or 0), started)


def _connect(terminal: bool) -> Tuple[Dict[int, str], List[int]]:
    """Our ends of the outputs with their streams, and the program's ends, stdout first."""
    err_read, err_write = os.pipe()
    if not terminal:
        # A compiler's two streams are one: what it has to say to people.
        return {err_read: "stderr"}, [err_write]
    master, slave = pty.openpty()
    # Raw: no output processing, no echo, so that every byte arrives as it was printed.
    tty.setraw(slave, termios.TCSANOW)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    return {master: "stdout", err_read: "stderr"}, [slave, err_write]


def _be(command: Command, identity: Identity, view: View, streams: Tuple[int, int, int], fate: int) -> None:
    """Become the program; never returns. Whatever goes wrong is told through `fate`, which exec closes."""
    try:
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        os.setsid()
        # What the runner ignores, and what Python ignores, a program must not inherit.
        for name in (signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(name, signal.SIG_DFL)
        os.umask(0o022)
        enter(view)
        become(identity)
        os.chdir(command.folder)
        os.write(fate, b"%d\n" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
        os.execve(command.argv[0], list(command.argv), dict(command.env))
    except BaseException as error:  # a border: nothing may escape into the parent's code, which this copy holds too
        os.write(fate, b"\n" + _words(error).encode())
    finally:
        os._exit(127)


def _words(error: BaseException) -> str:
    if isinstance(error, OSError):
        about = " (%s)" % (error.filename or error.filename2) if error.filename else ""
        return (error.strerror or "unknown error") + about
    return type(error).__name__


def signal_group(child: Child, number: int) -> None:
    """Signal the program's own process group; gone is fine."""
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def reap(main: int) -> Tuple[Optional[int], Optional["resource.struct_rusage"]]:
    """Collect every ended child and adopted orphan; the status and use of `main` where it was among them."""
    status, usage = None, None
    while True:
        try:
            pid, ended, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return status, usage
        if pid == 0:
            return status, usage
        if pid == main:
            status, usage = ended, used


def kill_descendants(identity: Identity) -> bool:
    """SIGKILL everything below this process, daemons included: orphans come to it, their subreaper. False: nothing."""
    alive = linux.descendants(os.getpid())
    if alive:
        end_all(identity)
    for pid in alive:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    return bool(alive)


def end_descendants(identity: Identity) -> None:
    """Kill and reap until nothing is left below this process.

    Raises SetupError where some will not go within ten seconds (a process stuck in the kernel).
    """
    deadline = time.monotonic() + _END_PATIENCE_S
    while time.monotonic() < deadline:
        reap(0)
        if not kill_descendants(identity):
            return
        # The next death or 10 ms, whichever is first: new children may have been born meanwhile.
        signal.sigtimedwait([signal.SIGCHLD], 0.01)
    raise SetupError("Some processes of the program could not be ended.")
