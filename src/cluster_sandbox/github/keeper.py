"""Stands between the server and `act`, so that nothing a job starts is lost from sight or left behind.

Started by `execution.py` as a script (standard library only): `keeper.py COMMAND...`. It adopts the orphans of the job
(PR_SET_CHILD_SUBREAPER; a runner calls setsid, so neither its group nor its session finds it), runs the command and
obeys words on its standard input, one a line:

    INT   SIGINT to the entry process of the current step, as GitHub cancels; act itself must not get it, for
          it would SIGKILL the step at once
    TERM  the same with SIGTERM
    KILL  SIGKILL to the current step's whole tree; act goes on to `always()` steps
    SKIP step   SIGKILL to that step (its id or number, or the `./folder` of its action) as soon as it has a process:
          act starts steps GitHub would skip after a cancel, where the cancelled one ended well. A few milliseconds
          of them may happen
    END   SIGKILL to everything

The end of its standard input means END: a server that was killed takes its jobs with it. When the command ends, what
it left running is killed, as GitHub's runner does at the end of a job. Exits with the command's code.

There is one for each job: it imports little, so that it costs a job the fortieth part of a second.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
SKIP_PAUSE_S = 0.005
LOOK_S = 0.5
STUCK_S = 2.0
"""How long act may be without a step's process before it is taken to be stuck."""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _children() -> dict[int, list[int]]:
    """The children of every process of this machine."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                fields = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if fields[0] != b"Z":
                found.setdefault(int(fields[1]), []).append(int(name))
    return found


def _below(roots: list[int]) -> list[int]:
    """`roots` and all their descendants, parents first."""
    children, found = _children(), list(roots)
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _children_of(parent: int) -> list[int]:
    """The children of one process, asked for without a look at the whole machine where the kernel can."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208
            found += map(int, _read(f"/proc/{parent}/task/{task}/children").split())
    except OSError:
        return _children().get(parent, [])
    return found


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it ended meanwhile


class Keeper:
    def __init__(self, command: list[str]) -> None:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._code: int | None = None
        nothing = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        # Those that Python ignores, and nobody else does.
        usual = [signal.SIGPIPE, signal.SIGXFSZ]
        self._act = os.posix_spawnp(command[0], command, os.environ, file_actions=nothing, setsid=True, setsigdef=usual)
        self._words = b""
        self._skip: list[str] = []
        self._idle_since = time.monotonic()

    def watch(self) -> int:
        """Obey until the command ends; its exit code, 137 where it was killed."""
        while self._code is None:
            ready, _, _ = select.select([0, self._wake], [], [], SKIP_PAUSE_S if self._skip else LOOK_S)
            self._free_act()
            if self._skip:
                self._kill_skipped()
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._reap()
            if 0 in ready and self._code is None and not self._obey():
                break
        self._end()
        return 137 if self._code is None else self._code

    def _free_act(self) -> None:
        """Help act over the end of a step whose daemon speaks just then.

        act takes a step's output from a terminal and knows its end by a ^D it has sent through as the last byte of a
        read. Output of a background process right behind it hides it, and act waits without end. Another one is seen.
        """
        now = time.monotonic()
        if self._entries():
            self._idle_since = now
        elif now - self._idle_since > STUCK_S:
            for terminal in self._terminals():
                try:
                    self._end_output(terminal)
                except OSError:
                    continue  # it closed meanwhile: that is an end too

    @staticmethod
    def _end_output(terminal: str) -> None:
        # Not to become our controlling terminal: its hang-up would reach us.
        file = os.open(terminal, os.O_WRONLY | os.O_NOCTTY)
        try:
            os.write(file, b"\x04")
        finally:
            os.close(file)

    def _terminals(self) -> list[str]:
        """The terminals act reads from."""
        found = []
        infos = f"/proc/{self._act}/fdinfo"
        for name in os.listdir(infos):  # noqa: PTH208
            try:
                lines = _read(f"{infos}/{name}").decode().splitlines()
            except OSError:
                continue  # closed meanwhile
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
            if "tty-index" in fields:
                found.append(f"/dev/pts/{fields['tty-index'].strip()}")
        return found

    def _kill_skipped(self) -> None:
        for pid in self._entries():
            if self._is_skipped(pid):
                _signal(_below([pid]), signal.SIGKILL)

    def _is_skipped(self, pid: int) -> bool:
        try:
            arguments, variables = (
                _read(f"/proc/{pid}/{name}").decode(errors="replace").split("\0") for name in ("cmdline", "environ")
            )
        except OSError:
            return False  # it ended meanwhile
        # act calls a step's script .../act/workflow/STEP.sh, and within an action STEP-composite-INNER.sh; of a script
        # that has become another program by `exec`, its action's folder is left.
        scripts = [one.rpartition("/act/workflow/")[2] for one in arguments if "/act/workflow/" in one]
        names = [one.partition("-composite-")[0].partition(".")[0] for one in scripts]
        folders = [one for one in variables if one.startswith("GITHUB_ACTION_PATH=")]
        return any(
            word in names or (word.startswith("./") and any(one.endswith(word[1:]) for one in folders))
            for word in self._skip
        )

    def _entries(self) -> list[int]:
        """The processes act itself started."""
        return _children_of(self._act)

    def _obey(self) -> bool:
        data = os.read(0, 4096)
        self._words += data
        *words, self._words = self._words.split(b"\n")
        for word in words:
            if word == b"END":
                return False
            if word.startswith(b"SKIP "):
                self._skip.append(word[5:].decode())
                continue
            entries = _children().get(self._act, [])
            if word == b"KILL":
                _signal(_below(entries), signal.SIGKILL)
            else:
                _signal(entries, signal.SIGINT if word == b"INT" else signal.SIGTERM)
        return bool(data)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._act:
                self._code = os.waitstatus_to_exitcode(status)

    def _end(self) -> None:
        """Kill every descendant until there is none: one may fork while another is killed."""
        while children := _children_of(os.getpid()):
            _signal(_below(children), signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                continue
        self._reap()


if __name__ == "__main__":
    for caught in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The server decides by its words; a Ctrl+C in a terminal reaches the server too. A function and not SIG_IGN,
        # which the job's processes would inherit.
        signal.signal(caught, lambda *_: None)
    code = Keeper(sys.argv[1:]).watch()
    sys.exit(code if code >= 0 else 128 - code)
