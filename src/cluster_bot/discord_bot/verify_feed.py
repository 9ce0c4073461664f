"""The feed of a verification's runs: instead of a thread each, one table for all of them, the answer to `/verify`.

Made by the composition root for runs of a verification, and driven by the relay like any feed; so a restarted bot
finishes the table without anything of its own. The table is a function of what the store has of all runs, written
under a lock a verification, so that of two runs that end at once neither undoes the other's line.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.late_answer import edit_answer
from cluster_bot.discord_bot.once import NOBODY
from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import Attachment, Gap, Memory, Trouble, Turn
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Budget, Priority
from cluster_bot.scheduling.verifying import Verifier, verification_of, word_of

log = get_logger(__name__)

# What an interaction's token lives, less a moment for the request.
TOKEN_S = 14.5 * 60


class Tables:
    """Every verification's table, each on its message."""

    def __init__(
        self,
        client: discord.Client,
        verifier: Verifier,
        budget: Budget,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self.verifier = verifier
        self._budget = budget
        self.clock = clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._shown: dict[str, str] = {}

    async def show(self, run: Run) -> None:
        """Bring the table that this run belongs to up to date."""
        name = verification_of(run.origin)
        async with self._locks[name]:
            table = await self.verifier.look(name)
            text = messages.verification(table)
            if text != self._shown.get(name) and run.origin.data.get("message") is not None:
                await self._budget.turn(Priority.STATUS)
                await self._write(run, text)
                self._shown[name] = text
        await self.verifier.conclude(name)
        if table.over:
            self._locks.pop(name, None)
            self._shown.pop(name, None)

    async def _write(self, run: Run, text: str) -> None:
        """By the interaction while its token lives, since it may be where we may not edit; then as any message."""
        origin = DiscordOrigin.of(run.origin)
        try:
            fresh = self.clock() - run.created_at < TOKEN_S
            if fresh and await edit_answer(self._client, origin.token, text):
                return
            channel = self._client.get_partial_messageable(origin.channel)
            message = channel.get_partial_message(int(str(run.origin.data["message"])))
            await message.edit(content=text, allowed_mentions=NOBODY)
        except discord.HTTPException as error:
            if error.status >= 500 or error.status == 429:
                raise
            # Somebody deleted it, or it can't be reached any more; the runs and their end stay in the store.
            log.warning("the table is gone: %s", error, extra={"action": "table_gone", "run": run.id})


class VerifyFeed:
    """One run of a verification. What is known of its output is kept in its place: `first_s`, `said`, `ended`."""

    def __init__(self, run: Run, memory: Memory, tables: Tables) -> None:
        self._memory = memory
        self._tables = tables
        self._created_at = run.created_at
        self._word = word_of(run)
        self._shown_version = -1

    async def open(self, run: Run) -> None:
        """The table is there already."""

    @property
    def abridged(self) -> bool:
        """Nobody is owed the program's output."""
        return False

    async def append(self, lines: Sequence[str | Gap], *, partial: str) -> None:
        """Remember when the first line came, and whether the word did."""
        state = dict(self._memory.place.state)
        if "first_s" not in state and (lines or partial):
            state["first_s"] = round(self._tables.clock() - self._created_at, 3)
        if self._word in lines:
            state["said"] = True
        await self._memory.save(replace(self._memory.place, state=state))

    async def flush(self, run: Run) -> None:
        """The table changes with the run's status, and tells its first line with it."""

    async def show(self, run: Run, turn: Turn | None = None) -> None:
        """Bring the table up to date where the run has moved."""
        if run.version != self._shown_version:
            await self._tables.show(run)
            self._shown_version = run.version

    async def close(self, run: Run, files: Sequence[Attachment], trouble: Trouble) -> None:
        """The run's last word, in the table and to whoever follows the schedule."""
        place = self._memory.place
        await self._memory.save(replace(place, state={**place.state, "ended": True}))
        await self._tables.show(run)
        await self._memory.save(replace(self._memory.place, shown_version=run.version, closed=True))
