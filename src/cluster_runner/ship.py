"""Shipping: posts what the runner writes to its spool home to the bot, in another process than the runner.

Called by `job`, turn by turn: a turn sends one request at most and says when the next is due, so that whoever calls
can wait for news at the doorbell, for signals and for the runner's end in one place. The spool's file is the truth: an
acknowledged number is where to go on from, so neither an outage of the bot nor a lost answer loses or doubles an event.

Limits: four requests a second (the first after a quiet moment goes at once), 256 KiB each. An event that the bot will
never take ends the shipping of events, since it keeps none after a gap; the artifact has them all.
"""

import json
import os
import random
import stat
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Tuple

from cluster_runner.home import UnreachableError, WayHome
from cluster_runner.wire import MAX_EVENT_BYTES, Event, WireError, event_from_line

MOST_BATCH_BYTES = 256 * 1024
_LEAST_WAIT_S, _MOST_WAIT_S = 0.5, 10.0
_MOST_ARTIFACT_BYTES = 16 * 1024 * 1024


class Tail:
    """The whole events of a file that only grows, in order. A line that is no event or not the next one is skipped."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = self._number = 0

    def read(self, most: int) -> List[Tuple[Event, bytes]]:
        """The next events with their lines, at most `most` bytes of these; [] where none fit or none are there yet."""
        most = min(most, MOST_BATCH_BYTES)
        found: List[Tuple[Event, bytes]] = []
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                piece = file.read(MOST_BATCH_BYTES)
        except FileNotFoundError:
            return found
        end = piece.rfind(b"\n") + 1
        if end == 0 and len(piece) == MOST_BATCH_BYTES:
            # No line of the runner's is that long.
            self._offset += len(piece)
            return found
        for line in piece[:end].split(b"\n")[:-1]:
            event = _event(line + b"\n")
            if event is not None and event.n == self._number + 1:
                if most < len(line) + 1:
                    break
                most -= len(line) + 1
                self._number = event.n
                found.append((event, line + b"\n"))
            self._offset += len(line) + 1
        return found


def _event(line: bytes) -> Optional[Event]:
    if len(line) > MAX_EVENT_BYTES:
        return None
    try:
        return event_from_line(line)
    except WireError:
        return None


class Shipper:
    """Ships one attempt's spool `folder`; `wish_stop` is called where the bot wishes the program's end.

    `over` says why nothing more is shipped, None while something may be; `left_out` counts artifacts that the bot did
    not take. Times are monotonic seconds.
    """

    def __init__(self, home: WayHome, run: str, folder: str, wish_stop: Callable[[], None]) -> None:
        self._home, self._folder, self._wish_stop = home, folder, wish_stop
        self._base = "/runs/" + run
        self._path = os.path.join(folder, "events.ndjson")
        self._tail = Tail(self._path)
        self._waiting: Deque[Tuple[Event, bytes]] = deque()
        self._waiting_bytes = 0
        self._read_up_to = self._outcome = 0
        self._put: Set[int] = set()
        self._posts: Deque[float] = deque(maxlen=64)
        self._failures = 0
        self._not_before = 0.0
        self._heartbeat_at = time.monotonic() + home.heartbeat_s
        self._most_events = 1 << 30
        self._stuck: Optional[str] = None
        self.acknowledged = self.left_out = 0
        self.hurry = False
        self.over: Optional[str] = None
        self.trouble = ""

    @property
    def done(self) -> bool:
        """Whether the outcome has been acknowledged, or nothing more can be."""
        return self.over is not None or self._stuck is not None or 0 < self._outcome <= self.acknowledged

    @property
    def reason(self) -> str:
        """Why not everything was acknowledged, as far as it is known."""
        return self.over or self._stuck or self.trouble

    def turn(self) -> Optional[float]:
        """Send what is due, one request at most; the seconds until the next is due, None: never without news."""
        if self.over is not None:
            return None
        now = time.monotonic()
        if now >= self._due(now):
            self._send(now)
        now = time.monotonic()
        return None if self.over is not None else max(0.0, self._due(now) - now)

    def unshipped(self) -> int:
        """How many events the file holds that were not acknowledged."""
        tail, last = Tail(self._path), 0
        piece = tail.read(MOST_BATCH_BYTES)
        while piece:
            last = piece[-1][0].n
            piece = tail.read(MOST_BATCH_BYTES)
        return max(0, last - self.acknowledged)

    def _due(self, now: float) -> float:
        self._fill()
        if not self._waiting:
            return max(self._not_before, self._heartbeat_at)
        most, within_s = self._home.pace
        paced = len(self._posts) >= most and not self.hurry
        return max(self._not_before, self._posts[-most] + within_s if paced else now)

    def _fill(self) -> None:
        if self._stuck is not None:
            return
        while self._waiting_bytes < MOST_BATCH_BYTES:
            found = self._tail.read(MOST_BATCH_BYTES - self._waiting_bytes)
            if not found:
                return
            for event, line in found:
                self._read_up_to = event.n
                if event.kind == "outcome":
                    self._outcome = event.n
                if event.n > self.acknowledged:
                    self._waiting.append((event, line))
                    self._waiting_bytes += len(line)

    def _send(self, now: float) -> None:
        batch: List[Tuple[Event, bytes]] = []
        for event, line in self._waiting:
            if len(batch) >= self._most_events:
                break
            if event.kind == "artifact" and event.body.get("stored") is not None and event.n not in self._put:
                if not batch:
                    self._put_artifact(event)
                    return
                break
            batch.append((event, line))
        self._post(now, batch)

    def _post(self, now: float, batch: List[Tuple[Event, bytes]]) -> None:
        self._posts.append(now)
        body = b"".join(line for _, line in batch)
        try:
            answer = self._home.request("POST", self._base + "/events", body, "application/x-ndjson")
        except UnreachableError as error:
            self._fail("no answer: %s" % error)
            return
        if answer.status == 200:
            self._hear(answer.body, batch)
        elif answer.status in (400, 413) and batch:
            self._narrow(answer.status, answer.body, batch)
        else:
            self._refused(answer.status, answer.retry_after_s)

    def _hear(self, body: bytes, batch: List[Tuple[Event, bytes]]) -> None:
        told = _object(body)
        ack = told.get("ack")
        if not isinstance(ack, int) or isinstance(ack, bool) or ack < 0:
            self._fail("an odd answer")
            return
        self._heartbeat_at = time.monotonic() + self._home.heartbeat_s
        if told.get("stop") is True:
            self._wish_stop()
        self._acknowledge(min(ack, self._read_up_to))
        if batch and ack < batch[0][0].n:
            # It kept nothing of what was sent: not at once again.
            self._fail("events are not kept")
        else:
            self._failures, self._most_events, self.trouble = 0, 1 << 30, ""

    def _acknowledge(self, number: int) -> None:
        if number < self.acknowledged:
            # A bot that was put back to an older state: from there on again, files included.
            self._tail, self._waiting, self._waiting_bytes = Tail(self._path), deque(), 0
            self._put = {n for n in self._put if n <= number}
        self.acknowledged = number
        while self._waiting and self._waiting[0][0].n <= number:
            self._waiting_bytes -= len(self._waiting.popleft()[1])

    def _narrow(self, status: int, body: bytes, batch: List[Tuple[Event, bytes]]) -> None:
        """Find the one event of a batch that is not taken; there is no way around it then."""
        ack = _object(body).get("ack")
        if isinstance(ack, int) and not isinstance(ack, bool) and batch[0][0].n <= ack <= batch[-1][0].n:
            # All before the bad one were kept.
            self._acknowledge(ack)
            return
        if len(batch) > 1:
            self._most_events = len(batch) // 2
            return
        self._stuck = "event %d was refused with status %d" % (batch[0][0].n, status)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._heartbeat_at = time.monotonic() + self._home.heartbeat_s

    def _refused(self, status: int, retry_after_s: float) -> None:
        if status == 401:
            self.over = "the token is wrong or has expired"
        elif status == 410:
            self.over = "the run has been over for a while"
            # Nobody will ever hear of the program's end.
            self._wish_stop()
        else:
            self._fail("status %d" % status, retry_after_s)

    def _put_artifact(self, event: Event) -> None:
        content = self._content(str(event.body["stored"]))
        status = 0
        if content is not None:
            try:
                path = "%s/artifacts/%d" % (self._base, event.n)
                answer = self._home.request("PUT", path, content, "application/octet-stream")
            except UnreachableError as error:
                self._fail("no answer: %s" % error)
                return
            status = answer.status
            if status == 401 or status == 410 or status == 429 or status >= 500:
                self._refused(status, answer.retry_after_s)
                return
        self._put.add(event.n)
        self._failures = 0
        self.left_out += not 200 <= status < 300

    def _content(self, stored: str) -> Optional[bytes]:
        try:
            fd = os.open(os.path.join(self._folder, "artifacts", stored), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_size > _MOST_ARTIFACT_BYTES:
                return None
            return file.read(_MOST_ARTIFACT_BYTES)

    def _fail(self, trouble: str, retry_after_s: float = 0.0) -> None:
        self.trouble = trouble
        self._not_before = time.monotonic() + max(wait_s(self._failures), retry_after_s)
        self._failures += 1


def wait_s(failures: int) -> float:
    """How long to wait after so many failures in a row: 0.5 s to 10 s, doubling, at random between half and whole."""
    return float(min(_MOST_WAIT_S, _LEAST_WAIT_S * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0))


def _object(body: bytes) -> Dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
