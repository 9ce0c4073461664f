"""`/runs`, `/run-info`, `/logs` and their buttons: what a member sees of runs that exist."""

import io

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ext import commands

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import Access, check_may_see, groups_of, member_of, orders_of
from cluster_bot.discord_bot.presses import answer_press, custom_id_of, guarded
from cluster_bot.discord_bot.run_choices import own_runs, run_number
from cluster_bot.discord_bot.run_views import RUNS_A_PAGE, details_view, link_to, list_view, turned_page
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.scheduling.scheduler import Scheduler

# What stands around a file in a request must fit the limit too.
_AROUND_A_FILE = 4096


class Runs(commands.Cog):
    """Reads, and changes nothing."""

    def __init__(self, scheduler: Scheduler, access: Access) -> None:
        self._scheduler = scheduler
        self._reading = scheduler.reading
        self._access = access

    @app_commands.command(name="runs", description="Your runs: those under way, then the latest")
    async def runs(self, interaction: discord.Interaction) -> None:
        """Show the first page."""
        page = await self._reading.page(member_of(interaction).id, 0, RUNS_A_PAGE)
        if not page.total:
            await interaction.response.send_message(messages.NO_RUNS, ephemeral=True)
            return
        view = list_view(page, interaction.user.id, await self._share(interaction))
        await interaction.response.send_message(view=view, ephemeral=True)

    @app_commands.command(name="run-info", description="All that is known of a run")
    @app_commands.describe(run=messages.RUN)
    async def run_info(self, interaction: discord.Interaction, run: str) -> None:
        """Show one run."""
        found = await self._reading.run(run_number(run))
        place = await self._reading.place(found)
        check_may_see(interaction, found, place)
        text = messages.details(
            found,
            link=link_to(found.origin, place),
            log_size=await self._reading.log_size(found),
            files=await self._reading.files(found),
        )
        await interaction.response.send_message(view=details_view(found, text), ephemeral=True)

    @app_commands.command(name="logs", description="A run's whole output as a file, also while it runs")
    @app_commands.describe(run=messages.RUN)
    async def logs(self, interaction: discord.Interaction, run: str) -> None:
        """Hand over the log."""
        await self._log(interaction, run_number(run))

    @run_info.autocomplete("run")
    async def _info_runs(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await own_runs(self._reading, interaction, typed)

    @logs.autocomplete("run")
    async def _log_runs(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await own_runs(self._reading, interaction, typed)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Answer the Log, Previous and Next buttons."""
        await answer_press(interaction, self._access, "log", lambda number: self._log(interaction, number))
        turned = turned_page(custom_id_of(interaction))
        if turned is not None:
            await guarded(interaction, self._access, lambda: self._turn(interaction, *turned))

    async def _turn(self, interaction: discord.Interaction, member_id: int, number: int) -> None:
        if interaction.user.id != member_id:
            raise refuse(Refusal.NOT_YOUR_LIST)
        page = await self._reading.page(member_of(interaction).id, number, RUNS_A_PAGE)
        await interaction.response.edit_message(view=list_view(page, member_id, await self._share(interaction)))

    async def _share(self, interaction: discord.Interaction) -> str:
        """What the member has of what they may have."""
        member = member_of(interaction)
        limits = self._scheduler.desk.limits(orders_of(interaction), member.id, groups_of(interaction))
        return messages.share(await self._scheduler.usage_of(member), limits)

    async def _log(self, interaction: discord.Interaction, number: int) -> None:
        run = await self._reading.run(number)
        check_may_see(interaction, run, await self._reading.place(run))
        await interaction.response.defer(ephemeral=True, thinking=True)
        limit = interaction.filesize_limit
        async with self._reading.log(run, limit - _AROUND_A_FILE) as log:
            if not log.content:
                nothing = messages.NO_OUTPUT if run.status.final else messages.NO_OUTPUT_YET
                await interaction.edit_original_response(content=nothing.format(number=number))
                return
            await interaction.edit_original_response(
                content=messages.log_says(run, log.left_out, limit),
                attachments=[discord.File(io.BytesIO(log.content), filename=f"run-{number}.log.txt")],
            )
