"""A server that was added to DISCORD_GUILDS after it let the bot in, as the bot itself told it to."""

from __future__ import annotations

from town import Town


async def test_a_server_that_is_served_later_gets_the_first_steps_then(town: Town) -> None:
    async with town.bot():
        late = town.server.add_guild("Late", "general")
        room = town.server.channel_id("general", guild_id=late)
        await town.event(lambda event: event.channel_id == room and "not for this server yet" in event.content)
    async with town.bot(discord_guilds=frozenset({town.server.guild_id, late})):
        await town.event(lambda event: event.channel_id == room and "`/admin settings` shows" in event.content)
    async with town.bot(discord_guilds=frozenset({town.server.guild_id, late})):
        # Each is said once.
        assert len(town.server.messages(room)) == 2
