"""The keeper: the program's parent, which waits for it, tells the runner how it ended, and never outlives the runner.

Two ways to become one. Without a sandbox it is a forked copy of the runner: it keeps the runner's rights, adopts what
the program leaves behind, and ends it all should the runner be killed. Inside bubblewrap it is the first process of the
sandbox's process namespace, started as a file of its own (which is why it imports nothing of this package): its end is
the end of everything in there, and only it can tell an exit code of 139 from a SIGSEGV, which bubblewrap reports alike.

The channel to the runner is a socket: each byte from there is the number of a signal for the program's process group;
"STATUS PEAK\n" goes back once, a wait status and KiB. The channel's end is the runner's end. Limits: Linux.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    # In a sandbox each program waits for this file to be read, and `typing` is half of that.
    from typing import Callable, Mapping, NoReturn, Optional, Sequence, Tuple

_PR_SET_DUMPABLE = 4
# What the runner ignores, what Python and a keeper ignore, and what a shell ignores for whatever it starts in the
# background: a program must inherit none of it.
_DEFAULT_AGAIN = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def keep(channel: socket.socket, be: Callable[[], None], abandoned: Callable[[], None]) -> NoReturn:
    """Fork; the copy calls `be`, which never returns; see it to its end and tell. Only for a process of one thread.

    `abandoned` is called where the runner is gone before the program is: it ends what is left.
    """
    try:
        wake, wake_write = os.pipe()
        for fd in (wake, wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for name in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_IGN)
        main = os.fork()
        if main == 0:
            be()
        # Nothing of the program's may be held here: its streams end when it says so.
        _close_all_but(channel.fileno(), wake, wake_write)
        told = _wait(main, channel, wake)
        if told is None:
            abandoned()
        else:
            _tell(channel, told)
    finally:
        os._exit(0)


def execute(
    argv: Sequence[str],
    env: Mapping[str, str],
    folder: str,
    streams: Tuple[int, int, int],
    fate: int,
    become: Callable[[], None],
) -> NoReturn:
    """Become the program, in a session of its own; never returns. `become` changes who this process is.

    Through `fate`, which the exec closes, goes first the memory this process holds, in bytes; after it, on a line of
    its own, whatever went wrong.
    """
    try:
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        os.set_inheritable(fate, False)
        os.setsid()
        for name in _DEFAULT_AGAIN:
            signal.signal(name, signal.SIG_DFL)
        os.umask(0o022)
        become()
        os.chdir(folder)
        os.write(fate, b"%d\n" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
        os.execve(argv[0], list(argv), dict(env))
    except BaseException as error:  # a border: nothing may escape into the parent's code, which this copy holds too
        os.write(fate, b"\n" + words(error).encode())
    finally:
        os._exit(127)


def words(error: BaseException) -> str:
    """What went wrong, in the system's words, with the file it is about."""
    if isinstance(error, OSError):
        about = " (%s)" % (error.filename or error.filename2) if error.filename else ""
        return (error.strerror or "unknown error") + about
    return type(error).__name__


def _wait(main: int, channel: socket.socket, wake: int) -> Optional[Tuple[int, int]]:
    """The wait status and peak KiB of `main`; None where the runner went before it."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == wake:
                _empty(wake)
            elif not _obey(main, channel):
                return None
        told = _reap(main)
        if told is not None:
            return told


def _empty(wake: int) -> None:
    try:
        while os.read(wake, 4096):
            pass
    except BlockingIOError:
        return


def _obey(main: int, channel: socket.socket) -> bool:
    """Pass on the signals that are asked for; False where nobody asks any more."""
    try:
        asked = channel.recv(16)
    except OSError:
        return False
    for number in asked:
        try:
            os.killpg(main, number)
        except (ProcessLookupError, PermissionError):
            continue
    return bool(asked)


def _reap(main: int) -> Optional[Tuple[int, int]]:
    told = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return told
        if pid == 0:
            return told
        if pid == main:
            told = status, usage.ru_maxrss


def _tell(channel: socket.socket, told: Tuple[int, int]) -> None:
    try:
        channel.sendall(b"%d %d\n" % told)
    except OSError:
        # The runner is gone; whoever finds its spool says so.
        return


def _close_all_but(*kept: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                # The listing's own.
                continue


def _main(arguments: Sequence[str]) -> NoReturn:
    """OUT ERR FATE CHANNEL FOLDER PROGRAM ARGUMENT...: the first process of a sandbox."""
    out, err, fate, channel = (int(word) for word in arguments[:4])
    folder, argv = arguments[4], arguments[5:]
    # No process of the program's, which is the same user, may read this one's memory or use its descriptors.
    import ctypes

    zero = ctypes.c_ulong(0)
    ctypes.CDLL(None).prctl(ctypes.c_int(_PR_SET_DUMPABLE), zero, zero, zero, zero)
    for fd in (out, err, channel):
        os.set_inheritable(fd, False)
    env = dict(os.environ, PWD=folder)
    keep(
        socket.socket(fileno=channel),
        lambda: execute(argv, env, folder, (0, out, err), fate, lambda: None),
        lambda: None,
    )


if __name__ == "__main__":
    _main(sys.argv[1:])
