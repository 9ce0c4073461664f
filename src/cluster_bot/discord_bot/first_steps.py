"""The first steps on a server that the bot has just joined, shown once there: what members and admins do next.

Called by the bot when it joins, and at its start for servers it joined while it was away.
"""

from collections.abc import Collection
from datetime import timedelta

import discord

from cluster_bot.discord_bot.messages import FIRST_STEPS, NOT_SERVED
from cluster_bot.discord_bot.once import NOBODY
from cluster_bot.log import get_logger
from cluster_bot.scheduling.desk import Desk

log = get_logger(__name__)

# A server that was joined longer ago found out by itself, or had the bot before it said anything.
LATELY = timedelta(days=1)


async def greet(guild: discord.Guild, desk: Desk, served: Collection[int]) -> None:
    """Show them where the bot may write, unless they were shown there before."""
    known, is_served = await desk.orders(str(guild.id)), not served or guild.id in served
    if known.greeted or (known.turned_away and not is_served):
        return
    # Before it is shown: better nobody is greeted than everybody again and again.
    await desk.remember(str(guild.id), lambda orders: orders.with_greeting(served=is_served))
    channel = _where(guild)
    if channel is None:
        log.info("nowhere to show the first steps", extra={"action": "not_greeted", "guild": guild.id})
        return
    text = FIRST_STEPS if is_served else NOT_SERVED.format(guild=guild.id)
    try:
        await channel.send(text, allowed_mentions=NOBODY, suppress_embeds=True)
    except discord.HTTPException as error:
        log.warning("first steps not shown: %s", error, extra={"action": "not_greeted", "guild": guild.id})


def joined_lately(guild: discord.Guild) -> bool:
    """Whether the bot joined within the last day."""
    joined_at = guild.me.joined_at
    return joined_at is not None and discord.utils.utcnow() - joined_at < LATELY


def _where(guild: discord.Guild) -> discord.TextChannel | None:
    first = [] if guild.system_channel is None else [guild.system_channel]
    for channel in (*first, *guild.text_channels):
        may = channel.permissions_for(guild.me)
        if may.view_channel and may.send_messages:
            return channel
    return None
