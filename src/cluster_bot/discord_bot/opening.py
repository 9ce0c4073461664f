"""How a run comes to be seen: an anchor in the channel, a thread from it, its owner in it, the answer to the command.

Called by the feed when it begins, in each life of the bot; what is there already stays as it is.
"""

from typing import Final

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.late_answer import edit_answer
from cluster_bot.discord_bot.recall import Recall
from cluster_bot.discord_bot.room import Room, refusals
from cluster_bot.discord_bot.status_message import StatusMessage
from cluster_bot.runs.ports import FeedGoneError
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Priority

ARCHIVE_AFTER_MIN: Final = 1440
THREAD_EXISTS = 160004


class Opening:
    """Makes one run's place."""

    def __init__(self, room: Room, status: StatusMessage, recall: Recall) -> None:
        self._room = room
        self._status = status
        self._recall = recall

    async def open(self, run: Run) -> None:
        """Anchor, room, status message, and the answer to the command, each once."""
        room = self._room
        try:
            if room.state.anchor is None:
                await self._make_anchor(run)
            if room.state.room is None:
                await self._make_room(run)
        except (discord.NotFound, discord.Forbidden) as error:
            await self._answer(messages.UNSEEN.format(number=run.number))
            raise FeedGoneError(f"there is no place to show it: {error.text}") from error
        if room.memory.restored:
            await self._recall.look(run)
        if not room.below_pending:
            with room.noticing(), refusals(creating=True):
                if room.state.status is None:
                    await self._status.make(run, complete=self._invite)
                else:
                    await self._status.finish_renewal(run)
        if not room.state.answered:
            opened = messages.OPENED_DIRECT if room.origin.direct else messages.OPENED
            # Where the room is shut already, the anchor still tells the end.
            told = opened if room.shut is None else messages.UNSEEN
            await self._answer(told.format(number=run.number, room=room.state.room))
            await room.memory.update(answered=True)

    async def _make_anchor(self, run: Run) -> None:
        room = self._room
        await room.budget.turn(Priority.FIRST)
        # The interaction's id is a time by Discord's own clock, so the anchor, if there is one, comes after it.
        anchor = await room.once.create(
            "anchor",
            room.channel,
            messages.anchor(run),
            after=room.origin.interaction,
            ours=lambda text: text.startswith(messages.marker(run)),
        )
        # An older text is brought up to date at the end, as every anchor's.
        await room.memory.update(anchor=anchor.id, newest=anchor.id, pending=None)

    async def _make_room(self, run: Run) -> None:
        room = self._room
        thread: int | None = None
        if room.origin.threads:
            await room.budget.turn(Priority.FIRST)
            thread = await self._start_thread(run, room.state.anchor or 0)
        if thread is None:
            await room.memory.update(room=room.origin.channel, here=True)
        else:
            await room.memory.update(room=thread)

    async def _start_thread(self, run: Run, anchor: int) -> int | None:
        try:
            await self._room.client.http.start_thread_with_message(
                self._room.origin.channel,
                anchor,
                name=messages.thread_name(run),
                auto_archive_duration=ARCHIVE_AFTER_MIN,
            )
        except discord.NotFound:
            raise
        except discord.HTTPException as error:
            if error.code == THREAD_EXISTS:
                return anchor
            if error.status >= 500 or error.status == 429:
                raise
            return None
        return anchor

    async def _invite(self, run: Run) -> None:
        """Put the thread into the owner's list; a member who left, or a missing permission, is no reason to stop."""
        if self._room.state.here:
            return
        try:
            await self._room.client.http.add_user_to_thread(self._room.state.room or 0, int(run.owner.id))
        except discord.HTTPException as error:
            if error.status >= 500:
                raise

    async def _answer(self, text: str) -> None:
        """Finish the answer to the command, which a bot that died may have left at "thinking"."""
        # Where it is taken no more, the thread speaks for itself.
        await edit_answer(self._room.client, self._room.origin.token, text)
