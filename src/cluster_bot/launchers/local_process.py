"""The local launcher: runs programs on the bot's own machine, each under a runner that lives on when the bot dies.

Made by the composition root when the admin turned it on. One folder an attempt below `root`; the folder is all the
scheduler there is, so every verb works the same after a restart. A doorbell socket in `root` makes news arrive at once.
Limits: one machine, Linux; no queue: a run that is started runs.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster_bot.launchers.spool_folder import Life, SpoolFolder, SpoolReader, attempts_below, run_of
from cluster_bot.launchers.trial import Trial, try_machine
from cluster_bot.runs.ports import GpuOffer, LaunchRefusedError, Unknowable
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Handle, Observation, Run, Sighting
from cluster_bot.runs.spec import RunSpec
from cluster_runner import wire
from cluster_runner.wire import Event

_log = logging.getLogger(__name__)

_YOUNG_S = 10.0
_REMOVERS = 4
_MOST_ARTIFACT_BYTES = 16 * 1024 * 1024
_RUNNER = Path(wire.__file__).parent

_OBSERVATIONS: Mapping[Life, Observation] = {
    Life.GONE: Observation(Sighting.MISSING, "its folder is gone"),
    Life.WAITING: Observation(Sighting.PENDING),
    Life.UNCLAIMED: Observation(Sighting.PENDING),
    Life.ALIVE: Observation(Sighting.RUNNING),
    Life.ENDED: Observation(Sighting.FINISHED),
    Life.FORBIDDEN: Observation(Sighting.MISSING, "its runner did not start", never_ran=True),
}
_NO_LOOK = Observation(Sighting.UNKNOWN, "the folder of local runs can't be read")


class LocalProcess:
    """`Launcher`, `SpoolSource` and `Discerning` for the bot's own machine.

    `root` holds the runs' folders; `python`, `cxx`, `nvcc` are the programs' interpreter (None: the bot's own) and
    compilers; `same_user` (never, if_needed, always) says whether programs may run as root where the bot is root;
    `sandbox` (auto, none, bubblewrap) what is around them, `network` whether that leaves the network open;
    `task_limit` is processes and threads, the other limits are MiB.
    """

    name = "local"
    claims = True

    def __init__(
        self,
        root: Path,
        *,
        python: str | None = None,
        cxx: str = "g++",
        nvcc: str = "nvcc",
        same_user: str = "never",
        sandbox: str = "auto",
        network: bool = False,
        task_limit: int = 4096,
        memory_limit_mb: int | None = None,
        disk_limit_mb: int | None = None,
    ) -> None:
        self._root = root.absolute()
        # As root, programs are users of their own and must pass through to their work; listing stays closed to them.
        self._mode = 0o711 if os.geteuid() == 0 and same_user != "always" else 0o700
        self._root.mkdir(mode=self._mode, parents=True, exist_ok=True)
        self._root.chmod(self._mode)
        self._options = ["--python", python or sys.executable, "--cxx", cxx, "--nvcc", nvcc]
        self._options += ["--same-user", same_user]
        self._options += ["--network"] if network else []
        self._options += ["--task-limit", str(task_limit)]
        self._options += [] if memory_limit_mb is None else ["--memory-limit-mb", str(memory_limit_mb)]
        self._options += [] if disk_limit_mb is None else ["--disk-limit-mb", str(disk_limit_mb)]
        self._sandbox = sandbox
        self._trying = threading.Lock()
        self._trial: Trial | None = None
        # The runners this process started: living ones with their process, and those that ended.
        self._runners: dict[str, int] = {}
        self._ended: set[str] = set()
        self._reaping = threading.Lock()
        self._readers: dict[str, SpoolReader] = {}
        self._doorbell: Doorbell | None = None
        self._removers = ThreadPoolExecutor(max_workers=_REMOVERS, thread_name_prefix="remove-spool")

    async def check(self, spec: RunSpec) -> None:
        """Refuse a GPU by name: there is one machine, as it is, and what was typed would be shown as if it had it."""
        if spec.gpu is not None and all(one.gpu is None for one in await self.availability()):
            raise refuse(Refusal.NO_GPU_BY_NAME, launcher=self.name)

    async def start(self, run: Run) -> Handle:
        """Make the folder and start its runner; LaunchRefusedError where the machine is out of something."""
        name = _folder_name(run)
        try:
            await asyncio.to_thread(self._start, name, wire.payload_to_json(run.spec.payload(run.id, run.attempt)))
        except OSError as error:
            _log.warning("local run could not be started", extra={"run": run.id}, exc_info=True)
            detail = f"the bot's machine could not start it ({(error.strerror or 'unknown error').lower()})"
            raise LaunchRefusedError(detail, again=True) from error
        return _handle(name)

    async def find(self, run: Run) -> Handle | Unknowable | None:
        """The handle where a runner has come to life; a folder without one was never accepted."""
        name = _folder_name(run)
        try:
            life = await asyncio.to_thread(self._folder(name).life)
        except OSError:
            return Unknowable.NOW
        return None if life in (Life.GONE, Life.UNCLAIMED) else _handle(name)

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """One look at every folder."""
        return await asyncio.to_thread(lambda: {handle: self._look(handle) for handle in handles})

    async def stop(self, handle: Handle) -> None:
        """Leave the wish in the folder; the runner looks at it ten times a second."""
        name = _name_in(handle)
        if name is not None:
            await asyncio.to_thread(self._folder(name).wish_stop)

    async def availability(self) -> Sequence[GpuOffer]:
        """The one machine, always ready."""
        return [GpuOffer(gpu=None)]

    async def isolation(self) -> Trial:
        """How programs are kept apart here, tried for real the first time it is asked."""
        return await asyncio.to_thread(self._tried)

    async def close(self) -> None:
        """Stop listening; the runners go on."""
        if self._doorbell is not None:
            self._doorbell.close()
            self._doorbell = None
        # Not waited for: what is half removed now is tidied up in the next life.
        self._removers.shutdown(wait=False, cancel_futures=True)

    def on_news(self, ring: Callable[[str], None]) -> None:
        """Listen at the doorbell of `root`, on the running loop."""
        if self._doorbell is not None:
            self._doorbell.close()
        self._doorbell = Doorbell(self._root, ring)

    async def fetch(self, run: Run, after: int) -> Sequence[Event]:
        """The spool's next events, at most 500."""
        name = _folder_name(run)
        reader = self._readers.setdefault(name, SpoolReader(self._root / name))
        return await asyncio.to_thread(reader.read, after)

    async def artifact(self, run: Run, stored: str) -> bytes | None:
        """A kept file, at most 16 MiB."""
        return await asyncio.to_thread(self._folder(_folder_name(run)).artifact, stored, _MOST_ARTIFACT_BYTES)

    async def discard(self, run: Run) -> bool:
        """Remove the folder, unless a runner still lives in it and does not end within two seconds."""
        name = _folder_name(run)
        # Waiting for runners and removing what hostile programs left takes its time: not where everybody waits.
        if not await asyncio.get_running_loop().run_in_executor(self._removers, self._folder(name).discard):
            _log.info("a local run's folder stays for now: its runner lives", extra={"run": run.id})
            return False
        self._readers.pop(name, None)
        await asyncio.to_thread(self._alive, name)
        self._ended.discard(name)
        return True

    async def left(self) -> Collection[tuple[str, int]]:
        """Run and attempt of every folder."""
        return await asyncio.to_thread(attempts_below, self._root)

    def _folder(self, name: str) -> SpoolFolder:
        return SpoolFolder(self._root / name)

    def _start(self, name: str, payload: str) -> None:
        folder = self._folder(name)
        folder.prepare(payload, self._mode)
        if folder.life() is not Life.UNCLAIMED or self._alive(name):
            return
        command = [*self._command(), *self._sandbox_options(), "--spool", str(folder.path)]
        log = str(folder.path / "runner.log")
        self._runners[name] = os.posix_spawn(
            sys.executable,
            command,
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def _command(self) -> list[str]:
        # -I and -S: nothing of the bot's environment, folders or site-packages leads the runner's imports astray.
        return [sys.executable, "-I", "-S", str(_RUNNER), *self._options]

    def _sandbox_options(self) -> list[str]:
        if self._sandbox != "auto":
            return ["--sandbox", self._sandbox]
        trial = self._tried()
        if not trial.works:
            # The run's own runner says what is wrong.
            return ["--sandbox", "auto"]
        return ["--sandbox", "none", "--without", trial.without] if trial.without else ["--sandbox", "bubblewrap"]

    def _tried(self) -> Trial:
        with self._trying:
            if self._trial is None:
                command = [*self._command(), "--sandbox", self._sandbox]
                self._trial = try_machine(self._root, command, _environment())
                level = logging.INFO if self._trial.contained else logging.WARNING
                _log.log(level, "programs of local runs: %s", self._trial.words)
            return self._trial

    def _look(self, handle: Handle) -> Observation:
        name = _name_in(handle)
        if name is None:
            return Observation(Sighting.MISSING, "it is no run of this launcher")
        folder = self._folder(name)
        try:
            alive = self._alive(name)
            life = folder.life()
            if life is Life.UNCLAIMED and not alive and (name in self._ended or folder.age_s(time.time()) > _YOUNG_S):
                # Its runner ended, or never was: make sure of it, so that the run can safely be started again.
                life = Life.FORBIDDEN if folder.forbid() else folder.life()
        except OSError:
            _log.warning("a local run's folder can't be read", extra={"folder": name}, exc_info=True)
            return _NO_LOOK
        return _OBSERVATIONS[life]

    def _alive(self, name: str) -> bool:
        """Whether a runner that this process started for the folder is still there; reaps all that are not."""
        with self._reaping:
            for other, pid in list(self._runners.items()):
                if _has_ended(pid):
                    # At once: the system gives the number to somebody else after this.
                    del self._runners[other]
                    self._ended.add(other)
            return name in self._runners


class Doorbell:
    """A datagram socket in `root` at which runners say which folder has news. Needs a running loop."""

    def __init__(self, root: Path, ring: Callable[[str], None]) -> None:
        self._ring = ring
        self._path = root / "doorbell"
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._bind(root)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._answer)

    def close(self) -> None:
        """Stop listening. A socket another bot has put there since stays."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _bind(self, root: Path) -> None:
        # A crashed bot leaves its socket file behind; whoever comes last is heard.
        self._path.unlink(missing_ok=True)
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
        try:
            # Through the descriptor, because a socket's path may have 108 characters and a data folder more.
            self._socket.bind(f"/proc/self/fd/{folder}/doorbell")
        finally:
            os.close(folder)
        self._path.chmod(0o600)
        self._inode = self._path.stat().st_ino

    def _answer(self) -> None:
        runs = set()
        # Many rings of one run are one; a bounded number a turn leaves the loop its breath.
        for _ in range(256):
            try:
                name = self._socket.recv(100).decode("ascii", "replace")
            except OSError:
                break
            runs.add(run_of(name))
        for run in runs - {None}:
            self._ring(str(run))


def _folder_name(run: Run) -> str:
    return f"{run.id}-{run.attempt}"


def _handle(name: str) -> Handle:
    return Handle(json.dumps({"folder": name}))


def _name_in(handle: Handle) -> str | None:
    try:
        name = json.loads(handle.text)["folder"]
    except (ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) and run_of(name) is not None else None


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LANG", *wire.PASSED_ON) if name in os.environ}
