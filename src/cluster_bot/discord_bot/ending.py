"""How a run's thread ends: the verdict with the files, and the anchor brought up to date for those in the channel.

Called by the feed, once the run is over and its output is shown.
"""

import io
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.once import NOBODY, Made
from cluster_bot.discord_bot.room import Room, gone
from cluster_bot.runs.ports import Attachment
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Priority

# Discord takes ten files and 25 MiB a request; the rest of that is for what stands around them.
FILES_A_MESSAGE, FILES_BYTES = 10, 24 * 2**20
FILES_REFUSED = (403, 413)


class Ending:
    """One run's last words."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def give_verdict(self, run: Run, files: Sequence[Attachment], last_error: str) -> None:
        """The verdict with the files, once."""
        room = self._room
        if room.state.verdict is not None:
            return
        await room.budget.turn(Priority.VERDICT)
        fitting, left_out = fitting_files(files)
        try:
            verdict = await self._give(run, fitting, left_out, last_error)
        except discord.HTTPException as error:
            if not fitting or error.status not in FILES_REFUSED:
                raise
            # The verdict matters more than its files: a right may be missing, or this server takes smaller ones.
            refused = [replace(file, content=None, why=messages.REFUSED_FILE) for file in fitting]
            verdict = await self._give(run, (), [*refused, *left_out], last_error)
        await room.memory.update(verdict=verdict.id, newest=verdict.id, pending=None)

    async def bring_anchor_up_to_date(self, run: Run) -> None:
        """Let those in the channel see how it ended."""
        room = self._room
        await room.budget.turn(Priority.STATUS)
        try:
            anchor = room.channel.get_partial_message(room.state.anchor or 0)
            await anchor.edit(content=messages.anchor(run), allowed_mentions=NOBODY)
        except discord.HTTPException as error:
            # Somebody deleted it, or it is too old to edit: the verdict has been given.
            if error.status >= 500:
                raise

    async def _give(
        self, run: Run, files: Sequence[Attachment], left_out: Sequence[Attachment], last_error: str
    ) -> Made:
        text = messages.verdict(run, last_error=last_error) + messages.left_out(left_out)
        attached = [discord.File(io.BytesIO(file.content or b""), filename=file.name) for file in files]
        with nullcontext() if files else gone():
            return await self._room.create("verdict", self._room.marked(run, "verdict", text), files=attached)


def fitting_files(files: Sequence[Attachment]) -> tuple[list[Attachment], list[Attachment]]:
    """The files one message can carry, and those it leaves out, each with its reason."""
    fitting: list[Attachment] = []
    left_out: list[Attachment] = []
    room = FILES_BYTES
    for file in files:
        if file.content is None:
            left_out.append(file)
        elif len(fitting) == FILES_A_MESSAGE or len(file.content) > room:
            left_out.append(replace(file, content=None, why=messages.NO_ROOM))
        else:
            fitting.append(file)
            room -= len(file.content)
    return fitting, left_out
