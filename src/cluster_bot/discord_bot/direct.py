"""Runs that are shown in direct messages with the bot: asked for there, or where the bot is no member.

A member may install the application on their account and so bring it to servers and groups that the bot is no member
of. There it can only answer commands, privately and for fifteen minutes. Called by all that submits, before a run is
admitted.
"""

from dataclasses import replace

import discord

from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.runs.refusals import Refusal, refuse


def is_away(interaction: discord.Interaction) -> bool:
    """Whether the bot is no member of the place where this happens."""
    if interaction.guild_id is None:
        return interaction.context.private_channel is True
    return interaction.is_user_integration() and not interaction.is_guild_integration()


async def origin_of(interaction: discord.Interaction) -> DiscordOrigin:
    """The origin of a run asked for by this interaction.

    Raises UserError where it could only be shown in direct messages, and the member takes none from the bot.
    """
    origin = DiscordOrigin.of_interaction(interaction)
    client = interaction.client
    try:
        if is_away(interaction):
            channel = await client.create_dm(interaction.user)
            origin = replace(origin, guild=None, channel=channel.id, threads=False, direct=True)
        if origin.direct:
            # A channel is given to everybody. This is refused where a message would be, and leaves nothing behind;
            # should Discord let it pass, the feed finds out, and says so.
            await client.http.send_typing(origin.channel)
    except discord.HTTPException as error:
        if error.status >= 500:
            raise
        raise refuse(Refusal.NO_DIRECT_MESSAGES) from None
    return origin
