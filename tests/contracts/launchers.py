"""The launchers that the contract suite runs on, and what it must be able to do to each one's scheduler.

A new launcher joins by a `Harness` of its own and a line in `HARNESSES`. A harness plays the world: it makes launcher
objects that share one scheduler (so that a second object is the bot after a restart), brings the scheduler into the
states that crashes and outages leave behind, and lets programs write to a folder the test can read.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from cluster_bot.launchers.local_process import LocalProcess
from cluster_bot.runs.ports import Launcher
from cluster_bot.runs.run import Handle, Member, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_runner import wire

PATIENCE_S = 60.0


class Harness(ABC):
    """One scheduler and its launchers; `outside` is a folder every program may write to."""

    outside: Path

    @abstractmethod
    def launcher(self) -> Launcher:
        """A launcher object of its own on the one scheduler."""

    @abstractmethod
    def half_started(self, run: Run) -> None:
        """What a bot leaves that was killed within `start`, before the scheduler accepted."""

    @abstractmethod
    def never_claimed(self, run: Run) -> Handle:
        """A run that was accepted long ago and never got a runner."""

    @abstractmethod
    async def ended(self, run: Run) -> None:
        """Wait until the scheduler has nothing of the run alive."""

    @abstractmethod
    def kill_runner(self, run: Run) -> None:
        """Kill the runner (and no more) in the middle of its work."""

    @abstractmethod
    def outage(self) -> AbstractContextManager[None]:
        """While it lasts, the scheduler cannot be asked."""

    @abstractmethod
    def dispose(self) -> None:
        """End the scheduler with all it holds."""

    def run(self, text: str, *, id: str | None = None, attempt: int = 1, time_limit_s: int = 50) -> Run:
        """A run about to be started."""
        spec = RunSpec({"main.py": text}, "main.py", self.launcher_name, time_limit_s)
        return Run(
            id=id or os.urandom(16).hex(),
            number=1,
            spec=spec,
            owner=Member("1", "ada"),
            origin=Origin("key", {}),
            created_at=time.time(),
            status=Status.STARTING,
            attempt=attempt,
        )

    @property
    @abstractmethod
    def launcher_name(self) -> str:
        """What members type."""


class LocalHarness(Harness):
    """The bot's own machine: the scheduler is a folder."""

    launcher_name = "local"

    def __init__(self) -> None:
        # Not pytest's own folder: programs of another user could not write below it.
        self._home = Path(tempfile.mkdtemp(prefix="cluster-launcher-"))
        self._home.chmod(0o711)
        self._root = self._home / "local"
        self.outside = self._home / "outside"
        self.outside.mkdir()
        self.outside.chmod(0o777)

    def launcher(self) -> LocalProcess:
        # Programs wait for files in `outside`, which they would not see from a sandbox.
        return LocalProcess(self._root, python=sys.executable, sandbox="none")

    def half_started(self, run: Run) -> None:
        folder = self._folder(run)
        folder.mkdir(parents=True, mode=0o711)
        folder.chmod(0o711)
        spec = run.spec
        payload = wire.Payload(
            run.id, run.attempt, dict(spec.files), spec.main, str(spec.language), float(spec.time_limit_s)
        )
        (folder / "payload.json").write_text(wire.payload_to_json(payload))

    def never_claimed(self, run: Run) -> Handle:
        self.half_started(run)
        long_ago = time.time() - 3600
        os.utime(self._folder(run) / "payload.json", (long_ago, long_ago))
        return Handle(f'{{"folder": "{self._folder(run).name}"}}')

    async def ended(self, run: Run) -> None:
        # Taking the lock waits for the runner that holds it.
        await asyncio.to_thread(self._with_lock, run, lambda lock: fcntl.lockf(lock, fcntl.LOCK_SH))

    def kill_runner(self, run: Run) -> None:
        query = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        answer = self._with_lock(run, lambda lock: fcntl.fcntl(lock, fcntl.F_GETLK, query))
        os.kill(struct.unpack("hhqqi4x", answer)[4], signal.SIGKILL)

    @contextmanager
    def outage(self) -> Iterator[None]:
        away = self._home / "away"
        self._root.rename(away)
        try:
            yield
        finally:
            away.rename(self._root)

    def dispose(self) -> None:
        for lock in self._root.glob("*/lock"):
            (lock.parent / "stop").touch()
            with lock.open("rb+") as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
        shutil.rmtree(self._home)

    def _folder(self, run: Run) -> Path:
        return self._root / f"{run.id}-{run.attempt}"

    def _with_lock(self, run: Run, use: Callable[[int], Any]) -> Any:
        fd = os.open(self._folder(run) / "lock", os.O_RDWR)
        try:
            return use(fd)
        finally:
            os.close(fd)


HARNESSES: Mapping[str, Callable[[], Harness]] = {"local": LocalHarness}
