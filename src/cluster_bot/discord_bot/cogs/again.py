"""`/rerun`, the Run again button, and `/gpus`, where else it could run."""

import asyncio
from dataclasses import replace

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ext import commands

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import Access, check_may_see, groups_of, member_of, orders_of, scope_of
from cluster_bot.discord_bot.direct import origin_of
from cluster_bot.discord_bot.gpu_choices import LONGEST_NAME, MOST_CHOICES, gpu_choices
from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.discord_bot.presses import answer_press
from cluster_bot.discord_bot.run_choices import own_runs, run_number
from cluster_bot.discord_bot.run_views import text_view
from cluster_bot.runs.ports import Submission
from cluster_bot.scheduling.again import AUTO, Wanted, again
from cluster_bot.scheduling.choosing import merged
from cluster_bot.scheduling.scheduler import Scheduler


class Again(commands.Cog):
    """Submits what was submitted before; the feed finishes the answer, as it does for `/run`."""

    def __init__(self, scheduler: Scheduler, access: Access) -> None:
        self._scheduler = scheduler
        self._access = access

    @app_commands.command(name="rerun", description="Run the same program again, there or on another GPU")
    @app_commands.describe(
        run=messages.RUN,
        gpu="Another GPU, by its name",
        launcher="Somewhere else; auto: wherever the GPU is free soonest",
    )
    async def rerun(
        self,
        interaction: discord.Interaction,
        run: str,
        gpu: app_commands.Range[str, 1, 100] | None = None,
        launcher: app_commands.Range[str, 1, 100] | None = None,
    ) -> None:
        """Submit it once more."""
        await self._again(interaction, run_number(run), gpu=gpu, launcher=launcher)

    @app_commands.command(name="gpus", description="Which GPUs there are, what they cost and how long you would wait")
    async def gpus(self, interaction: discord.Interaction) -> None:
        """Show what every launcher offers."""
        # Launchers are waited for about as long as Discord waits for us.
        await interaction.response.defer(ephemeral=True, thinking=True)
        offered, troubles = await asyncio.gather(
            self._scheduler.board(orders_of(interaction)), self._scheduler.troubles()
        )
        await interaction.edit_original_response(view=text_view(messages.board(offered, troubles)))

    @rerun.autocomplete("run")
    async def _runs(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await own_runs(self._scheduler.reading, interaction, typed)

    @rerun.autocomplete("gpu")
    async def _gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        found = merged(await self._scheduler.all_offers(orders_of(interaction)))
        return gpu_choices([(gpu, messages.offers(gpu, there)) for gpu, there in found.items()], typed)

    @rerun.autocomplete("launcher")
    async def _launchers(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        names = [one for one in (*self._scheduler.launchers, AUTO) if typed.strip().lower() in one]
        return [Choice(name=name[:LONGEST_NAME], value=name) for name in names[:MOST_CHOICES]]

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Answer Run again buttons."""
        await answer_press(interaction, self._access, "rerun", lambda number: self._again(interaction, number))

    async def _again(
        self, interaction: discord.Interaction, number: int, *, gpu: str | None = None, launcher: str | None = None
    ) -> None:
        self._access.check_submitter(interaction)
        was = await self._scheduler.reading.run(number)
        place = await self._scheduler.reading.place(was)
        check_may_see(interaction, was, place)
        await interaction.response.defer(ephemeral=True, thinking=True)
        member, groups = member_of(interaction), groups_of(interaction)
        orders = orders_of(interaction)
        limits = self._scheduler.desk.limits(orders, member.id, groups)
        spec = await again(self._scheduler, was, Wanted(gpu, launcher, limits, orders))
        origin = await origin_of(interaction)
        if interaction.channel_id == place.get("room") and not (place.get("here") or origin.direct):
            origin = _beside(DiscordOrigin.of(was.origin), origin, interaction)
        await self._scheduler.submit(Submission(spec, member, origin.stored(), groups, scope_of(interaction)))


def _beside(was: DiscordOrigin, asked: DiscordOrigin, interaction: discord.Interaction) -> DiscordOrigin:
    """Asked for in the first run's own thread: the new one's hangs beside it, from the channel both belong to.

    All who see the thread see that channel too. In a thread, Discord tells the rights in its channel.
    """
    ours, theirs = interaction.app_permissions, interaction.permissions
    if not (ours.send_messages and ours.create_public_threads and theirs.send_messages):
        return asked
    return replace(asked, channel=was.channel, threads=True)
