"""Webhooks: who wants to hear of runs and jobs, what was sent to whom, and what came of it.

`World` tells of every change; each delivery is a task of its own, so a receiver that hangs holds up nobody, and order
on arrival is as uncertain as GitHub's. Nothing is sent twice by itself: what a receiver missed it must ask for again,
within `policy.delivery_days`. A test orders troubles with `faults`, `hold` and `release`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp

from ..pulse import Pulse
from .events import payload, ping
from .model import Delivery, Hook, Run
from .world import DAY_S, World

Json = dict[str, Any]
MOST_RESPONSE_BYTES = 64 * 1024
AGENT = "GitHub-Hookshot/5a4d0b2"


@dataclass(eq=False, kw_only=True)
class DeliveryFault:
    """One trouble for deliveries of an event (None: of any), the first `skip` left alone, the next `times` hit.

    `lost`: never arrives, and is listed as failed; `unmade`: GitHub itself forgets it, and no list has it. `delay_s`:
    comes late. `copies`: arrives so often, with one id. `signature`: the header's value instead of the right one,
    empty for none. `body`: changes the bytes after they were signed.
    """

    event: str | None = None
    action: str | None = None
    times: int | None = 1
    skip: int = 0
    match: Callable[[Delivery], bool] | None = None
    lost: bool = False
    unmade: bool = False
    delay_s: float = 0.0
    copies: int = 1
    signature: str | None = None
    body: Callable[[bytes], bytes] | None = None
    hits: int = 0

    def strikes(self, delivery: Delivery) -> bool:
        """Whether it hits this delivery, which is then counted."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.event not in (None, delivery.event) or self.action not in (None, delivery.action):
            return False
        if self.match is not None and not self.match(delivery):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.hits += 1
        return True


