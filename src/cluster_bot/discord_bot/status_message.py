"""The message that says where a run stands, with the Cancel button below it. Kept up to date by the feed."""

from collections.abc import Awaitable, Callable

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.buttons import cancel_view
from cluster_bot.discord_bot.room import Room, refuses_edits
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Priority


class StatusMessage:
    """One run's status."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._shown: str | None = None

    async def make(self, run: Run, *, complete: Callable[[Run], Awaitable[None]]) -> None:
        """Post it; `complete` is done before it is remembered, so that a kill in between leaves neither out."""
        room = self._room
        await room.budget.turn(Priority.FIRST)
        text = self._text(run)
        made = await room.create("status", text, view=cancel_view(run))
        await complete(run)
        await room.memory.update(status=made.id, newest=made.id, pending=None)
        # Where that is an older text, `show` changes it, and the button with it.
        self._shown = text if made.says(text) else made.text

    async def show(self, run: Run) -> None:
        """Edit it where what it should say has changed."""
        room = self._room
        text = self._text(run)
        if text == self._shown or room.state.status is None:
            return
        await room.budget.turn(Priority.STATUS)
        view = cancel_view(run)
        if view is not None:
            view.stop()
        try:
            await room.edit(room.state.status, content=text, view=view)
        except discord.HTTPException as error:
            if not refuses_edits(error):
                raise
        self._shown = text
        await room.memory.shown(run.version)

    def _text(self, run: Run) -> str:
        return self._room.marked(run, "status", messages.status(run))
