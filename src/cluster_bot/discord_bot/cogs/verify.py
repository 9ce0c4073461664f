"""`/verify`: does every launcher work? One tiny program on each, and a table that fills."""

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ext import commands

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import check_operator
from cluster_bot.discord_bot.gpu_choices import LONGEST_NAME, MOST_CHOICES, gpu_choices
from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.runs.run import Origin
from cluster_bot.scheduling.choosing import merged
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.scheduling.verifying import Asked, Verifier


class Verify(commands.Cog):
    """Begins verifications; the feed of their runs fills the table."""

    def __init__(self, scheduler: Scheduler, verifier: Verifier) -> None:
        self._scheduler = scheduler
        self._verifier = verifier

    @app_commands.command(name="verify", description="Does every launcher work? (for whoever runs the bot)")
    @app_commands.describe(launcher=messages.VERIFY_LAUNCHER, gpu=messages.VERIFY_GPU, all_gpus=messages.VERIFY_ALL)
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    async def verify(
        self,
        interaction: discord.Interaction,
        launcher: app_commands.Range[str, 1, 100] | None = None,
        gpu: app_commands.Range[str, 1, 100] | None = None,
        all_gpus: bool = False,
    ) -> None:
        """Give the runs, and answer with the table as it then stands."""
        check_operator(interaction)
        asked = Asked(launcher.strip().lower() if launcher else None, gpu, all_gpus)
        await self._verifier.check(asked)
        # For all to see, and a message like any other, which can be brought up to date whenever the last one ends.
        await interaction.response.defer(thinking=True)
        message = await interaction.original_response()
        data = {**DiscordOrigin.of_interaction(interaction).stored().data, "message": str(message.id)}
        table = await self._verifier.begin(str(interaction.id), asked, Origin("", data))
        if all(row.run is None for row in table.rows):
            # Without a run there is no feed to show it.
            await interaction.edit_original_response(content=messages.verification(table))

    @verify.autocomplete("gpu")
    async def _gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        found = merged(await self._scheduler.all_offers())
        return gpu_choices([(gpu, messages.offers(gpu, there)) for gpu, there in found.items()], typed)

    @verify.autocomplete("launcher")
    async def _launchers(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        names = [one for one in self._scheduler.launchers if typed.strip().lower() in one]
        return [Choice(name=name[:LONGEST_NAME], value=name) for name in names[:MOST_CHOICES]]
