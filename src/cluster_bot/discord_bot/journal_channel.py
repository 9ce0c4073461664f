"""Shows the journal in the channels that admins chose for it: each entry once, in order, also after a restart.

Made by the composition root, one task; woken by the desk. An entry is kept first and shown then. What was shown and not
yet marked as such, because the bot died in between, is found again by the number at its end.
"""

from collections.abc import Sequence

import discord

from cluster_bot.discord_bot.messages import entry, entry_number
from cluster_bot.discord_bot.once import NOBODY
from cluster_bot.log import get_logger
from cluster_bot.runs.orders import Entry
from cluster_bot.scheduling.budget import Budget, Priority
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.workers import Bell

log = get_logger(__name__)

AT_ONCE = 20
# How far back a channel is looked through after a start: more than a bot that died could have left unmarked.
LOOKED_BACK = 50
AGAIN_S = 30.0


class JournalChannel:
    """`run` shows until it is cancelled."""

    def __init__(self, client: discord.Client, desk: Desk, budget: Budget) -> None:
        self._client = client
        self._desk = desk
        self._budget = budget
        self._bell = Bell()
        self._seen: dict[int, set[int]] = {}
        desk.listen(self._bell.ring)

    async def run(self) -> None:
        """Show what there is, then what comes. The client is logged in; it need not be connected."""
        while True:
            left = await self._show_some()
            # What could not be shown now is tried again; what comes meanwhile does not wait for that.
            await self._bell.wait(AGAIN_S if left else None)

    async def _show_some(self) -> bool:
        """Show the oldest entries; whether some are left."""
        entries = await self._desk.unshown(AT_ONCE)
        while entries:
            done = await self._show(entries)
            await self._desk.shown(done)
            if len(done) < len(entries):
                return True
            entries = await self._desk.unshown(AT_ONCE)
        return False

    async def _show(self, entries: Sequence[Entry]) -> list[int]:
        """Show them in order; the numbers of those that are shown, or never can be."""
        done: list[int] = []
        for one in entries:
            channel = await self._desk.log_channel(one.scope)
            try:
                if channel:
                    await self._show_in(int(channel), one)
            except (discord.NotFound, discord.Forbidden) as error:
                # Nobody is kept waiting for a channel that may never be there again; the entry itself is kept.
                log.warning("journal not shown: %s", error, extra={"action": "journal_refused", "channel": channel})
            except (discord.HTTPException, OSError, TimeoutError) as error:
                log.warning("journal not shown yet: %s", error, extra={"action": "journal_late", "channel": channel})
                return done
            done.append(one.number)
        return done

    async def _show_in(self, channel_id: int, one: Entry) -> None:
        channel = self._client.get_partial_messageable(channel_id)
        if channel_id not in self._seen:
            self._seen[channel_id] = await self._shown_in(channel)
        if one.number in self._seen[channel_id]:
            return
        await self._budget.turn(Priority.STATUS)
        nonce = f"journal:{one.number}"[:25]
        await channel.send(entry(one), nonce=nonce, allowed_mentions=NOBODY, suppress_embeds=True)
        self._seen[channel_id].add(one.number)

    async def _shown_in(self, channel: discord.PartialMessageable) -> set[int]:
        me = self._client.user
        found = set()
        async for message in channel.history(limit=LOOKED_BACK):
            number = entry_number(message.content)
            if number is not None and me is not None and message.author.id == me.id:
                found.add(number)
        return found
