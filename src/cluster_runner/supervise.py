"""Watching one started program: its output, its clocks, the wish to stop, its end and that of all it started.

Called by `execute` once for the compiler and once for the program. One thread, one poll loop; it looks at the wish to
stop, the memory and the clocks every 100 ms and is woken at once by output and by the program's end.
"""

import errno
import os
import select
import signal
import time
from typing import Callable, Dict, List, NamedTuple, Optional

from cluster_runner import linux
from cluster_runner.disk import DiskWatch
from cluster_runner.identity import Identity
from cluster_runner.logs import LogBatch
from cluster_runner.process import (
    Child,
    end_descendants,
    how_it_ended,
    kill_descendants,
    reap,
    signal_program,
)

LOOK_S = 0.1
# The first looks follow each other faster, or the memory of a program of a few milliseconds would never be seen.
_FIRST_LOOK_S = 0.004
GRACE_S = 2.0
# How long the keeper is given to end a program that must die, before the runner ends the keeper too.
_KEEPERS_GRACE_S = 0.5
_MOST_DESCRIPTORS = 4096
_MEMORY_LOOK_S = 0.2
_DRAIN_S = 1.0
# What the copy of the runner may still take between the measuring of the floor and its exec.
_FLOOR_SLACK = 1024 * 1024
# Less than any program takes once it has begun: it was looked at before that.
_LEAST_PEAK = 512 * 1024
_READ = 64 * 1024


class Bounds(NamedTuple):
    """What ends a program early: seconds, bytes of all its processes together (None: no bound), the watch over its disk
    (None: no bound), somebody's wish."""

    time_limit_s: float
    memory_limit: Optional[int]
    disk: Optional[DiskWatch]
    stop_wished: Callable[[], bool]


class Ended(NamedTuple):
    """How a program ended. `by_us` is a "..._limit" of the wire's or "stopped", None where it ended by itself."""

    by_us: Optional[str]
    exit_code: Optional[int]
    signal: Optional[str]
    duration_s: float
    peak_memory_bytes: Optional[int]


