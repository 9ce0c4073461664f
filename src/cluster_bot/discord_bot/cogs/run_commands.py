"""`/run …`: one subcommand for each launcher that is switched on."""

import discord
from discord import app_commands

from cluster_bot.discord_bot.intake import Intake
from cluster_bot.scheduling.scheduler import Scheduler


@app_commands.guild_only()
class RunCommands(app_commands.Group, name="run", description="Run a program on somebody else's machine"):
    """The group; a launcher that is switched off has no subcommand."""

    def __init__(self, scheduler: Scheduler, intake: Intake) -> None:
        super().__init__()
        self._intake = intake
        for command in list(self.commands):
            if command.name not in scheduler.launchers:
                self.remove_command(command.name)

    @app_commands.command(name="local", description="Run a program on the bot's own machine")
    @app_commands.describe(
        script="The program: .py, .cpp or .cu",
        arguments="Arguments for the program, as you would type them in a shell",
        time_limit_s="Seconds the program may take",
    )
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
