"""How a run's thread ends: the verdict with the files, and the anchor brought up to date for those in the channel.

Called by the feed, once the run is over and its output is shown.
"""

import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.buttons import after_view
from cluster_bot.discord_bot.once import NOBODY, Made
from cluster_bot.discord_bot.room import BELOW, Room, Shut, refusals, refuses_edits
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import Attachment, Trouble
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Priority

# Discord takes ten files and 25 MiB a request; the rest of that is for what stands around them.
FILES_A_MESSAGE, FILES_BYTES = 10, 24 * 2**20
FILES_REFUSED = (403, 413)

Put = Callable[[Run, str, Sequence[Attachment]], Awaitable[Made]]
log = get_logger(__name__)


class Ending:
    """One run's last words."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def give_verdict(self, run: Run, files: Sequence[Attachment], trouble: Trouble) -> None:
        """The verdict with the files, once: in the room, or below the anchor where the room is locked.

        Nowhere where the room was deleted: who did that wants no more of it, and the anchor tells the end.
        """
        room = self._room
        if room.state.verdict is not None:
            return
        await room.budget.turn(Priority.VERDICT)
        # Where an earlier life was giving it below the anchor, it may stand there already.
        below = room.below_pending
        if not below:
            with room.noticing(), refusals(creating=True):
                await self._remember(await self._give(run, files, trouble, self._in_room))
            below = room.state.verdict is None and room.shut is Shut.LOCKED and not room.state.here
        if below:
            await self._give_below(run, files, trouble)

    async def bring_anchor_up_to_date(self, run: Run) -> None:
        """Let those in the channel see how it ended; all they will ever see of it where there was no verdict."""
        room = self._room
        unseen = room.state.verdict is None
        text, view = messages.anchor(run, alone=unseen), after_view(run) if unseen else None
        if view is not None:
            view.stop()
        await room.budget.turn(Priority.STATUS)
        try:
            anchor = room.channel.get_partial_message(room.state.anchor or 0)
            await anchor.edit(content=text, view=view, allowed_mentions=NOBODY)
        except discord.HTTPException as error:
            if error.status >= 500:
                raise
            # Somebody deleted it, or it is too old to edit, and then the verdict has been given, or must stand below.
            if unseen and refuses_edits(error) and not room.state.here:
                await self._give_below(run, (), Trouble())

    async def _give_below(self, run: Run, files: Sequence[Attachment], trouble: Trouble) -> None:
        try:
            await self._remember(await self._give(run, files, trouble, self._below_anchor))
        except (discord.NotFound, discord.Forbidden) as error:
            log.warning("no place for a verdict: %s", error.text, extra={"action": "verdict_unseen", "run": run.id})

    async def _remember(self, verdict: Made) -> None:
        await self._room.memory.update(verdict=verdict.id, newest=verdict.id, pending=None)

    async def _give(self, run: Run, files: Sequence[Attachment], trouble: Trouble, put: Put) -> Made:
        fitting, left_out = fitting_files(files)
        try:
            return await put(run, messages.verdict(run, trouble=trouble, left_out=left_out), fitting)
        except discord.HTTPException as error:
            if not fitting or error.status not in FILES_REFUSED:
                raise
        # The verdict matters more than its files: a right may be missing, or this server takes smaller ones.
        left_out = [*(replace(file, content=None, why=messages.REFUSED_FILE) for file in fitting), *left_out]
        return await put(run, messages.verdict(run, trouble=trouble, left_out=left_out), [])

    async def _in_room(self, run: Run, text: str, files: Sequence[Attachment]) -> Made:
        text = self._room.marked(run, "verdict", text)
        return await self._room.create("verdict", text, view=after_view(run), files=_attached(files))

    async def _below_anchor(self, run: Run, text: str, files: Sequence[Attachment]) -> Made:
        """In the channel, as an answer to the anchor, which may be gone by now."""
        room, anchor = self._room, self._room.state.anchor or 0
        marker = messages.part_marker(run, "verdict")
        return await room.once.create(
            BELOW,
            room.channel,
            marker + text + messages.LOCKED,
            after=anchor,
            ours=lambda found: found.startswith(marker),
            view=after_view(run),
            files=_attached(files),
            reference=discord.MessageReference(
                message_id=anchor, channel_id=room.origin.channel, fail_if_not_exists=False
            ),
        )


def _attached(files: Sequence[Attachment]) -> list[discord.File]:
    return [discord.File(io.BytesIO(file.content or b""), filename=file.name) for file in files]


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
