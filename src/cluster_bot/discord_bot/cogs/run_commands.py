"""`/run …`: a subcommand for each launcher that is switched on, one that chooses among them, one that opens a form."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import discord
from discord import app_commands
from discord.app_commands import Choice

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import orders_of
from cluster_bot.discord_bot.forms import Forms
from cluster_bot.discord_bot.gpu_choices import gpu_choices
from cluster_bot.discord_bot.intake import Asked, Intake
from cluster_bot.discord_bot.sent import Attached
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.scheduling.choosing import Prefer, merged
from cluster_bot.scheduling.scheduler import Scheduler

log = get_logger(__name__)

# Discord drops an answer that takes longer than three seconds.
CHOICES_S = 2.0

ALL = {
    "script": messages.SCRIPT,
    "arguments": messages.ARGUMENTS,
    "time_limit": messages.TIME_LIMIT,
    **dict.fromkeys(("file2", "file3", "file4", "file5"), messages.MORE),
    "main": messages.MAIN,
}

File = discord.Attachment


class RunCommands(app_commands.Group, name="run", description="Run a program on somebody else's machine"):
    """The group; a launcher that is switched off has no subcommand, and `auto` is there where there is a `choice`.

    Each subcommand spells its options out, the same ones again: the library reads them from the signature.
    """

    def __init__(self, scheduler: Scheduler, intake: Intake, forms: Forms, *, choice: bool = False) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._intake = intake
        self._forms = forms
        wanted = {*scheduler.launchers, *(["paste"] if scheduler.launchers else []), *(["auto"] if choice else [])}
        for command in list(self.commands):
            if command.name not in wanted:
                self.remove_command(command.name)

    @app_commands.command(name="local", description="Run a program on the bot's own machine")
    @app_commands.describe(**ALL)
    async def local(
        self,
        interaction: discord.Interaction,
        script: File,
        arguments: str = "",
        time_limit: int | None = None,
        file2: File | None = None,
        file3: File | None = None,
        file4: File | None = None,
        file5: File | None = None,
        main: str | None = None,
    ) -> None:
        """Run on the machine on which the bot runs."""
        asked = Asked("local", None, arguments, time_limit)
        await self._intake.take(interaction, asked, _attached(script, file2, file3, file4, file5, main=main))

    @app_commands.command(name="github", description="Run a program on a GPU runner of GitHub Actions")
    @app_commands.describe(gpu=messages.GITHUB_GPU, **ALL)
    async def github(
        self,
        interaction: discord.Interaction,
        script: File,
        gpu: str,
        arguments: str = "",
        time_limit: int | None = None,
        file2: File | None = None,
        file3: File | None = None,
        file4: File | None = None,
        file5: File | None = None,
        main: str | None = None,
    ) -> None:
        """Run on a runner of the configured repository."""
        asked = Asked("github", gpu, arguments, time_limit)
        await self._intake.take(interaction, asked, _attached(script, file2, file3, file4, file5, main=main))

    @app_commands.command(name="modal", description="Run a program on a GPU of Modal's cloud")
    @app_commands.describe(gpu=messages.MODAL_GPU, **ALL)
    async def modal(
        self,
        interaction: discord.Interaction,
        script: File,
        gpu: str = "",
        arguments: str = "",
        time_limit: int | None = None,
        file2: File | None = None,
        file3: File | None = None,
        file4: File | None = None,
        file5: File | None = None,
        main: str | None = None,
    ) -> None:
        """Run in a container of the configured account."""
        asked = Asked("modal", gpu.strip() or await self._first(interaction, "modal"), arguments, time_limit)
        await self._intake.take(interaction, asked, _attached(script, file2, file3, file4, file5, main=main))

    @app_commands.command(name="auto", description="Run a program wherever its GPU is free soonest, or cheapest")
    @app_commands.describe(gpu=messages.AUTO_GPU, prefer=messages.PREFER, **ALL)
    async def auto(
        self,
        interaction: discord.Interaction,
        script: File,
        gpu: str,
        prefer: Literal["soonest", "cheapest"] = "soonest",
        arguments: str = "",
        time_limit: int | None = None,
        file2: File | None = None,
        file3: File | None = None,
        file4: File | None = None,
        file5: File | None = None,
        main: str | None = None,
    ) -> None:
        """Run at the launcher that is chosen; where it refuses, at the next."""
        asked = Asked("auto", gpu.strip(), arguments, time_limit, Prefer(prefer))
        await self._intake.take(interaction, asked, _attached(script, file2, file3, file4, file5, main=main))

    @app_commands.command(name="paste", description="Run a program that you type or paste into a form")
    async def paste(self, interaction: discord.Interaction) -> None:
        """Open the form; what is filled in comes back as an interaction of its own."""
        await self._forms.open_empty(interaction)

    @github.autocomplete("gpu")
    async def _github_gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await self._gpus(interaction, "github", typed)

    @modal.autocomplete("gpu")
    async def _modal_gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await self._gpus(interaction, "modal", typed)

    @auto.autocomplete("gpu")
    async def _all_gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        found = merged(await self._scheduler.all_offers(orders_of(interaction)))
        return gpu_choices([(gpu, messages.offers(gpu, there)) for gpu, there in found.items()], typed)

    async def _gpus(self, interaction: discord.Interaction, launcher: str, typed: str) -> list[Choice[str]]:
        """The GPUs on offer whose name has what was typed in it, with price and queue; none where it takes too long."""
        offers = await self._offers(interaction, launcher)
        return gpu_choices([(offer.gpu, messages.offer(offer)) for offer in offers if offer.gpu is not None], typed)

    async def _first(self, interaction: discord.Interaction, launcher: str) -> str | None:
        """What a run gets that asks for no GPU; None leaves it to the launcher."""
        offers = await self._offers(interaction, launcher)
        return next((offer.gpu for offer in sorted(offers, key=lambda one: one.paused)), None)

    async def _offers(self, interaction: discord.Interaction, launcher: str) -> Sequence[GpuOffer]:
        try:
            async with asyncio.timeout(CHOICES_S):
                return await self._scheduler.offers(launcher, orders_of(interaction))
        except TimeoutError:
            log.warning("no choices in time", extra={"action": "choices_late", "launcher": launcher})
            return ()


def _attached(*files: File | None, main: str | None) -> Attached:
    return Attached([one for one in files if one is not None], main)
