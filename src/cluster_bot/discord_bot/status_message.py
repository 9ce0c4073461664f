"""The message that says where a run stands, with the Cancel button below it. Kept up to date by the feed.

There is one. Discord takes few edits of messages older than an hour, so a run that is not over by then gets a new one
when there is something new to say, at most one an hour; the button of the old one goes on working.
"""

import time
from collections.abc import Awaitable, Callable

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.buttons import cancel_view
from cluster_bot.discord_bot.room import (
    OLD_MESSAGE,
    THREAD_ARCHIVED,
    MessageGoneError,
    Room,
    RoomShutError,
    Shut,
    refusals,
    refuses_edits,
)
from cluster_bot.runs.ports import Turn
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Priority

OLD_S = 3600.0


class StatusMessage:
    """One run's status."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._shown: str | None = None
        # A text that an archived room refused, and the newest message in it then: before there is another, or another
        # text, it need not be tried again.
        self._refused: tuple[str, int] | None = None
        self._known_at = time.monotonic()
        self._renewed_at: float | None = None

    async def make(self, run: Run, *, complete: Callable[[Run], Awaitable[None]]) -> None:
        """Post it; `complete` is done before it is remembered, so that a kill in between leaves neither out."""
        room = self._room
        await room.budget.turn(Priority.FIRST)
        text = self._text(run, None)
        made = await room.create("status", text, view=cancel_view(run))
        await complete(run)
        await room.memory.update(status=made.id, newest=made.id, pending=None)
        # Where that is an older text, `show` changes it, and the button with it.
        self._shown = text if made.says(text) else made.text

    async def finish_renewal(self, run: Run) -> None:
        """Where an earlier life was posting a new one, that comes before all else: it may be there already."""
        if self._room.state.pending == self._next:
            await self._renew(run, self._text(run, None))

    async def show(self, run: Run, turn: Turn | None) -> None:
        """Bring it up to date where what it should say has changed."""
        room = self._room
        text = self._text(run, turn)
        if room.state.status is None or text == self._shown or (text, room.state.newest) == self._refused:
            return
        await room.budget.turn(Priority.STATUS)
        if await self._edit(run, text) or await self._is_renewed(run, text):
            self._shown = text
            await room.memory.shown(run.version)

    async def _edit(self, run: Run, text: str) -> bool:
        """Whether nothing is left to do: it is brought up to date, or somebody deleted it, or it must stay as it is."""
        room, status = self._room, self._room.state.status or 0
        if not run.status.final and self._is_old():
            # Not even tried: the library would wait for each of Discord's refusals, and the output with it.
            return False
        view = cancel_view(run)
        if view is not None:
            view.stop()
        try:
            await room.edit(status, content=text, view=view)
        except discord.HTTPException as error:
            if not refuses_edits(error):
                raise
            if error.code == THREAD_ARCHIVED:
                if await room.wake():
                    await room.edit(status, content=text, view=view)
                    return True
            elif run.status.final:
                # The verdict below says all.
                return True
            elif error.code == OLD_MESSAGE or self._may_be_renewed():
                return False
            self._refused = (text, room.state.newest)
            return False
        return True

    def _is_old(self) -> bool:
        """Whether it is certainly older than an hour: by Discord's clock, or by how long we have known it."""
        newest, status = (
            discord.utils.snowflake_time(one or 0) for one in (self._room.state.newest, self._room.state.status)
        )
        return max((newest - status).total_seconds(), time.monotonic() - self._known_at) > OLD_S

    def _may_be_renewed(self) -> bool:
        """Where it is not sure that the message is old, for the library gave up over another refusal."""
        return self._renewed_at is None or time.monotonic() - self._renewed_at > OLD_S

    async def _is_renewed(self, run: Run, text: str) -> bool:
        """Whether a new one says it, or the old one did so all the time; False where that must wait."""
        room = self._room
        if self._refused == (text, room.state.newest) or room.state.pending is not None:
            # What an earlier life was making comes first, or it would be made twice.
            return False
        if not await self._says(text):
            await self._renew(run, text)
        return True

    async def _says(self, text: str) -> bool:
        """Whether the old one says this already, as after a restart; somebody may have deleted it, and that is that."""
        try:
            with refusals():
                there = await self._room.here.fetch_message(self._room.state.status or 0)
        except MessageGoneError:
            return True
        except RoomShutError as error:
            if error.why is Shut.GONE:
                raise
            # It may not be read, which is no reason to say nothing.
            return False
        return there.content.strip() == text.strip()

    @property
    def _next(self) -> str:
        return f"status{self._room.state.renewals + 2}"

    async def _renew(self, run: Run, text: str) -> None:
        room = self._room
        await room.budget.turn(Priority.STATUS)
        with refusals(creating=True):
            made = await room.create(self._next, text, view=cancel_view(run))
        renewals = room.state.renewals + 1
        await room.memory.update(status=made.id, newest=made.id, pending=None, renewals=renewals)
        self._renewed_at = self._known_at = time.monotonic()
        self._shown = text if made.says(text) else made.text

    def _text(self, run: Run, turn: Turn | None) -> str:
        return self._room.marked(run, "status", messages.status(run, turn))
