"""`/ping` and `/resync`: is the bot there, and are its commands up to date."""

from collections.abc import Awaitable, Callable

import discord
from discord import app_commands
from discord.ext import commands

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import check_admin
from cluster_bot.scheduling.scheduler import Scheduler


class Service(commands.Cog):
    """`resync` registers the commands anew and returns how many there are; `latency_s` is the gateway's round trip."""

    def __init__(
        self, scheduler: Scheduler, *, resync: Callable[[], Awaitable[int]], latency_s: Callable[[], float]
    ) -> None:
        self._scheduler = scheduler
        self._resync = resync
        self._latency_s = latency_s

    @app_commands.command(name="ping", description="Is the bot online?")
    async def ping(self, interaction: discord.Interaction) -> None:
        """Answer with the latency and what is under way."""
        live = await self._scheduler.reading.live_count()
        launchers = ", ".join(self._scheduler.launchers) or "none"
        text = messages.PONG.format(latency_ms=1000 * self._latency_s(), live=live, launchers=launchers)
        await interaction.response.send_message(text, ephemeral=True)

    @app_commands.command(name="resync", description="Register the bot's commands anew (for admins)")
    @app_commands.default_permissions(manage_guild=True)
    # The library's `guild_only` would only add to what the tree allows all commands.
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    async def resync(self, interaction: discord.Interaction) -> None:
        """Clear all commands and register them again."""
        check_admin(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        count = await self._resync()
        await interaction.edit_original_response(content=messages.RESYNCED.format(count=count))
