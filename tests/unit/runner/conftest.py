"""Runs the real runner as a process over a real spool, and reads what it left.

The spools lie in a folder of their own that strangers may pass through, since pytest's is closed to them. A doorbell
socket stands where the bot's would, so that tests wait for news and not for seconds.
"""

import functools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import cluster_runner
from cluster_runner import linux, wire
from cluster_runner.wire import Event, Outcome

RUNNER = Path(cluster_runner.__file__).parent
PATIENCE_S = 110.0
# An ordinary user, for tests that are root: a number nobody else has.
ORDINARY = 1_234_567
# Another one in each process: programs of one run are one user, whose processes its runner ends all at once.
RUN_ID = os.urandom(16).hex()

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: changing users needs root")
needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or linux.CAP_SYS_ADMIN not in linux.capabilities(),
    reason="NOT TESTED: views of the file system need root with CAP_SYS_ADMIN",
)
needs_cxx = pytest.mark.skipif(shutil.which("g++") is None, reason="NOT TESTED: there is no g++ on this machine")


@functools.cache
def bubblewrap_trouble() -> str:
    """Why bubblewrap can't be had on this machine; "" where it can."""
    folder = tempfile.mkdtemp(prefix="cluster-trial-")
    Path(folder).chmod(0o711)
    command = [sys.executable, "-I", "-S", str(RUNNER), "--spool", folder, "--try", "--sandbox", "bubblewrap"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return "" if done.returncode == 0 else done.stdout.strip() or "the runner failed"


needs_bubblewrap = pytest.mark.skipif(
    bool(bubblewrap_trouble()), reason=f"NOT TESTED: no bubblewrap here: {bubblewrap_trouble()}"
)

# Who starts the runner ("here": whoever runs the tests), and what is around the program.
_HERE = ("here", pytest.param("here+bubblewrap", marks=needs_bubblewrap))
both_ways = pytest.mark.parametrize("attempt", _HERE, indirect=True)
in_every_mode = pytest.mark.parametrize(
    "attempt",
    [
        pytest.param("root", marks=as_root),
        pytest.param("root+bubblewrap", marks=[as_root, needs_bubblewrap]),
        "user",
        pytest.param("user+bubblewrap", marks=needs_bubblewrap),
    ],
    indirect=True,
)


class Attempt:
    """One attempt in one spool folder: start the runner on it, wait for it, read it."""

    def __init__(self, home: Path, name: str, mode: str = "here") -> None:
        self.home = home
        who, _, sandbox = mode.partition("+")
        self.contained = bool(sandbox)
        self.sandbox = sandbox or "none"
        # None: whoever runs the tests.
        self.user = ORDINARY if who == "user" and os.geteuid() == 0 else None
        # Whether programs get a user of their own.
        self.demoted = os.geteuid() == 0 and self.user is None
        self.spool = home / name
        self.spool.mkdir(mode=0o711)
        self.spool.chmod(0o711)
        if self.user is not None:
            os.chown(self.spool, self.user, self.user)
        self._doorbell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._doorbell.bind(str(home / "doorbell"))
        if self.user is not None:
            os.chown(home / "doorbell", self.user, self.user)
        self._processes: list[subprocess.Popen[bytes]] = []

    def ask(
        self,
        text: str,
        *,
        main: str = "main.py",
        files: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        time_limit_s: float = 50.0,
        attempt: int = 1,
    ) -> "Attempt":
        """Write the payload."""
        language = {"py": "python", "cpp": "cpp", "cu": "cuda"}[main.rpartition(".")[2]]
        payload = wire.Payload(RUN_ID, attempt, {main: text, **(files or {})}, main, language, time_limit_s, arguments)
        path = self.spool / "payload.json"
        path.write_text(wire.payload_to_json(payload))
        if self.user is not None:
            os.chown(path, self.user, self.user)
        return self

    def start(
        self, *options: str, env: Mapping[str, str] | None = None, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a runner."""
        command = [sys.executable, "-I", "-S", str(RUNNER), "--spool", str(self.spool), "--python", sys.executable]
        command += ["--sandbox", self.sandbox]
        if self.user is not None:
            helper = str(Path(__file__).with_name("ordinary_user.py"))
            command = [sys.executable, helper, str(self.user), str(self.home), *command]
        with (self.home / "runner.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], **(env or {})},
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self._processes.append(process)
        return process

    def run(self, *options: str, env: Mapping[str, str] | None = None) -> Outcome:
        """Start a runner, wait for its end, and judge what every run must leave."""
        code = self.start(*options, env=env).wait(PATIENCE_S)
        assert (code, (self.home / "runner.log").read_text()) == (0, "")
        return self.outcome()

    def events(self) -> list[Event]:
        """The whole events written so far."""
        path = self.spool / "events.ndjson"
        whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
        return [wire.event_from_line(line) for line in whole.split(b"\n") if line]

    def outcome(self) -> Outcome:
        """The outcome, after checking that it is the last event, that numbers have no gap and times an order."""
        events = self.events()
        assert [event.n for event in events] == list(range(1, len(events) + 1))
        assert [event.kind for event in events].index("outcome") == len(events) - 1
        return events[-1].outcome

    def logs(self, stream: str | None = None) -> str:
        """All text of a stream, or of both in the order of their events."""
        logs = (event.body for event in self.events() if event.kind == "log")
        return "".join(body["text"] for body in logs if stream in (None, body["stream"]))

    def kinds(self) -> list[str]:
        """The kinds of the events, phases by their name."""
        return [str(event.body.get("phase", event.kind)) for event in self.events()]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait, news by news, until `condition` holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self._doorbell.settimeout(deadline - time.monotonic())
            self._doorbell.recv(100)

    def wish_stop(self) -> None:
        (self.spool / "stop").touch()

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_S)
        self._doorbell.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that strangers may pass through; on the disk, as runs are, also where tests' files lie in memory."""
    path = Path(tempfile.mkdtemp(prefix="cluster-runner-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    # Not shutil's: some tests leave folders thousands deep.
    subprocess.run(["rm", "-rf", path], check=True)


@pytest.fixture
def attempt(home: Path, request: pytest.FixtureRequest) -> Iterator[Attempt]:
    """A spool without a payload; tests marked `both_ways` get it without and with bubblewrap."""
    attempt = Attempt(home, f"{RUN_ID}-1", getattr(request, "param", "here"))
    yield attempt
    attempt.close()


@pytest.fixture
def outside(home: Path) -> Path:
    """A folder programs may write to, whoever they run as."""
    path = home / "outside"
    path.mkdir()
    path.chmod(0o777)
    return path


def is_gone(pid: int) -> bool:
    """Whether no living process has this number (a zombie is dead)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def await_death(pid: int) -> None:
    """Wait until a process that may not be our child has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], PATIENCE_S)[0], f"process {pid} lives on"
    finally:
        os.close(process)
