"""What became visible to people, in order: the record by which a scenario is judged and a page kept live.

Filled by `messaging.py` and `threads.py`; read by tests in process and through the control API.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

from ..pulse import Pulse
from .model import Json

EventKind = Literal["create", "edit", "delete", "thread"]


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """One visible change.

    `time` is unix seconds: for what the bot did, the arrival of its request. `event` "thread": a thread was
    made under `channel_id`; `message_id` and `thread_id` are the thread's id, `content` its name.
    `author` is a user name. `loading` marks the placeholder of a deferred answer ("is thinking...").
    `type` is Discord's message type: 0 ordinary, 18 and 21 are the thread system messages, 19 a reply,
    20 the answer to a command.
    """

    seq: int
    time: float
    event: EventKind
    channel_id: int
    message_id: int
    author: str
    author_id: int
    content: str
    attachments: tuple[str, ...] = ()
    components: tuple[Json, ...] = ()
    embeds: tuple[Json, ...] = ()
    ephemeral: bool = False
    loading: bool = False
    nonce: str | None = None
    type: int = 0
    thread_id: int | None = None
    mentions: tuple[int, ...] = field(default=())
    mention_everyone: bool = False


class EventLog:
    """An append-only list with waiting readers."""

    def __init__(self, pulse: Pulse | None = None) -> None:
        self._pulse = pulse or Pulse()
        self.events: list[MessageEvent] = []
        self._changed = asyncio.Event()

    def append(self, event: MessageEvent) -> None:
        self.events.append(event)
        # Readers hold the old event object: setting it wakes exactly those who saw the list before this.
        self._changed.set()
        self._changed = asyncio.Event()
        self._pulse.ring()

    async def watch(self, after_seq: int = 0) -> AsyncIterator[MessageEvent]:
        """Every event numbered above `after_seq`: first the past, then each new one, without end."""
        position = after_seq
        while True:
            changed = self._changed
            while position < len(self.events):
                position += 1
                yield self.events[position - 1]
                changed = self._changed
            await changed.wait()

    async def wait_for(
        self, predicate: Callable[[MessageEvent], bool], timeout: float, *, after_seq: int = 0
    ) -> MessageEvent:
        """The first event, past or future, that `predicate` accepts; TimeoutError after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                async for event in self.watch(after_seq):
                    if predicate(event):
                        return event
        except TimeoutError:
            tail = "\n".join(f"  {e.seq} {e.event} {e.author}: {e.content[:120]!r}" for e in self.events[-10:])
            raise TimeoutError(f"no such event within {timeout} s; the last ones:\n{tail or '  none'}") from None
        raise AssertionError("watch never ends")

    async def wait_after(self, after_seq: int, timeout: float) -> list[MessageEvent]:
        """The events above `after_seq`; waits up to `timeout` seconds for one, may be empty."""
        changed = self._changed
        if len(self.events) <= after_seq and timeout > 0:
            try:
                async with asyncio.timeout(timeout):
                    await changed.wait()
            except TimeoutError:
                return []
        return self.events[after_seq:]