class Wakeup:
    """Wakes the poll loop when a child ends or SIGTERM asks the runner to stop (which is a wish like any other)."""

    def __init__(self) -> None:
        self.stop = False
        self.fd, write_end = os.pipe()
        for fd in (self.fd, write_end):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._wish)

    def _wish(self, *_: object) -> None:
        self.stop = True

    def clear(self) -> None:
        """Forget what woke the loop."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            return


class Supervision:
    """One program from its start to the end of everything it started; call `run` once."""

    def __init__(self, child: Child, identity: Identity, batch: LogBatch, bounds: Bounds, wakeup: Wakeup) -> None:
        self._child, self._identity, self._batch, self._bounds, self._wakeup = child, identity, batch, bounds, wakeup
        self._outputs: Dict[int, str] = dict(child.outputs)
        self._poll = select.poll()
        self._end = child.channel.fileno()
        for fd in (*self._outputs, wakeup.fd, self._end):
            self._poll.register(fd, select.POLLIN)
        self._status: Optional[int] = None
        self._duration = 0.0
        self._peak = 0
        self._measured: Optional[int] = None
        self._by_us: Optional[str] = None
        self._kill_at = 0.0
        self._next_look = self._next_memory_look = 0.0
        self._pace = _FIRST_LOOK_S

    def run(self) -> Ended:
        """Wait for the end; afterwards no process of the program lives and all its output is in the batch."""
        try:
            while self._status is None:
                self._step(self._pause())
                self._look()
            self._drain(until_empty=True)
        finally:
            end_descendants(self._identity)
        self._drain(until_empty=False)
        for fd in list(self._outputs):
            self._forget(fd)
        self._child.channel.close()
        self._batch.flush()
        return self._ended()

    def _pause(self) -> float:
        wake = self._next_look if self._batch.due is None else min(self._next_look, self._batch.due)
        return max(0.0, wake - time.monotonic())

    def _step(self, timeout_s: float) -> bool:
        """Wait, read what is there once, write what is due; whether any output came."""
        came = False
        # Rounded up: a poll of 0 ms for a flush due in half a millisecond would spin.
        for fd, _ in self._poll.poll(int(timeout_s * 1000) + (timeout_s > 0)):
            if fd == self._wakeup.fd:
                self._wakeup.clear()
            elif fd == self._end:
                self._notice_end()
            else:
                came = self._read(fd) or came
        if self._batch.due is not None and time.monotonic() >= self._batch.due:
            self._batch.flush()
        return came

    def _read(self, fd: int) -> bool:
        try:
            data = os.read(fd, _READ)
        except BlockingIOError:
            return False
        except OSError as error:
            # A terminal says so when nobody holds its other end any more.
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self._forget(fd)
            return False
        self._batch.add(self._outputs[fd], data)
        return True

    def _forget(self, fd: int) -> None:
        self._batch.add(self._outputs.pop(fd), b"", final=True)
        self._poll.unregister(fd)
        os.close(fd)

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + self._pace
        self._pace = min(2 * self._pace, LOOK_S)
        reap()
        if self._child.main is not None:
            self._peak = max(self._peak, linux.peak_bytes(self._child.main))
        if self._by_us is None:
            self._by_us = self._reason_to_end(now)
            if self._by_us is not None:
                signal_program(self._child, signal.SIGTERM)
                self._kill_at = now + GRACE_S
        elif now >= self._kill_at + _KEEPERS_GRACE_S:
            kill_descendants(self._identity)
        elif now >= self._kill_at:
            # First through the keeper, which then knows how it ended.
            signal_program(self._child, signal.SIGKILL)

    def _reason_to_end(self, now: float) -> Optional[str]:
        if self._bounds.stop_wished() or self._wakeup.stop:
            return "stopped"
        if now - self._child.started >= self._bounds.time_limit_s:
            return "time_limit"
        if self._bounds.memory_limit is not None and now >= self._next_memory_look:
            self._next_memory_look = now + _MEMORY_LOOK_S
            if self._takes_more(self._bounds.memory_limit):
                return "memory_limit"
        if self._bounds.disk is not None and self._bounds.disk.is_over(now, self._processes):
            return "disk_limit"
        return None

    def _processes(self) -> List[int]:
        return [pid for pid in linux.descendants(os.getpid()) if pid not in self._child.helpers]

    def _takes_more(self, limit: int) -> bool:
        pids = self._processes()
        nameless = linux.nameless_bytes(pids, _MOST_DESCRIPTORS)[1]
        if sum(map(linux.resident_bytes, pids)) + nameless <= limit:
            return False
        # That counted what processes share once for each, and nameless files again where they are mapped. This look
        # takes longer.
        parts = [linux.proportional_bytes(pid) for pid in pids]
        return sum(own for own, _ in parts) + max(nameless, sum(shared for _, shared in parts)) > limit

    def _notice_end(self) -> None:
        ended = how_it_ended(self._child)
        if ended is not None:
            self._status, self._measured = ended
            self._duration = time.monotonic() - self._child.started
            self._poll.unregister(self._end)

    def _drain(self, until_empty: bool) -> None:
        """Read on, at most a second: until nothing is there now, or until every writer is gone."""
        deadline = time.monotonic() + _DRAIN_S
        while self._outputs and time.monotonic() < deadline:
            came = self._step(0.0 if until_empty else LOOK_S)
            if until_empty and not came:
                return

    def _ended(self) -> Ended:
        status = self._status or 0
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        seen = self._peak if self._peak >= _LEAST_PEAK else 0
        telling = self._measured is not None and self._measured > self._child.peak_floor + _FLOOR_SLACK
        return Ended(
            by_us=self._by_us,
            exit_code=None if number is not None else os.WEXITSTATUS(status),
            signal=None if number is None else _signal_name(number),
            duration_s=self._duration,
            # A small program's true peak hides below the floor; the largest one seen is the best that is known then.
            peak_memory_bytes=max(seen, self._measured if telling and self._measured else 0) or None,
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal %d" % number
