"""Starting the user's program: forked, connected, demoted, executed; and ending everything it left.

Called by `supervise`'s owner, `execute`. The runner has one thread, so Python code between fork and exec is safe.
Between runner and program stands a keeper (see there), in a sandbox bubblewrap too. Programs believe they speak to a
terminal, or else C, C++ and CUDA programs would show nothing until they end. Limits: the terminal is not a
controlling one, since losing that would discard output at the program's end.
"""

import contextlib
import fcntl
import os
import pty
import signal
import socket
import struct
import termios
import time
import tty
from typing import Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, NoReturn, Optional, Sequence, Set, Tuple

from cluster_runner import keeper, linux
from cluster_runner.identity import Identity, Limits, SetupError, become, end_all
from cluster_runner.mounts import View, enter
from cluster_runner.sandbox import Sandbox

_ROWS, _COLUMNS = 40, 100
# Long: on a machine out of breath, a process takes its time to die, and giving up loses how the program ended.
_END_PATIENCE_S = 30.0
_MOST_ROUNDS = 20


class Command(NamedTuple):
    """What to execute: the program with its arguments, its environment, its folder, and whether it gets a terminal."""

    argv: Sequence[str]
    env: Mapping[str, str]
    folder: str
    terminal: bool


class Surroundings(NamedTuple):
    """Who a program is and what it sees: its user, its view of the files, the sandbox (None: none), its limits."""

    identity: Identity
    view: View
    sandbox: Optional[Sandbox]
    limits: Limits


class Child(NamedTuple):
    """A started program: the descriptors of its output with their streams, the channel to its keeper, when it began.

    `main` is its process where that can be told; `helpers` are the processes of ours above it. `peak_floor` is what
    the keeper's copy held before it became the program, in bytes: the system counts it to the program's peak, so a
    measured peak up to it says nothing. `started` is monotonic seconds.
    """

    main: Optional[int]
    helpers: FrozenSet[int]
    channel: socket.socket
    outputs: Mapping[int, str]
    peak_floor: int
    started: float

    def close(self) -> None:
        """Let everything go that connects it."""
        self.channel.close()
        for fd in self.outputs:
            os.close(fd)


class _Ends:
    """The program's ends of everything that connects it, to be closed here once it has them."""

    def __init__(self, terminal: bool) -> None:
        self.ours, theirs = _connect(terminal)
        self.out, self.err = theirs[0], theirs[-1]
        self.told, self.fate = os.pipe()
        self.channel, self.keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        # Where bubblewrap complains: a file, which unlike a pipe never fills and needs no reader.
        self.complaints = os.memfd_create("complaints")

    def keep_ours(self) -> None:
        for fd in {self.out, self.err, self.fate, self.null}:
            os.close(fd)
        self.keepers.close()

    def complaint(self) -> str:
        text = os.pread(self.complaints, 1000, 0).decode("utf-8", "replace").strip()
        return text.splitlines()[0] if text else "its keeper did not start"

    def give_up(self) -> None:
        self.channel.close()
        for fd in self.ours:
            os.close(fd)


def start(command: Command, around: Surroundings) -> Child:
    """Start the program in a session of its own; raises SetupError with one sentence where that fails."""
    ends = _Ends(command.terminal)
    if around.identity.uid is not None:
        # So that /dev/stdout and /dev/stderr can be opened by name.
        os.fchown(ends.out, around.identity.uid, -1)
        os.fchown(ends.err, around.identity.uid, -1)
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_keeper(command, around, ends)
    ends.keep_ours()
    with open(ends.told, "rb") as file:
        floor, ended, problem = file.read().decode("utf-8", "replace").partition("\n")
    if problem.strip() or not ended:
        problem = problem.strip() or ends.complaint()
        ends.give_up()
        end_descendants(around.identity)
        raise SetupError("The program could not be started: %s." % problem)
    os.close(ends.complaints)
    for fd in ends.ours:
        os.set_blocking(fd, False)
    ends.channel.setblocking(False)
    # In a sandbox, bubblewrap stands above the keeper.
    family = [pid, *linux.descendants(pid)]
    helpers = 1 if around.sandbox is None else 2
    main = family[helpers] if len(family) > helpers else None
    return Child(main, frozenset(family[:helpers]), ends.channel, ends.ours, int(floor or 0), started)


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


