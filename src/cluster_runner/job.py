"""One attempt as a job of some scheduler: claimed from the bot, executed by a runner beside this process, shipped home.

Called by `github`, and by Modal's containers. The runner is a process of its own in a session of its own: no outage of
the bot reaches it, and a signal for the job is none for it. It ends the program where this process is killed, since
nobody else would. What the runner writes lies in the folder `upload` from its first byte on, so that even a killed job
leaves it for the next step.
Limits: one attempt a process.
"""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from cluster_runner.home import Answer, UnreachableError, WayHome
from cluster_runner.place import Doorbell, NotOursError, Place
from cluster_runner.ship import Shipper, Tail, wait_s
from cluster_runner.wire import (
    MAX_PAYLOAD_BYTES,
    PASSED_ON,
    Event,
    Outcome,
    Payload,
    WireError,
    payload_from_json,
    payload_to_json,
)

CLAIM_PATIENCE_S = 300.0
_PAYLOAD_PATIENCE_S = 120.0
# A cancelled job is killed ten seconds after its first signal; the program has two of them.
_FLUSH_AFTER_SIGNAL_S = 8.0
_MOST_TURN_S = 60.0
_RUNNER = os.path.dirname(os.path.abspath(__file__))
# For the installer of packages, from which the program gets none of them.
_FOR_PACKAGES = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy"),
)
_REFUSALS = {
    401: "The bot does not accept this job's token.",
    409: "The attempt is another runner's, or is no longer wanted.",
    410: "The run has been over for a while.",
}

Say = Callable[[str], None]


class JobError(Exception):
    """The job can't be done here, by our fault or the machine's; the text is one sentence for people."""


class Order(NamedTuple):
    """What the job is to do: the attempt, its payload (None: fetch it from `home`) or the `problem` with it, the way
    home (None: there is none), the scheduler's own id of the job, the options handed to the runner."""

    run: str
    attempt: int
    payload: Optional[Payload]
    problem: str
    home: Optional[WayHome]
    scheduler_run: str
    options: Sequence[str]


