"""A run's output as messages: the newest one is edited until it is full, then the next begins.

Driven by the feed. The first `HEAD_PARTS` messages hold the beginning; after that one more shows the newest lines only.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import discord

from cluster_bot.discord_bot import chunks, messages
from cluster_bot.discord_bot.feed_state import FeedState
from cluster_bot.discord_bot.room import Room, refusals, refuses_edits
from cluster_bot.runs.ports import Gap
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Priority

HEAD_PARTS = 6
TAIL_LINES = 200


class Standing(NamedTuple):
    """The newest log message as it stands, and how many lines from its first it accounts for."""

    content: str
    lines: int


class Output:
    """One run's lines."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._seen = 0  # lines told so far
        self._lines: deque[str | Gap] = deque()  # those from state.start on; in the tail, the newest of them
        self._partial = ""
        self._shown_body: str | None = None
        # What stands in the newest message of a feed that was restored, until the lines have caught up with it.
        self._standing: Standing | None = None

    def stand(self, content: str) -> None:
        """The newest log message says this, perhaps more than this life has been told."""
        self._standing = Standing(content, messages.hidden_lines(content) + len(chunks.lines_in(content)))

    @property
    def in_tail(self) -> bool:
        """Whether only the newest lines are shown."""
        return self._state.part > HEAD_PARTS

    @property
    def _state(self) -> FeedState:
        return self._room.state

    def take(self, lines: Sequence[str | Gap], partial: str) -> None:
        """Take lines; those before the newest log message are known to be shown."""
        for line in lines:
            if self._seen >= self._state.start:
                self._lines.append(line)
                if self.in_tail and len(self._lines) > TAIL_LINES:
                    self._lines.popleft()
            self._seen += 1
        self._partial = partial

    async def flush(self, run: Run) -> None:
        """Write what is new: edit the newest log message until it is full, then begin the next."""
        if self._state.verdict is not None:
            # It was given after all there was; a restored database may have less.
            return
        if self._standing is not None and not await self._has_caught_up(self._standing):
            return
        while self._lines or self._partial:
            if self.in_tail:
                if await self._write(self._tail_body(run)):
                    return
                continue
            body, used = chunks.fit(tuple(self._lines), self._partial)
            if body and not await self._write(self._marked(run, body)):
                continue
            if used == len(self._lines):
                return
            await self._next_part(used)

    async def _has_caught_up(self, standing: Standing) -> bool:
        """Whether what stands may be edited: lines that people have seen and the database has lost stay there."""
        told = self._seen - self._state.start
        if told + bool(self._partial) < standing.lines:
            return False
        self._standing = None
        # The last of them may have been unfinished then.
        if not self.in_tail and chunks.shown_count(tuple(self._lines), standing.content) < min(
            standing.lines - 1, told
        ):
            # Not what stands there: it is left alone, and the rest goes below.
            await self._next_part(min(standing.lines, told))
        return True

    def _marked(self, run: Run, text: str) -> str:
        return self._room.marked(run, f"output {self._state.part}", text)

    async def _next_part(self, used: int) -> None:
        for _ in range(used):
            self._lines.popleft()
        self._shown_body = None
        await self._room.memory.update(part=self._state.part + 1, start=self._state.start + used, message=None)
        if self.in_tail:
            while len(self._lines) > TAIL_LINES:
                self._lines.popleft()

    def _tail_body(self, run: Run) -> str:
        block, count = chunks.fit_tail(tuple(self._lines), self._partial)
        hidden = self._seen - self._state.start - count
        note = f"-# {messages.HIDDEN.format(lines=hidden)}\n" if hidden > 0 else ""
        return self._marked(run, note + block) if block else ""

    async def _write(self, body: str) -> bool:
        """Create the newest log message, or bring it up to date; False where that one is left and the next begun."""
        if not body or body == self._shown_body:
            return True
        room, message = self._room, self._state.message
        if message is None:
            await room.budget.turn(Priority.FIRST if self._state.part == 1 else Priority.TAIL)
            with refusals(creating=True):
                made = await room.create(f"log{self._state.part}", body)
            message = made.id
            await room.memory.update(message=message, newest=message, pending=None)
            self._shown_body = body if made.says(body) else made.text
        return self._shown_body == body or await self._rewrite(message, body)

    async def _rewrite(self, message_id: int, body: str) -> bool:
        """Bring the newest log message up to date; False where that can't be and the next one is begun."""
        room = self._room
        await room.budget.turn(Priority.TAIL)
        try:
            there = await room.edit(message_id, content=body)
        except discord.HTTPException as error:
            if not refuses_edits(error):
                raise
            shown_body = await self._body_of(message_id)
            if shown_body.strip() != body.strip():
                await self._go_on_below(shown_body)
                return False
        else:
            if not there:
                await self._go_on_below(self._shown_body or "")
                return False
        self._shown_body = body
        return True

    async def _body_of(self, message_id: int) -> str:
        """What the message says; what this life last made it say where it may not be read."""
        try:
            return (await self._room.here.fetch_message(message_id)).content
        except discord.Forbidden:
            return self._shown_body or ""

    async def _go_on_below(self, shown_body: str) -> None:
        """Leave the newest log message as it is, and begin the next with what that one does not show."""
        shown = 0 if self.in_tail else chunks.shown_count(tuple(self._lines), shown_body)
        await self._next_part(shown)
