"""`/cancel` and the Cancel button: two ways to wish the same thing."""

import discord
from discord import app_commands
from discord.ext import commands

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import Access, member_of, rules_over, scope_of_run
from cluster_bot.discord_bot.presses import answer_press
from cluster_bot.discord_bot.run_choices import run_number, stoppable_runs
from cluster_bot.runs.run import Status
from cluster_bot.scheduling.scheduler import Scheduler


class Cancel(commands.Cog):
    """Ends runs on their owner's or an admin's wish."""

    def __init__(self, scheduler: Scheduler, access: Access) -> None:
        self._scheduler = scheduler
        self._access = access

    @app_commands.command(name="cancel", description="Stop one of your runs")
    @app_commands.describe(run=messages.RUN)
    async def cancel(self, interaction: discord.Interaction, run: str) -> None:
        """Stop a run by its number."""
        await self._cancel(interaction, run_number(run))

    @cancel.autocomplete("run")
    async def live_runs(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """The runs this member could cancel, newest first."""
        return await stoppable_runs(self._scheduler.reading, interaction, typed)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Answer Cancel buttons."""
        await answer_press(interaction, self._access, "cancel", lambda number: self._cancel(interaction, number))

    async def _cancel(self, interaction: discord.Interaction, number: int) -> None:
        run = await self._scheduler.cancel(
            number, member_of(interaction), rules_over=lambda run: rules_over(interaction, run)
        )
        if run.owner.id != str(interaction.user.id):
            told = messages.cancelled([number], run.owner.id)
            await self._scheduler.desk.note(scope_of_run(run), told, by=member_of(interaction))
        text = messages.CANCELLED_AT_ONCE if run.status is Status.CANCELLED else messages.STOP_WISHED
        await interaction.response.send_message(text.format(number=number), ephemeral=True)