class Signals:
    """SIGINT, SIGTERM and SIGUSR1 are a wish to stop, SIGCHLD is news; all of them wake whoever waits at `fd`."""

    def __init__(self) -> None:
        self.at: Optional[float] = None
        self.stop_file: Optional[str] = None
        self.fd, self._write_end = os.pipe()
        for fd in (self.fd, self._write_end):
            os.set_blocking(fd, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._before = {signal.SIGCHLD: signal.signal(signal.SIGCHLD, lambda *_: None)}
        # Modal cancels by the last of them.
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            self._before[name] = signal.signal(name, self._wish)

    def close(self) -> None:
        """Hear no more: signals do what they did before."""
        for name, before in self._before.items():
            signal.signal(name, before)
        signal.set_wakeup_fd(self._wakeup_before)
        for fd in (self.fd, self._write_end):
            os.close(fd)

    def wait(self, timeout_s: Optional[float], *others: int) -> None:
        """Wait for a signal, for something to read at `others`, or for the time to pass (None: for ever)."""
        select.select([self.fd, *others], [], [], timeout_s)
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            return

    def wish_stop(self) -> None:
        """Leave the wish for the runner, as soon as it has a folder."""
        if self.stop_file is not None:
            with contextlib.suppress(OSError):
                os.close(os.open(self.stop_file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _wish(self, *_: object) -> None:
        # At once, even while this process waits for an answer of the bot's.
        if self.at is None:
            self.at = time.monotonic()
            self.wish_stop()


class Job:
    """Executes `order`; `say` prints a sentence into the job's log. Make it early: it hears signals from then on.

    `close` it where the process goes on.
    """

    def __init__(self, order: Order, say: Say) -> None:
        self._order, self._say = order, say
        self._signals = Signals()
        self._instance = os.urandom(16).hex()

    def close(self) -> None:
        """Let signals be what they were."""
        self._signals.close()

    def claim(self) -> None:
        """Win the attempt for this job; raises NotOursError where it may not have it, JobError where nobody answers."""
        home = self._order.home
        if home is None:
            return
        body = json.dumps({"instance": self._instance}).encode()
        answer = self._ask(home, "POST", "/claim", body, CLAIM_PATIENCE_S)
        if answer is None:
            raise NotOursError("It was cancelled before it began.")
        if answer.status in _REFUSALS:
            raise NotOursError(_REFUSALS[answer.status])
        self._say("The attempt is claimed.")

    def execute(self, place: Place) -> bool:
        """Execute in `place` and ship; whether the outcome was told, at least in the folder `upload`."""
        self._signals.stop_file = os.path.join(place.spool, "stop")
        if self._signals.at is not None:
            self._signals.wish_stop()
        problem = self._bring_payload(place)
        with Doorbell(place.spools) as bell:
            runner = None if problem else self._start(place)
            watch = _Watch(place.upload, self._say)
            if problem:
                _tell(place.spool, Outcome("setup_error", detail=problem))
            self._follow(place, runner, watch, bell)
        if not watch.outcome:
            self._say("The runner ended without an outcome%s." % _trouble(place.spool))
        self._signals.stop_file = None
        place.clean()
        return watch.outcome

    def _bring_payload(self, place: Place) -> str:
        """Put the payload into the spool; why that can't be, or ""."""
        payload, home = self._order.payload, self._order.home
        if self._order.problem:
            return self._order.problem
        try:
            if payload is None and home is not None:
                answer = self._ask(home, "GET", "/payload", b"", _PAYLOAD_PATIENCE_S)
                if answer is None:
                    return "It was cancelled before it began."
                if answer.status != 200:
                    return "The bot did not give the program away (status %d)." % answer.status
                payload = payload_from_json(answer.body.decode("utf-8"))
        except (JobError, WireError, UnicodeDecodeError) as error:
            return "The program could not be fetched from the bot (%s)." % error
        if payload is None:
            return "The job was given neither a program nor an address to fetch it from."
        if (payload.run, payload.attempt) != (self._order.run, self._order.attempt):
            return "The job was given the program of another attempt."
        path = os.path.join(place.spool, "payload.json")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(payload_to_json(payload))
        return ""

    def _ask(self, home: WayHome, method: str, what: str, body: bytes, patience_s: float) -> Optional[Answer]:
        """Ask until there is an answer that means something; None where the job was cancelled meanwhile."""
        path = "/runs/%s%s" % (self._order.run, what)
        deadline, failures, trouble = time.monotonic() + patience_s, 0, ""
        while self._signals.at is None:
            pause = wait_s(failures)
            try:
                answer = home.request(method, path, body, most=MAX_PAYLOAD_BYTES)
                if answer.status in _REFUSALS or (answer.status == 200 and _is_answer(what, answer.body)):
                    return answer
                trouble, pause = "status %d" % answer.status, max(pause, answer.retry_after_s)
            except UnreachableError as error:
                trouble = "no answer: %s" % error
            failures += 1
            if time.monotonic() + pause > deadline:
                raise JobError("The bot could not be asked (%s)." % trouble)
            if failures == 1:
                self._say("The bot can't be asked yet (%s); trying again." % trouble)
            self._signals.wait(pause)
        return None

    def _start(self, place: Place) -> "subprocess.Popen[bytes]":
        order = self._order
        command = [sys.executable, "-I", "-S", _RUNNER, "--spool", place.spool, "--end-with", str(os.getpid())]
        command += ["--scheduler-run", order.scheduler_run] if order.scheduler_run else []
        with open(os.path.join(place.spool, "runner.log"), "ab") as log:
            return subprocess.Popen(
                [*command, *order.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )

    def _follow(
        self, place: Place, runner: "Optional[subprocess.Popen[bytes]]", watch: "_Watch", bell: "Doorbell"
    ) -> None:
        """Ship until the runner has ended and all is acknowledged, or until the time for that is over."""
        home, shipper = self._order.home, None
        if home is not None:
            shipper = Shipper(home, self._order.run, place.upload, self._signals.wish_stop)
        flush_until: Optional[float] = None
        while True:
            ended = runner is None or runner.poll() is not None
            watch.look()
            pause: Optional[float] = None
            if ended and flush_until is None:
                flush_until = time.monotonic() + (0.0 if home is None else home.flush_s)
            if shipper is not None and home is not None:
                shipper.hurry = ended
                home.timeout_s = 2.0 if self._signals.at is not None else home.timeout_s
                pause = shipper.turn()
            if ended and (shipper is None or shipper.done or time.monotonic() >= self._deadline(flush_until)):
                break
            if ended:
                pause = min(pause or 0.0, max(0.0, self._deadline(flush_until) - time.monotonic()))
            self._signals.wait(None if pause is None else min(pause, _MOST_TURN_S), bell.fd)
            bell.clear()
        if shipper is not None and home is not None:
            self._say_what_was_shipped(home, shipper)

    def _deadline(self, flush_until: Optional[float]) -> float:
        later = float("inf") if flush_until is None else flush_until
        return later if self._signals.at is None else min(later, self._signals.at + _FLUSH_AFTER_SIGNAL_S)

    def _say_what_was_shipped(self, home: WayHome, shipper: Shipper) -> None:
        self._say("%d events were shipped." % shipper.acknowledged)
        left = shipper.unshipped()
        otherwise = "; %s" % home.otherwise if home.otherwise else ""
        if left:
            self._say("%d events were not (%s)%s." % (left, shipper.reason or "no time was left", otherwise))
        if shipper.left_out:
            self._say("%d files were not taken by the bot%s." % (shipper.left_out, otherwise))


class _Watch:
    """Says in the job's log what the events say: machine, phases and the outcome, and never a word of the program's."""

    def __init__(self, upload: str, say: Say) -> None:
        self._tail, self._say = Tail(os.path.join(upload, "events.ndjson")), say
        self.outcome = False

    def look(self) -> None:
        found = self._tail.read(MAX_PAYLOAD_BYTES)
        while found:
            for event, _ in found:
                self._tell(event)
            found = self._tail.read(MAX_PAYLOAD_BYTES)

    def _tell(self, event: Event) -> None:
        if event.kind == "hello":
            self._say("Machine: %s, GPU: %s." % (event.body["machine"], event.body.get("gpu") or "none"))
        elif event.kind == "phase":
            self._say("Phase: %s." % event.body["phase"])
        elif event.kind == "outcome":
            self.outcome = True
            told = event.outcome
            code = "" if told.exit_code is None else ", exit code %d" % told.exit_code
            self._say("Outcome: %s%s, after %.1f s." % (told.result, code, told.duration_s))


def _is_answer(what: str, body: bytes) -> bool:
    """Whether a 200 is the bot's own and not some gateway's."""
    if what != "/claim":
        return True
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("claimed") is True


def _tell(spool: str, outcome: Outcome) -> None:
    """Tell an outcome in the runner's stead, which can't be started without a payload."""
    from cluster_runner.spool import Spool

    before = os.getcwd()
    os.chdir(spool)
    Spool().finish(outcome)
    os.chdir(before)


def _trouble(spool: str) -> str:
    """What the runner's own log says went wrong, as a word: an exception's message might hold what a user wrote."""
    try:
        with open(os.path.join(spool, "runner.log"), encoding="utf-8", errors="replace") as file:
            lines: List[str] = file.read(100_000).splitlines()
    except OSError:
        return ""
    found = re.match(r"[A-Za-z][A-Za-z0-9_.]{2,60}", lines[-1]) if lines else None
    return " (%s)" % found[0] if found else ""


def _environment() -> Dict[str, str]:
    """What of the job's the runner may know: where tools and GPUs are, how to fetch packages; no token, no event."""
    passed = ("PATH", "LANG", *PASSED_ON, *_FOR_PACKAGES)
    return {name: os.environ[name] for name in passed if name in os.environ}
