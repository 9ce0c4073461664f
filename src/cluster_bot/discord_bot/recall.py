"""After a restore: what stands on Discord of a run, and what that tells of what the database has lost.

Called when the feed opens, as long as its place is one that a backup brought back: a look at all that is ours there, in
order. Messages made after the backup are taken over, never made again; a verdict is final for feed and run. What a
message is, is told by its beginning, which no program can write.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import discord

from cluster_bot.discord_bot import chunks, messages
from cluster_bot.discord_bot.feed_state import FeedState
from cluster_bot.discord_bot.output import HEAD_PARTS
from cluster_bot.discord_bot.room import BELOW, Room
from cluster_bot.runs.advance import Recalled
from cluster_bot.runs.run import Run, Status
from cluster_bot.scheduling.budget import Priority


@dataclass(slots=True)
class _Standing:
    """Our messages of one run, oldest first."""

    statuses: list[discord.Message] = field(default_factory=list)
    outputs: list[discord.Message] = field(default_factory=list)
    verdict: discord.Message | None = None


class Recall:
    """Looks at one run's room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.recalled = Recalled()
        self.newest_output = ""

    async def look(self, run: Run) -> None:
        """Find what stands, take over what the place does not know, and tell what it means for the run."""
        room = self._room
        standing = await self._standing(run)
        below = None
        if standing.verdict is None and not room.state.here:
            # Where the thread took no more it was given below the anchor.
            marker = messages.part_marker(run, "verdict")
            below = await anext((one async for one in self._ours(room.channel) if one.content.startswith(marker)), None)
        verdict = standing.verdict or below
        await self._take_over(standing, verdict)
        # From here on this life knows what there is.
        room.once.looks_first = False
        self.recalled = _told(standing, verdict)

    async def _standing(self, run: Run) -> _Standing:
        found, here = _Standing(), self._room.state.here
        marker = messages.part_marker(run, "").rstrip("\n")
        async for message in self._ours(self._room.here):
            text = message.content
            if here != text.startswith(marker) or (not here and (messages.is_part(text) or messages.is_anchor(text))):
                # Of a run beside it, or of one whose command was given in this thread.
                continue
            if messages.verdict_status(text) is not None:
                found.verdict = message
            elif messages.told_status(text) is not None:
                found.statuses.append(message)
            else:
                found.outputs.append(message)
        return found

    async def _ours(self, channel: discord.PartialMessageable) -> AsyncIterator[discord.Message]:
        """What this bot has said there since the anchor; nothing where that may not be read, or is gone."""
        # All feeds look at once when the bot has been restored.
        await self._room.budget.turn(Priority.STATUS)
        me = self._room.client.user
        after = discord.Object(self._room.state.anchor or 0)
        try:
            async for message in channel.history(limit=None, after=after, oldest_first=True):
                plain = message.type in (discord.MessageType.default, discord.MessageType.reply)
                if plain and me is not None and message.author.id == me.id:
                    yield message
        except (discord.NotFound, discord.Forbidden):
            return

    async def _take_over(self, standing: _Standing, verdict: discord.Message | None) -> None:
        state = self._room.state
        statuses = [one.id for one in standing.statuses if one.id > (state.status or 0)]
        if statuses:
            renewals = state.renewals + len(statuses) - (state.status is None)
            await self._room.memory.update(status=statuses[-1], renewals=renewals)
        self.newest_output = await self._take_over_output(state, standing.outputs)
        known = (standing.verdict, *standing.statuses, *standing.outputs)
        newest = max([state.newest, *(one.id for one in known if one is not None)])
        # What was being made is among what was found, or was never made; the one below the anchor is another matter.
        pending = state.pending if state.pending == BELOW and verdict is None else None
        given = verdict.id if verdict is not None else state.verdict
        await self._room.memory.update(newest=newest, pending=pending, verdict=given)
        if verdict is not None:
            self._room.shut = None

    async def _take_over_output(self, state: FeedState, outputs: list[discord.Message]) -> str:
        """Go on at the newest log message; what that says now, "" where there is none."""
        part, start, message = state.part, state.start, state.message
        content = next((one.content for one in outputs if one.id == message), "")
        for one in outputs:
            if one.id <= (state.message or state.newest):
                continue
            if message is not None:
                # The one before was left full, or as it was. The newest lines are counted from where the first are.
                start += len(chunks.lines_in(content)) if part <= HEAD_PARTS else 0
                part += 1
            message, content = one.id, one.content
        if message != state.message:
            await self._room.memory.update(part=part, start=start, message=message)
        return content


def _told(standing: _Standing, verdict: discord.Message | None) -> Recalled:
    if verdict is not None:
        return Recalled(messages.verdict_status(verdict.content), verdict.created_at.timestamp())
    told = [messages.told_status(one.content) for one in standing.statuses]
    final = [one for one in told if one is not None and one.final]
    if final:
        # Somebody deleted the verdict that stood below it.
        return Recalled(final[-1])
    if Status.STOPPING in told:
        return Recalled(Status.STOPPING)
    return Recalled(Status.RUNNING) if Status.RUNNING in told or standing.outputs else Recalled()
