"""`/cancel` and the Cancel button: two ways to wish the same thing."""

from typing import cast

import discord
from discord import app_commands
from discord.ext import commands

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import Access, member_of, rules_over
from cluster_bot.discord_bot.buttons import cancelled_number
from cluster_bot.discord_bot.error_reply import reply_to_error
from cluster_bot.runs.run import Status
from cluster_bot.scheduling.scheduler import Scheduler

CHOICES = 25


class Cancel(commands.Cog):
    """Ends runs on their owner's or an admin's wish."""

    def __init__(self, scheduler: Scheduler, access: Access) -> None:
        self._scheduler = scheduler
        self._access = access

    @app_commands.command(name="cancel", description="Stop one of your runs")
    @app_commands.describe(run="The run's number, as in #12")
    async def cancel(self, interaction: discord.Interaction, run: int) -> None:
        """Stop a run by its number."""
        await self._cancel(interaction, run)

    @cancel.autocomplete("run")
    async def live_runs(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[int]]:
        """The runs this member could cancel, newest first."""
        member = member_of(interaction)
        runs = [
            run
            for run in await self._scheduler.live_runs()
            if run.owner.id == member.id or rules_over(interaction, run)
        ]
        return [
            app_commands.Choice(name=f"#{run.number} {run.spec.main}"[:100], value=run.number)
            for run in runs
            if str(typed).lstrip("#") in str(run.number)
        ][:CHOICES]

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Answer Cancel buttons, those of earlier lives of the bot too."""
        if interaction.type is not discord.InteractionType.component:
            return
        data = cast(dict[str, object], interaction.data or {})
        number = cancelled_number(str(data.get("custom_id", "")))
        if number is None:
            return
        try:
            self._access.check_guild(interaction)
            await self._cancel(interaction, number)
        except Exception as error:
            # The border of a button press, as the command tree is one for commands.
            await reply_to_error(interaction, error)

    async def _cancel(self, interaction: discord.Interaction, number: int) -> None:
        run = await self._scheduler.cancel(
            number, member_of(interaction), rules_over=lambda run: rules_over(interaction, run)
        )
        text = messages.CANCELLED_AT_ONCE if run.status is Status.CANCELLED else messages.STOP_WISHED
        await interaction.response.send_message(text.format(number=number), ephemeral=True)
