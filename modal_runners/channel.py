"""A container's way home where its network is closed: a Dict that says who may execute, a Queue that carries events.

Called by `body`; to `cluster_runner.job` it answers as the bot's web side would. Both are Modal's own and reached
through its client, so they work in a container that reaches nothing else, and hold what they have while the bot is
away.

The Dict: `RUN-ATTEMPT` is the call that won the attempt, `stop/CALL` the wish to end that call. The Queue: the
partition `RUN-ATTEMPT` holds bytes, each item either lines of events or, before the event that names it, a piece of a
file: one line `artifact N OFFSET SIZE`, then its bytes. An item may come twice: numbers and offsets say where it
belongs.

Limits: Modal's, 1 MiB an item and 5,000 items a partition, kept for PARTITION_TTL_S after the last. With the partition
full, events wait in the spool until the bot has made room.
"""

import json
import queue
import time

import modal

from cluster_runner.home import Answer, UnreachableError

PARTITION_TTL_S = 3 * 24 * 3600
PIECE_BYTES = 512 * 1024
_STOP_ASKED_EVERY_S = 1.0
_POSTS_A_SECOND = 8
# After so many items only one a second, so that a bot that is away for an hour finds everything.
_SPARING_AFTER = 1000
_FULL_PAUSE_S = 2.0
_TAKEN = Answer(200, b'{"claimed": true}')
_LOST = Answer(409, b"")


def claim_key(run: str, attempt: int) -> str:
    """Under which the winner of an attempt stands, and the partition of its events."""
    return f"{run}-{attempt}"


def stop_key(call: str) -> str:
    """Under which the wish to end a call stands."""
    return "stop/" + call


class Channel:
    """A `WayHome` for attempt `attempt` of `run`, executed by the function call `call`."""

    def __init__(self, claims: str, events: str, run: str, attempt: int, call: str) -> None:
        self._claims = modal.Dict.from_name(claims, create_if_missing=True)
        self._events = modal.Queue.from_name(events, create_if_missing=True)
        self._key, self._call = claim_key(run, attempt), call
        self._items = 0
        self._acknowledged = 0
        self._stop, self._asked_at = False, float("-inf")
        self.timeout_s = 10.0
        self.heartbeat_s = _STOP_ASKED_EVERY_S

    @property
    def posts_a_second(self) -> int:
        """Fewer once many were sent."""
        return _POSTS_A_SECOND if self._items < _SPARING_AFTER else 1

    def request(self, method: str, path: str, body: bytes = b"", kind: str = "", most: int = 0) -> Answer:
        """Do what the bot would have done; raises UnreachableError where Modal can't be asked."""
        try:
            if path.endswith("/claim"):
                return self._claim()
            if path.endswith("/events"):
                return self._post(body)
            return self._put(int(path.rpartition("/")[2]), body)
        except queue.Full:
            return Answer(503, b"", _FULL_PAUSE_S)
        except (modal.exception.Error, OSError, TimeoutError) as error:
            raise UnreachableError(type(error).__name__) from error

    def _claim(self) -> Answer:
        if self._stop_wished():
            return _LOST
        return _TAKEN if self._claims.put(self._key, self._call, skip_if_exists=True) else _LOST

    def _post(self, lines: bytes) -> Answer:
        if lines:
            self._send([lines])
            self._acknowledged = int(json.loads(lines.rstrip(b"\n").rpartition(b"\n")[2])["n"])
        return Answer(200, json.dumps({"ack": self._acknowledged, "stop": self._stop_wished()}).encode())

    def _put(self, number: int, content: bytes) -> Answer:
        for offset in range(0, max(1, len(content)), PIECE_BYTES):
            head = b"artifact %d %d %d\n" % (number, offset, len(content))
            self._send([head + content[offset : offset + PIECE_BYTES]])
        return Answer(200, b"{}")

    def _send(self, items: list[bytes]) -> None:
        self._events.put_many(items, block=False, partition=self._key, partition_ttl=PARTITION_TTL_S)
        self._items += len(items)

    def _stop_wished(self) -> bool:
        now = time.monotonic()
        if not self._stop and now - self._asked_at >= _STOP_ASKED_EVERY_S:
            self._asked_at = now
            self._stop = bool(self._claims.contains(stop_key(self._call)))
        return self._stop