def _be_keeper(command: Command, around: Surroundings, ends: _Ends) -> NoReturn:
    """The forked copy becomes the keeper, or bubblewrap with the keeper in it; never returns."""
    try:
        # A group of its own, so that a signal for the runner's is none for it.
        os.setsid()
        ends.channel.close()
        if around.sandbox is None:
            _keep(command, around, ends)
        _enter_sandbox(around.sandbox, command, around, ends)
    except BaseException as error:  # a border: nothing may escape into the runner's code, which this copy holds too
        os.write(ends.fate, b"\n" + keeper.words(error).encode())
    finally:
        os._exit(127)


def _keep(command: Command, around: Surroundings, ends: _Ends) -> NoReturn:
    def be_somebody_else() -> None:
        enter(around.view)
        become(around.identity, around.limits)

    def be_program() -> None:
        streams = (ends.null, ends.out, ends.err)
        keeper.execute(command.argv, command.env, command.folder, streams, ends.fate, be_somebody_else)

    def clean_up() -> None:
        with contextlib.suppress(SetupError):
            end_descendants(around.identity)

    # The runner's orphans are its own: should it be killed, they are still found here.
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    keeper.keep(ends.keepers, be_program, clean_up)


def _enter_sandbox(sandbox: Sandbox, command: Command, around: Surroundings, ends: _Ends) -> NoReturn:
    for name in (signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(name, signal.SIG_DFL)
    os.umask(0o022)
    for number, fd in enumerate((ends.null, ends.null, ends.complaints)):
        os.dup2(fd, number)
    for fd in (ends.out, ends.err, ends.fate, ends.keepers.fileno()):
        os.set_inheritable(fd, True)
    streams, channel = (ends.out, ends.err), ends.keepers.fileno()
    argv = sandbox.command(streams, ends.fate, channel, command.folder, command.argv)
    enter(around.view)
    become(around.identity, around.limits)
    os.execve(argv[0], argv, dict(command.env))


def signal_program(child: Child, number: int) -> None:
    """Signal the program's own process group; gone is fine."""
    with contextlib.suppress(OSError):
        child.channel.send(bytes([number]))


def how_it_ended(child: Child) -> Optional[Tuple[int, Optional[int]]]:
    """The program's wait status and peak memory in bytes (None: unknown); None while it has not ended.

    Where the keeper itself was killed, nobody knows better than that the program was too.
    """
    try:
        told = child.channel.recv(100)
    except BlockingIOError:
        return None
    except OSError:
        told = b""
    status, _, peak = told.partition(b" ")
    return (int(status), int(peak) * 1024) if peak else (int(signal.SIGKILL), None)


def reap() -> None:
    """Collect every ended child and adopted orphan."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            continue


def kill_descendants(identity: Identity) -> bool:
    """SIGKILL everything below this process, daemons included: orphans come to it, their subreaper. False: nothing."""
    alive = linux.descendants(os.getpid())
    if alive:
        end_all(identity)
    stopped: Set[int] = set()
    for _ in range(_MOST_ROUNDS):
        # All are stopped before any is killed: who is stopped can't fork, and still takes the place of somebody else.
        running = [pid for pid in linux.descendants(os.getpid()) if pid not in stopped]
        if not running:
            break
        _signal(running, signal.SIGSTOP)
        stopped.update(running)
    _signal(stopped, signal.SIGKILL)
    return bool(alive)


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_descendants(identity: Identity) -> None:
    """Kill and reap until nothing is left below this process.

    Raises SetupError where some will not go within half a minute (a process stuck in the kernel).
    """
    deadline = time.monotonic() + _END_PATIENCE_S
    while time.monotonic() < deadline:
        reap()
        if not kill_descendants(identity):
            return
        # The next death or 10 ms, whichever is first: new children may have been born meanwhile.
        signal.sigtimedwait([signal.SIGCHLD], 0.01)
    raise SetupError("Some processes of the program could not be ended.")