class Webhooks:
    """The hooks of one server and their deliveries, oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.hooks: dict[int, Hook] = {}
        self.deliveries: dict[int, Delivery] = {}
        self.faults: list[DeliveryFault] = []
        self.pulse = Pulse()
        self._delivery_ids = itertools.count(int(time.time() * 1_000) * 100)
        self._held: list[tuple[Delivery, DeliveryFault]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        world.listeners.append(self.tell)

    # --- hooks --------------------------------------------------------------------------------------

    def add(
        self,
        url: str,
        *,
        secret: str = "",
        events: Iterable[str] = ("push",),
        content_type: str = "form",
        active: bool = True,
        app_id: int | None = None,
        installation_id: int | None = None,
    ) -> Hook:
        """A new hook; one of the repository gets its ping."""
        now = self._world.now()
        hook = Hook(
            self._world.new_id(),
            url,
            secret,
            tuple(events),
            now,
            now,
            content_type,
            active=active,
            app_id=app_id,
            installation_id=installation_id,
        )
        self.hooks[hook.id] = hook
        if app_id is None:
            self.ping(hook)
        return hook

    def of_repository(self) -> list[Hook]:
        return [hook for hook in self.hooks.values() if hook.app_id is None]

    def of_app(self, app_id: int) -> Hook | None:
        return next((hook for hook in self.hooks.values() if hook.app_id == app_id), None)

    def kept(self, hook: Hook) -> list[Delivery]:
        """The deliveries of a hook that are still kept, newest first."""
        oldest = self._world.now() - self._world.policy.delivery_days * DAY_S
        return [one for one in reversed(self.deliveries.values()) if one.hook is hook and one.delivered_at > oldest]

    # --- sending ------------------------------------------------------------------------------------

    def ping(self, hook: Hook) -> None:
        if hook.wants("ping"):
            self._make(hook, "ping", None, ping(self._world, hook))

    def tell(self, event: str, action: str, run: Run) -> None:
        """Send to every hook that wants it. The payload is made now: what changes later is another event."""
        for hook in list(self.hooks.values()):
            if hook.wants(event):
                self._make(hook, event, action, payload(self._world, hook, event, action, run))

    def redeliver(self, old: Delivery) -> Delivery:
        """Send once more: the same payload and GUID, a new delivery."""
        return self._make(old.hook, old.event, old.action, old.payload, guid=old.guid)

    def _make(self, hook: Hook, event: str, action: str | None, content: Json, guid: str = "") -> Delivery:
        delivery = Delivery(
            next(self._delivery_ids),
            guid or str(uuid.uuid4()),
            hook,
            event,
            action,
            content,
            self._world.now(),
            redelivery=bool(guid),
        )
        fault = next((one for one in self.faults if one.strikes(delivery)), DeliveryFault())
        if fault.unmade:
            return delivery
        self.deliveries[delivery.id] = hook.last = delivery
        if fault.lost:
            self._note(delivery, 502, "failed to connect to host")
        elif self._held is not None:
            self._held.append((delivery, fault))
        else:
            self._start(delivery, fault)
        return delivery

    def _start(self, delivery: Delivery, fault: DeliveryFault) -> None:
        if self._session is None:
            raise RuntimeError("the server is not running")
        for _ in range(fault.copies):
            work = self._send(self._session, delivery, fault)
            task = asyncio.get_running_loop().create_task(work, name=f"github-delivery-{delivery.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, session: aiohttp.ClientSession, delivery: Delivery, fault: DeliveryFault) -> None:
        if fault.delay_s > 0:
            passed = asyncio.Event()
            asyncio.get_running_loop().call_later(fault.delay_s, passed.set)
            await passed.wait()
        body, headers = _signed(delivery, fault, self._world.id)
        delivery.request_headers = headers
        started = self._world.now()
        timeout = aiohttp.ClientTimeout(total=self._world.policy.delivery_timeout_s)
        try:
            async with session.post(
                delivery.hook.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                content = await answer.content.read(MOST_RESPONSE_BYTES)
                delivery.response_headers = dict(answer.headers)
                delivery.response_body = content.decode("utf-8", "replace")
                good = 200 <= answer.status < 300
                status = "OK" if good else f"Invalid HTTP Response: {answer.status}"
                self._note(delivery, answer.status, status, started)
        except TimeoutError:
            self._note(delivery, 504, "timed out", started)
        except (aiohttp.ClientError, OSError, ValueError):
            # ValueError: an address that is none; whoever made the hook wrote it.
            self._note(delivery, 502, "failed to connect to host", started)

    def _note(self, delivery: Delivery, code: int, status: str, started: float | None = None) -> None:
        now = self._world.now()
        delivery.status_code, delivery.status = code, status
        delivery.duration = 0.0 if started is None else round(now - started, 2)
        self.pulse.ring()

    # --- means of a test ----------------------------------------------------------------------------

    def hold(self) -> None:
        """Send nothing until `release`."""
        self._held = [] if self._held is None else self._held

    def release(self, order: Literal["made", "reversed", "shuffled"] = "made", *, seed: int = 0) -> None:
        """Send what is held, and what comes from now on."""
        held, self._held = self._held or [], None
        if order == "reversed":
            held.reverse()
        elif order == "shuffled":
            random.Random(seed).shuffle(held)
        for delivery, fault in held:
            self._start(delivery, fault)

    async def settled(self) -> None:
        """Return once no delivery is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def wait(self, predicate: Callable[[Delivery], Any], timeout: float = 30.0) -> Delivery:
        """The first delivery that came to an end, well or not, and fits, now or later."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    version = self.pulse.version
                    for delivery in list(self.deliveries.values()):
                        if delivery.status_code and predicate(delivery):
                            return delivery
                    await self.pulse.after(version)
        except TimeoutError:
            made = "; ".join(f"{one.event}/{one.action}: {one.status_code}" for one in self.deliveries.values())
            raise TimeoutError(f"no such delivery within {timeout} s; there are: {made or 'none'}") from None

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        # No cookies, no proxies, no pool limit: a hundred deliveries at once are a hundred connections.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def stop(self) -> None:
        """Give up what is under way."""
        self._held = []
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def _signed(delivery: Delivery, fault: DeliveryFault, repository_id: int) -> tuple[bytes, dict[str, str]]:
    """The bytes of a delivery and its headers."""
    hook = delivery.hook
    body = json.dumps(delivery.payload, separators=(",", ":"), ensure_ascii=False).encode()
    kind = "application/json"
    if hook.content_type == "form":
        body, kind = urlencode({"payload": body.decode()}).encode(), "application/x-www-form-urlencoded"
    headers = {
        "Accept": "*/*",
        "Content-Type": kind,
        "User-Agent": AGENT,
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(hook.app_id or repository_id),
        "X-GitHub-Hook-Installation-Target-Type": "integration" if hook.app_id else "repository",
    }
    if fault.signature:
        headers["X-Hub-Signature-256"] = fault.signature
    elif hook.secret and fault.signature is None:
        headers |= signatures(hook.secret, body)
    return (fault.body(body) if fault.body else body), headers


def signatures(secret: str, body: bytes) -> Mapping[str, str]:
    """The two headers by which a receiver knows that GitHub signed this body."""
    key = secret.encode()
    return {
        "X-Hub-Signature": "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest(),
    }
