"""A run's feed on Discord: an anchor in the channel, a thread from it, a status message, the output, the verdict.

Made and driven by the relay, one per run. What it shows is a function of the run and its lines; what it must remember
is in `feed_state`; creating without doubling is in `once`. Each part has a module: `opening`, `status_message`,
`output`, `ending`, and what they share in `room`. Where a thread cannot be made (typed in a thread, in a voice
channel's chat, or not permitted), the messages go where `/run` was typed, each marked with the run's number.
"""

from collections.abc import Sequence

import discord

from cluster_bot.discord_bot.ending import Ending
from cluster_bot.discord_bot.feed_state import FeedMemory
from cluster_bot.discord_bot.opening import Opening
from cluster_bot.discord_bot.output import Output
from cluster_bot.discord_bot.recall import Recall
from cluster_bot.discord_bot.room import Room
from cluster_bot.discord_bot.status_message import StatusMessage
from cluster_bot.runs.advance import Recalled
from cluster_bot.runs.ports import Attachment, Gap, Memory, Trouble, Turn
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Budget


class ThreadFeed:
    """One run on Discord."""

    def __init__(self, client: discord.Client, run: Run, memory: Memory, budget: Budget) -> None:
        self._memory = FeedMemory(memory)
        self._room = Room(client, run, self._memory, budget)
        self._status = StatusMessage(self._room)
        self._recall = Recall(self._room)
        self._opening = Opening(self._room, self._status, self._recall)
        self._output = Output(self._room)
        self._ending = Ending(self._room)

    async def open(self, run: Run) -> None:
        """Anchor, room, status message, and the answer to the command, each once."""
        await self._opening.open(run)
        if self._recall.newest_output:
            self._output.stand(self._recall.newest_output)

    @property
    def recalled(self) -> Recalled:
        """What people have seen of the run that a restored database does not know."""
        return self._recall.recalled

    @property
    def abridged(self) -> bool:
        """Whether lines were left out, so that the whole log should come as a file."""
        return self._output.in_tail or self._room.shut is not None

    async def append(self, lines: Sequence[str | Gap], *, partial: str) -> None:
        """Take lines; those before the newest log message are known to be shown."""
        self._output.take(lines, partial)

    async def flush(self, run: Run) -> None:
        """Write what is new."""
        if self._room.takes(run):
            self._room.shut = None
            with self._room.noticing():
                await self._output.flush(run)

    async def show(self, run: Run, turn: Turn | None = None) -> None:
        """Bring the status up to date where what it should say has changed."""
        if self._room.takes(run):
            with self._room.noticing():
                await self._status.show(run, turn)

    async def close(self, run: Run, files: Sequence[Attachment], trouble: Trouble) -> None:
        """The verdict with the files, then the status without its button, then the anchor for those in the channel."""
        await self._ending.give_verdict(run, files, trouble)
        await self.show(run)
        await self._ending.bring_anchor_up_to_date(run)
        await self._memory.shown(run.version, closed=True)
