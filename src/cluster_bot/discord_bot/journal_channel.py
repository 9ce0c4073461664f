"""Shows the journal in the channels that admins chose for it: each entry once, in order, also after a restart.

Made by the composition root, one task; woken by the desk. An entry is kept first and shown then. What was shown and not
yet marked as such, because the bot died in between or Discord's answer was lost, is found again by its text, which ends
in its number. By the number alone it is not: a database that was restored gives the same numbers again.
"""

from collections.abc import Sequence

import discord

from cluster_bot.discord_bot.messages import entry
from cluster_bot.discord_bot.once import NOBODY
from cluster_bot.errors import ClusterBotError
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
# What Discord says of a channel, or of a text, and would say again; the rest is said of a moment.
_FOR_GOOD = (400, 403, 404)


class JournalChannel:
    """`run` shows until it is cancelled."""

    def __init__(self, client: discord.Client, desk: Desk, budget: Budget) -> None:
        self._client = client
        self._desk = desk
        self._budget = budget
        self._bell = Bell()
        # What stood in a channel when it was first shown something after a start, or after trouble.
        self._stood: dict[str, set[str]] = {}
        desk.listen(self._bell.ring)

    async def run(self) -> None:
        """Show what there is, then what comes. The client is logged in; it need not be connected."""
        while True:
            left = True
            try:
                left = await self._show_some()
            except Exception:
                # The border of the loop: neither a database nor a Discord that is away for a moment may end the bot.
                log.exception("journal not shown yet", extra={"action": "journal_late"})
            if left:
                # What was under way may have arrived.
                self._stood.clear()
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
            facts = {"scope": one.scope, "entry": one.number}
            try:
                await self._show_one(one)
            except ClusterBotError as error:
                # Orders that can't be read name no channel.
                log.error("journal not shown: %s", error, extra={"action": "journal_refused", **facts})
            except (discord.HTTPException, OSError, TimeoutError) as error:
                if not isinstance(error, discord.HTTPException) or error.status not in _FOR_GOOD:
                    log.warning("journal not shown yet: %s", error, extra={"action": "journal_late", **facts})
                    return done
                # Nobody is kept waiting for a channel that may never take it; the entry itself is kept.
                log.warning("journal not shown: %s", error, extra={"action": "journal_refused", **facts})
            done.append(one.number)
        return done

    async def _show_one(self, one: Entry) -> None:
        channel_id = await self._desk.log_channel(one.scope)
        if not channel_id:
            return
        channel, text = self._client.get_partial_messageable(int(channel_id)), entry(one)
        if channel_id not in self._stood:
            self._stood[channel_id] = await self._shown_in(channel)
        if text.strip() in self._stood[channel_id]:
            return
        await self._budget.turn(Priority.STATUS)
        nonce = f"j:{one.number}:{int(one.at * 1000)}"[:25]
        await channel.send(text, nonce=nonce, allowed_mentions=NOBODY, suppress_embeds=True)

    async def _shown_in(self, channel: discord.PartialMessageable) -> set[str]:
        me = self._client.user
        return {
            message.content.strip()
            async for message in channel.history(limit=LOOKED_BACK)
            if me is not None and message.author.id == me.id
        }
