"""A container's way home where its network is closed: a Dict that says who may execute, a Queue that carries events.

Called by `body`; to `cluster_runner.job` it answers as the bot's web side would. Both are Modal's own and reached
through its client, so they work in a container that reaches nothing else, and hold what they have while the bot is
away.

The Dict: `RUN-ATTEMPT` says who won the attempt, as `CALL/INSTANCE`, or that the bot has forbidden it; `stop/CALL` is
the wish to end that call. (`call/RUN-ATTEMPT` and `deployed` are notes of the bot's to itself.) The Queue: the
partition `RUN-ATTEMPT` holds bytes, each item either lines of events or, before the event that names it, a piece of a
file: one line `artifact N OFFSET SIZE`, then its bytes. An item may come twice: numbers and offsets say where it
belongs.

Limits: Modal's, 1 MiB an item and 5,000 items a partition, kept for PARTITION_TTL_S after the last. Nothing is taken
out while a run goes on, so items become fewer the more there are: a program that prints without end for an hour is
heard of once a minute from then on, and always has room for its end.
"""

import json
import queue
import time
from typing import Any

import modal
from modal._serialization import serialize
from modal._utils.async_utils import synchronize_api
from modal.client import _Client
from modal_proto import api_pb2

from cluster_runner.home import Answer, UnreachableError

PARTITION_TTL_S = 3 * 24 * 3600
PIECE_BYTES = 512 * 1024
_STOP_ASKED_EVERY_S = 1.0
# From so many items on, at most so many posts in so many seconds. The last lasts for longer than any run may.
_PACES = ((3000, (1, 60.0)), (1000, (1, 1.0)), (0, (8, 1.0)))
# Less than a call may take beside its program's own time, so that Modal does not end it first.
_FLUSH_S = 240.0
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
        self.flush_s = _FLUSH_S
        self.otherwise = ""

    @property
    def pace(self) -> tuple[int, float]:
        """The slower the more was sent."""
        return next(pace for items, pace in _PACES if self._items >= items)

    def request(self, method: str, path: str, body: bytes = b"", kind: str = "", most: int = 0) -> Answer:
        """Do what the bot would have done; raises UnreachableError where Modal can't be asked."""
        try:
            if path.endswith("/claim"):
                return self._claim(str(json.loads(body)["instance"]))
            if path.endswith("/events"):
                return self._post(body)
            return self._put(int(path.rpartition("/")[2]), body)
        except queue.Full:
            return Answer(503, b"", _FULL_PAUSE_S)
        except Exception as error:
            # A border: what the client raises is not all its own, and none of it may end the program.
            raise UnreachableError(type(error).__name__) from error

    def _claim(self, instance: str) -> Answer:
        if self._stop_wished():
            return _LOST
        ours = f"{self._call}/{instance}"
        if self._claims.put(self._key, ours, skip_if_exists=True):
            return _TAKEN
        # It may be ours all the same: of a request whose answer was lost only the second one's is known.
        return _TAKEN if _kept(self._claims.object_id, self._key) == serialize(ours) else _LOST

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


async def _look_up(dict_id: str, key: str) -> bytes:
    client = await _Client.from_env()
    answer: Any = await client._stub.DictGet(api_pb2.DictGetRequest(dict_id=dict_id, key=serialize(key)))
    return bytes(answer.value)


# What a Dict has under a key, as it was pickled: to compare it, it need not be loaded, which is to do what it says.
_kept: Any = synchronize_api(_look_up)  # type: ignore[no-untyped-call]
