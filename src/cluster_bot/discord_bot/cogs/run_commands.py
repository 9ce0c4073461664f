"""`/run …`: one subcommand for each launcher that is switched on, and one that chooses among them."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import discord
from discord import app_commands
from discord.app_commands import Choice

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.intake import Intake
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.scheduling.choosing import Prefer, merged
from cluster_bot.scheduling.scheduler import Scheduler

log = get_logger(__name__)

# Discord takes no more choices, and drops an answer that takes longer than three seconds.
MOST_CHOICES = 25
CHOICES_S = 2.0
LONGEST_NAME = 100

SCRIPT = "The program: .py, .cpp or .cu"
ARGUMENTS = "Arguments for the program, as you would type them in a shell"
TIME_LIMIT = "Seconds the program may take"


class RunCommands(app_commands.Group, name="run", description="Run a program on somebody else's machine"):
    """The group; a launcher that is switched off has no subcommand, and `auto` is there where there is a `choice`."""

    def __init__(self, scheduler: Scheduler, intake: Intake, *, choice: bool = False) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._intake = intake
        for command in list(self.commands):
            if command.name not in scheduler.launchers and not (choice and command.name == "auto"):
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

    @app_commands.command(name="modal", description="Run a program on a GPU of Modal's cloud")
    @app_commands.describe(
        script=SCRIPT,
        gpu="A GPU by its name, H100:2 for two of them; the first of the list unless you say otherwise",
        arguments=ARGUMENTS,
        time_limit_s=TIME_LIMIT,
    )
    @app_commands.rename(time_limit_s="time_limit")
    async def modal(
        self,
        interaction: discord.Interaction,
        script: discord.Attachment,
        gpu: str = "",
        arguments: str = "",
        time_limit_s: int | None = None,
    ) -> None:
        """Run in a container of the configured account."""
        wanted = gpu.strip() or await self._first("modal")
        await self._intake.take(
            interaction, launcher="modal", script=script, arguments=arguments, time_limit_s=time_limit_s, gpu=wanted
        )

    @app_commands.command(name="auto", description="Run a program wherever its GPU is free soonest, or cheapest")
    @app_commands.describe(
        script=SCRIPT,
        gpu="A GPU by its name",
        prefer="What matters most; soonest unless you say otherwise",
        arguments=ARGUMENTS,
        time_limit_s=TIME_LIMIT,
    )
    @app_commands.rename(time_limit_s="time_limit")
    async def auto(
        self,
        interaction: discord.Interaction,
        script: discord.Attachment,
        gpu: str,
        prefer: Literal["soonest", "cheapest"] = "soonest",
        arguments: str = "",
        time_limit_s: int | None = None,
    ) -> None:
        """Run at the launcher that is chosen; where it refuses, at the next."""
        await self._intake.take(
            interaction,
            launcher="auto",
            script=script,
            arguments=arguments,
            time_limit_s=time_limit_s,
            gpu=gpu.strip(),
            prefer=Prefer(prefer),
        )

    @github.autocomplete("gpu")
    async def _github_gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await self._gpus("github", typed)

    @modal.autocomplete("gpu")
    async def _modal_gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await self._gpus("modal", typed)

    @auto.autocomplete("gpu")
    async def _all_gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        found = merged(await self._scheduler.all_offers())
        return _choices([(gpu, messages.offers(gpu, there)) for gpu, there in found.items()], typed)

    async def _gpus(self, launcher: str, typed: str) -> list[Choice[str]]:
        """The GPUs on offer whose name has what was typed in it, with price and queue; none where it takes too long."""
        offers = await self._offers(launcher)
        return _choices([(offer.gpu, messages.offer(offer)) for offer in offers if offer.gpu is not None], typed)

    async def _first(self, launcher: str) -> str | None:
        """What a run gets that asks for no GPU; None leaves it to the launcher."""
        return next((offer.gpu for offer in await self._offers(launcher)), None)

    async def _offers(self, launcher: str) -> Sequence[GpuOffer]:
        try:
            async with asyncio.timeout(CHOICES_S):
                return await self._scheduler.offers(launcher)
        except TimeoutError:
            log.warning("no choices in time", extra={"action": "choices_late", "launcher": launcher})
            return ()


def _choices(names: Sequence[tuple[str, str]], typed: str) -> list[Choice[str]]:
    """Those whose GPU has what was typed in its name; a count after it is kept, as in `H100:2`."""
    wanted, colon, count = typed.strip().partition(":")
    fitting = [(gpu, words) for gpu, words in names if wanted.strip().lower() in gpu.lower()]
    if not colon or not count.strip().isdecimal():
        return [Choice(name=words[:LONGEST_NAME], value=gpu) for gpu, words in fitting[:MOST_CHOICES]]
    more = f":{count.strip()}"
    return [Choice(name=f"{gpu}{more}", value=f"{gpu}{more}") for gpu, _ in fitting[:MOST_CHOICES]]
