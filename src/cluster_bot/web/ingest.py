"""What runners report home: claims, events, files; and the payload that was too large for a launch.

Routed by `server`; the wire is written down in workflows/run-job/README.md. Everything that comes in is appended to
the store and hinted at, nothing is decided here: the follower and the relay look at the store. Every byte is hostile,
and so may be whoever holds a token: it is good for one attempt, and `bounds` says for how much of it.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from cluster_bot.errors import StaleRunError
from cluster_bot.log import get_logger
from cluster_bot.runs.advance import LaterAttempt, advance
from cluster_bot.runs.ports import Hints, Standing, Store, artifact_blob
from cluster_bot.runs.rules import Rules
from cluster_bot.scheduling.sayings import STATE_KINDS
from cluster_bot.store import BlobTooLargeError
from cluster_bot.web.answers import RefusedError
from cluster_bot.web.bearer import bearer_of
from cluster_bot.web.bodies import read_body
from cluster_bot.web.bounds import Bounds, Tallies, Tally
from cluster_bot.web.tokens import Tokens
from cluster_runner import wire
from cluster_runner.wire import Event, WireError

log = get_logger(__name__)

_RUN = "/runs/{run_id:[0-9a-f]{32}}"
_INSTANCE = re.compile(r"[0-9a-f]{32}")
# What is parsed in a thread, and how many events are appended at a time: the loop must turn meanwhile.
_SMALL_BYTES = 16 * 2**10
_TOGETHER = 250


@dataclass(frozen=True, slots=True)
class _Caller:
    """The attempt a token named, and what it has had."""

    run_id: str
    attempt: int
    tally: Tally


class _Sent(NamedTuple):
    """An event, and its size as a line in bytes."""

    event: Event
    size: int


class Ingest:
    """The routes below `/runs/`."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        *,
        wishes: Hints,
        news: Hints,
        clock: Callable[[], float],
        bounds: Bounds,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._wishes = wishes
        self._news = news
        self._clock = clock
        self._bounds = bounds
        self._tallies = Tallies(bounds)

    def routes(self) -> Sequence[web.RouteDef]:
        """What to serve."""
        return [
            web.post(f"{_RUN}/claim", self._door(self._claim)),
            web.get(f"{_RUN}/payload", self._door(self._payload), allow_head=False),
            web.post(f"{_RUN}/events", self._door(self._events)),
            web.put(f"{_RUN}/artifacts/{{n:[0-9]{{1,16}}}}", self._door(self._artifact)),
        ]

    def _door(self, handler: Callable[[web.Request, _Caller], Awaitable[web.StreamResponse]]) -> Handler:
        """Let in whoever has a token for the run in the path, before anything else is looked at."""

        async def handle(request: web.Request) -> web.StreamResponse:
            run_id = request.match_info["run_id"]
            attempt = self._tokens.check(bearer_of(request), run_id, self._clock())
            if attempt is None:
                raise RefusedError(401, "The token is wrong or has expired.")
            with self._tallies.visit(run_id, attempt) as tally:
                try:
                    return await handler(request, _Caller(run_id, attempt, tally))
                except RefusedError as refused:
                    facts = {"action": "ingest_refused", "run": run_id, "attempt": attempt, "status": refused.status}
                    log.info("refused: %s", refused.sentence, extra=facts)
                    raise

        return handle

    # --- claim and payload --------------------------------------------------------------------------------------

    async def _claim(self, request: web.Request, caller: _Caller) -> web.Response:
        instance = _instance(await read_body(request, self._bounds.claim_bytes, self._bounds.body_s))
        await self._known(caller)
        won = await self._store.claim(caller.run_id, caller.attempt, instance)
        facts = {"action": "claim", "run": caller.run_id, "attempt": caller.attempt, "won": won}
        log.info("claim", extra=facts)
        if not won:
            raise RefusedError(409, "Do not execute: another runner has this attempt, or it was stopped or superseded.")
        return web.json_response({"claimed": True})

    async def _payload(self, request: web.Request, caller: _Caller) -> web.Response:
        self._current(await self._standing(caller), caller)
        run = await self._store.load(caller.run_id)
        return web.json_response(text=wire.payload_to_json(run.spec.payload(caller.run_id, caller.attempt)))

    # --- events -------------------------------------------------------------------------------------------------

    async def _events(self, request: web.Request, caller: _Caller) -> web.Response:
        standing = await self._standing(caller)
        most = self._bounds.events_bytes
        with self._tallies.receiving(_announced(request, most)):
            body = await read_body(request, most, self._bounds.body_s)
            # Of an attempt that is not the run's nothing is kept: its runner hears that it should stop.
            problem = await self._take(caller, body) if body and standing.attempt == caller.attempt else None
        ack = await self._store.last_event(caller.run_id, caller.attempt)
        if problem is not None:
            raise RefusedError(problem.status, problem.sentence, ack=ack)
        return web.json_response({"ack": ack, "stop": not standing.may_execute(caller.attempt)})

    async def _take(self, caller: _Caller, body: bytes) -> RefusedError | None:
        """Keep the events that follow those kept; what is wrong with the first that cannot be, all before it kept."""
        small = len(body) <= _SMALL_BYTES
        sent, problem = _parsed(body) if small else await asyncio.to_thread(_parsed, body)
        last = await self._store.last_event(caller.run_id, caller.attempt)
        fitting, full = self._fitting(caller.tally, last, sent)
        for start in range(0, len(fitting), _TOGETHER):
            batch = fitting[start : start + _TOGETHER]
            events = [one.event for one in batch]
            if await self._store.append(caller.run_id, caller.attempt, events):
                caller.tally.kept_bytes += sum(one.size for one in batch)
                self._hint(caller.run_id, events)
        return full or problem

    def _fitting(self, tally: Tally, last: int, sent: Iterable[_Sent]) -> tuple[list[_Sent], RefusedError | None]:
        """The events that come right after `last`, as many as there is room for, and what is wrong with the next."""
        fitting: list[_Sent] = []
        kept_bytes = tally.kept_bytes
        for one in sent:
            if one.event.n != last + 1 + len(fitting):
                continue
            kept_bytes += one.size
            most = self._bounds.kept_bytes
            if kept_bytes > most + (0 if one.event.kind == "log" else self._bounds.reserve_bytes):
                return fitting, RefusedError(413, f"Event {one.event.n} is over the {most} bytes kept; leave it out.")
            fitting.append(one)
        return fitting, None

    def _hint(self, run_id: str, events: Iterable[Event]) -> None:
        self._news.give(run_id)
        if any(event.kind in STATE_KINDS for event in events):
            self._wishes.give(run_id)

    # --- artifacts ----------------------------------------------------------------------------------------------

    async def _artifact(self, request: web.Request, caller: _Caller) -> web.Response:
        n = int(request.match_info["n"])
        self._current(await self._standing(caller), caller)
        last = await self._store.last_event(caller.run_id, caller.attempt)
        if not 1 <= n <= last + self._bounds.artifacts_ahead:
            raise RefusedError(400, f"No event {n} can come soon after event {last}.")
        most = self._bounds.artifact_bytes
        with self._tallies.receiving(_announced(request, most)):
            content = await read_body(request, most, self._bounds.body_s)
            try:
                await self._store.put_blob(caller.run_id, artifact_blob(caller.attempt, n), content)
            except BlobTooLargeError:
                raise RefusedError(
                    413, "The file is too large, or the run's files together are; leave it out."
                ) from None
        return web.Response(status=204)

    # --- where the run stands -----------------------------------------------------------------------------------

    async def _standing(self, caller: _Caller) -> Standing:
        """Where the run stands; raises RefusedError once it has been over for a while, and UnknownRunError."""
        standing = await self._known(caller)
        over_at = standing.finished_at
        if standing.status.final and (over_at is None or self._clock() - over_at > self._bounds.grace_s):
            raise RefusedError(410, "The run has been over for a while; stop shipping.")
        return standing

    async def _known(self, caller: _Caller) -> Standing:
        """Where the run stands; raises UnknownRunError.

        Only a database that was put back to a backup knows of fewer attempts than it has given tokens for: it learns of
        the one that is here, or its runner would be stopped.
        """
        standing = await self._store.standing(caller.run_id)
        while caller.attempt > standing.attempt and not standing.status.final:
            run = await self._store.load(caller.run_id)
            moved = advance(run, LaterAttempt(caller.attempt), self._clock(), Rules())
            with suppress(StaleRunError):
                await self._store.save(moved)
                facts = {"action": "later_attempt", "run": caller.run_id, "attempt": caller.attempt}
                log.warning("a runner has a later attempt than the database", extra=facts)
            standing = await self._store.standing(caller.run_id)
        return standing

    def _current(self, standing: Standing, caller: _Caller) -> None:
        if standing.attempt != caller.attempt:
            raise RefusedError(410, "This attempt was superseded by another; stop shipping.")


def _announced(request: web.Request, most_bytes: int) -> int:
    """How many bytes the body may have; one that comes in chunks does not say."""
    length = request.content_length
    return min(length, most_bytes) if length is not None else most_bytes * request.can_read_body


def _instance(body: bytes) -> str:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    instance = said.get("instance") if isinstance(said, dict) else None
    if not isinstance(instance, str) or not _INSTANCE.fullmatch(instance):
        raise RefusedError(400, 'A claim is {"instance": "<32 hexadecimal digits>"}.')
    return instance


def _parsed(body: bytes) -> tuple[list[_Sent], RefusedError | None]:
    """The events of the lines, up to the first line that holds none, and what is wrong with that."""
    sent: list[_Sent] = []
    for number, line in enumerate(body.removesuffix(b"\n").split(b"\n"), start=1):
        try:
            sent.append(_Sent(wire.event_from_line(line + b"\n"), len(line) + 1))
        except WireError as error:
            return sent, RefusedError(400, f"Line {number} is no event: {error}.")
    return sent, None
