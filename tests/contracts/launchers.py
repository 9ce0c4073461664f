"""What the launcher contract must be able to do to each launcher's scheduler, and the local launcher's way of it.

A new launcher joins by a `Harness` of its own and a line in the suite's `HARNESSES`. A harness plays the world: it
makes launcher objects that share one scheduler (so that a second object is the bot after a restart), brings the
scheduler into the states that crashes and outages leave behind, and lets programs write to a folder the test can read.
What a scheduler cannot do, and its launcher does not promise, stands in its traits.
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
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from cluster_bot.launchers.local_process import LocalProcess
from cluster_bot.runs.ports import Launcher, SpoolSource
from cluster_bot.runs.run import Handle, Member, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_runner import wire
from cluster_runner.wire import Event

PATIENCE_S = 60.0


class Harness(ABC):
    """One scheduler and its launchers; `outside` is a folder every program may write to.

    `traits` says which promises there are beside those that every launcher makes:
    `claims`: a second launch of an attempt executes nothing; `live`: events come while the program runs; `news`: and
    somebody calls out the run's id then; `denies`: the scheduler can tell that an attempt was never started; `queues`:
    runners can be busy; `gives_up`: a run that nobody executes is given up for good after a while; `always_tells`: a
    wish to stop is heard at any moment, and an outcome comes of it; `forgets`: what was discarded is gone altogether.
    """

    traits: ClassVar[Collection[str]]
    launcher_name: ClassVar[str]
    """What members type."""
    gpu: ClassVar[str | None] = None
    odd_handles: ClassVar[Sequence[str]]
    """Handles that the launcher never gave, of a form that is nearly its own."""
    outside: Path

    def __init__(self) -> None:
        self._handles: dict[tuple[str, int], Handle] = {}

    @classmethod
    @abstractmethod
    def opened(cls) -> AbstractAsyncContextManager[Self]:
        """The scheduler; at the end all it holds is gone."""

    @abstractmethod
    def launcher(self) -> Launcher:
        """A launcher object of its own on the one scheduler."""

    @abstractmethod
    def listen(self, launcher: Launcher, hear: Callable[[str], None], wake: Callable[[], None]) -> None:
        """Call `hear(run id)` for the news there are, and `wake()` whenever it may be worth while to look."""

    @abstractmethod
    async def events(self, launcher: Launcher, run: Run, after: int) -> Sequence[Event]:
        """What the bot has heard of a run by now, over event `after`; [] where it has heard no more."""

    @abstractmethod
    def half_started(self, run: Run) -> None:
        """What a bot leaves that was killed within `start`, before the scheduler accepted."""

    def never_claimed(self, run: Run) -> Handle:
        """A run that was accepted long ago and never got a runner (`gives_up`)."""
        raise NotImplementedError

    def busy(self) -> AbstractContextManager[None]:
        """While it lasts, no runner takes anything (`queues`)."""
        raise NotImplementedError

    @abstractmethod
    async def ended(self, run: Run) -> None:
        """Wait until the scheduler has nothing of the run alive."""

    @abstractmethod
    def kill_runner(self, run: Run) -> None:
        """Kill the runner (and no more) in the middle of its work."""

    @abstractmethod
    def outage(self) -> AbstractContextManager[None]:
        """While it lasts, the scheduler cannot be asked."""

    def accepted(self, run: Run, handle: Handle) -> None:
        """Remember the handle, as the bot's database does."""
        self._handles[run.id, run.attempt] = handle

    def as_saved(self, run: Run) -> Run:
        """The run with its handle, where one was remembered."""
        return replace(run, handle=self._handles.get((run.id, run.attempt)))

    async def run(self, text: str, *, id: str | None = None, attempt: int = 1, time_limit_s: int = 50) -> Run:
        """A run about to be started; with the `id` of another it takes that one's place."""
        # What programs may import to see that files in folders have come along.
        files = {"main.py": text, "beside/__init__.py": "", "beside/words.py": "READY = 'ready'"}
        spec = RunSpec(files, "main.py", self.launcher_name, time_limit_s, gpu=self.gpu)
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


class LocalHarness(Harness):
    """The bot's own machine: the scheduler is a folder."""

    launcher_name = "local"
    traits = ("claims", "live", "news", "denies", "gives_up", "always_tells", "forgets")
    odd_handles = ('{"folder": 5}', '{"folder": "../../etc"}')

    def __init__(self) -> None:
        super().__init__()
        # Not pytest's own folder: programs of another user could not write below it.
        self._home = Path(tempfile.mkdtemp(prefix="cluster-launcher-"))
        self._home.chmod(0o711)
        self._root = self._home / "local"
        self.outside = self._home / "outside"
        self.outside.mkdir()
        self.outside.chmod(0o777)

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Self]:
        harness = cls()
        try:
            yield harness
        finally:
            await asyncio.to_thread(harness._dispose)

    def launcher(self) -> LocalProcess:
        # Programs wait for files in `outside`, which they would not see from a sandbox.
        return LocalProcess(self._root, python=sys.executable, sandbox="none")

    def listen(self, launcher: Launcher, hear: Callable[[str], None], wake: Callable[[], None]) -> None:
        assert isinstance(launcher, SpoolSource)

        def ring(run_id: str) -> None:
            hear(run_id)
            wake()

        launcher.on_news(ring)

    async def events(self, launcher: Launcher, run: Run, after: int) -> Sequence[Event]:
        assert isinstance(launcher, SpoolSource)
        return await launcher.fetch(run, after)

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

    def _dispose(self) -> None:
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
