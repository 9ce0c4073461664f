"""`/run …`: one subcommand for each launcher that is switched on."""

import asyncio

import discord
from discord import app_commands
from discord.app_commands import Choice

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.intake import Intake
from cluster_bot.log import get_logger
from cluster_bot.scheduling.scheduler import Scheduler

log = get_logger(__name__)

# Discord takes no more choices, and drops an answer that takes longer than three seconds.
MOST_CHOICES = 25
CHOICES_S = 2.0
LONGEST_NAME = 100

SCRIPT = "The program: .py, .cpp or .cu"
ARGUMENTS = "Arguments for the program, as you would type them in a shell"
TIME_LIMIT = "Seconds the program may take"


@app_commands.guild_only()
class RunCommands(app_commands.Group, name="run", description="Run a program on somebody else's machine"):
    """The group; a launcher that is switched off has no subcommand."""

    def __init__(self, scheduler: Scheduler, intake: Intake) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._intake = intake
        for command in list(self.commands):
            if command.name not in scheduler.launchers:
                self.remove_command(command.name)

    @app_commands.command(name="local", description="Run a program on the bot's own machine")
    @app_commands.describe(script=SCRIPT, arguments=ARGUMENTS, time_limit_s=TIME_LIMIT)
    @app_commands.rename(time_limit_s="time_limit")
    async def local(
        self,
        interaction: discord.Interaction,
        script: discord.Attachment,
        arguments: str = "",
        time_limit_s: int | None = None,
    ) -> None:
        """Run on the machine on which the bot runs."""
        await self._intake.take(
            interaction, launcher="local", script=script, arguments=arguments, time_limit_s=time_limit_s
        )

    @app_commands.command(name="github", description="Run a program on a GPU runner of GitHub Actions")
    @app_commands.describe(
        script=SCRIPT, gpu="NVIDIA, AMD or a GPU by its name", arguments=ARGUMENTS, time_limit_s=TIME_LIMIT
    )
    @app_commands.rename(time_limit_s="time_limit")
    async def github(
        self,
        interaction: discord.Interaction,
        script: discord.Attachment,
        gpu: str,
        arguments: str = "",
        time_limit_s: int | None = None,
    ) -> None:
        """Run on a runner of the configured repository."""
        await self._intake.take(
            interaction, launcher="github", script=script, arguments=arguments, time_limit_s=time_limit_s, gpu=gpu
        )

    @github.autocomplete("gpu")
    async def _github_gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await self._gpus("github", typed)

    async def _gpus(self, launcher: str, typed: str) -> list[Choice[str]]:
        """The GPUs on offer whose name has what was typed in it, with their queue; none where it takes too long."""
        try:
            async with asyncio.timeout(CHOICES_S):
                offers = await self._scheduler.offers(launcher)
        except TimeoutError:
            log.warning("no choices in time", extra={"action": "choices_late", "launcher": launcher})
            return []
        names = [(offer.gpu, messages.offer(offer)) for offer in offers if offer.gpu is not None]
        fitting = [(gpu, words) for gpu, words in names if typed.strip().lower() in gpu.lower()]
        return [Choice(name=words[:LONGEST_NAME], value=gpu) for gpu, words in fitting[:MOST_CHOICES]]
