"""`/admin runners`, `/admin runner add` and `/admin runner remove`: machines that people lend.

Added to the group of `admin` by `bot`, where a launcher has such machines. They are for operators: a machine is for all
servers. What connects one holds a secret, so it is in a private answer or a direct message, and nowhere else.
"""

import io
import uuid
from dataclasses import replace
from typing import Literal

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import check_operator, is_operator, member_of, scope_of
from cluster_bot.discord_bot.arrival_news import place_of, place_with
from cluster_bot.discord_bot.gpu_choices import LONGEST_NAME, MOST_CHOICES
from cluster_bot.discord_bot.run_views import text_view
from cluster_bot.errors import UserError
from cluster_bot.log import get_logger
from cluster_bot.runs.machines import Expected, Invitation, Wanted
from cluster_bot.runs.orders import EVERYWHERE
from cluster_bot.scheduling.arrivals import Arrivals
from cluster_bot.scheduling.desk import Desk

log = get_logger(__name__)

Name = Range[str, 1, 64]
JUST_IN_TIME = "just-in-time"


def runners_command(arrivals: Arrivals) -> app_commands.Command[app_commands.Group, ..., None]:
    """`/admin runners`."""

    @app_commands.command(name="runners", description="The machines that run jobs of GitHub Actions for this bot")
    async def runners(interaction: discord.Interaction) -> None:
        """Show which there are, and how they are."""
        check_operator(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        text = messages.runner_board(await arrivals.boxes.listed())
        await interaction.edit_original_response(view=text_view(text))

    return runners


class RunnerCommands(app_commands.Group, name="runner", description="Connect a machine with a GPU, or let it go"):
    """The subgroup."""

    def __init__(self, arrivals: Arrivals, desk: Desk) -> None:
        super().__init__()
        self._arrivals = arrivals
        self._desk = desk

    @app_commands.command(name="add", description="Get the commands that connect a machine, and watch for it")
    @app_commands.describe(
        name=messages.MACHINE_OPTION,
        gpu=messages.LENT_GPU_OPTION,
        vendor=messages.VENDOR_OPTION,
        kind=messages.KIND_OPTION,
        group=messages.GROUP_OPTION,
        donor=messages.DONOR_OPTION,
        test=messages.TEST_OPTION,
    )
    async def add(
        self,
        interaction: discord.Interaction,
        name: Name,
        gpu: Name,
        vendor: Literal["nvidia", "amd"],
        kind: Literal["registered", "just-in-time"] = "registered",
        group: Range[str, 0, 100] = "",
        donor: discord.User | None = None,
        test: bool | None = None,
    ) -> None:
        """Ask GitHub to let it in, hand over what it gives, and begin to watch."""
        check_operator(interaction)
        wanted = Wanted(name.strip(), gpu.strip(), vendor, kind == JUST_IN_TIME, group.strip())
        await interaction.response.defer(ephemeral=True, thinking=True)
        given = await self._arrivals.boxes.invite(wanted)
        one = Expected(
            id=uuid.uuid4().hex,
            name=wanted.name,
            gpu=wanted.gpu,
            launcher=self._arrivals.launcher,
            by=member_of(interaction),
            scope=scope_of(interaction),
            until=given.until,
            once=wanted.once,
            test=not wanted.once if test is None else test,
            place=place_of(interaction),
        )
        await self._arrivals.expect(one)
        donor = None if donor is None or donor.id == interaction.user.id else donor
        told = messages.asked_for(wanted, given, "" if donor is None else donor.mention)
        await self._desk.note(EVERYWHERE, told, by=one.by, key=f"machine:{one.id}:asked")
        one = await self._hand_over(interaction, wanted, given, one, donor)
        self._arrivals.watch(one)

    async def _hand_over(
        self,
        interaction: discord.Interaction,
        wanted: Wanted,
        given: Invitation,
        one: Expected,
        donor: discord.User | None,
    ) -> Expected:
        """Give the file to the donor, or to the admin where there is none or they take no messages."""
        note = ""
        if donor is not None:
            message = await _send(donor, messages.invitation(wanted, given, asked_by=interaction.user.mention), given)
            if message is not None:
                one = _sent_to(one, message)
                await self._arrivals.expect(one)
                await interaction.edit_original_response(content=messages.sent(one, donor.mention))
                return one
            note = messages.NOT_SENT.format(donor=donor.mention) + "\n"
        text = f"{note}{messages.invitation(wanted, given)}\n{messages.watching(one)}"
        await interaction.edit_original_response(content=text, attachments=[_file(given)])
        return one

    @app_commands.command(name="remove", description="Let a machine be no runner any more")
    @app_commands.describe(name=messages.REMOVE_OPTION)
    async def remove(self, interaction: discord.Interaction, name: Name) -> None:
        """Remove it at GitHub, and say what is left to do on the machine."""
        check_operator(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        box = await self._arrivals.remove(name)
        shown = name.strip() if box is None else box.name
        await self._desk.note(EVERYWHERE, messages.removal(shown), by=member_of(interaction))
        await interaction.edit_original_response(content=messages.removed(shown, waited_only=box is None))

    @remove.autocomplete("name")
    async def _names(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        if not is_operator(interaction):
            return []
        try:
            boxes = (await self._arrivals.boxes.listed()).boxes
        except UserError:
            return []
        fitting = [one for one in boxes if typed.strip().lower() in one.name.lower()]
        return [
            Choice(name=messages.runner_choice(one)[:LONGEST_NAME], value=one.name) for one in fitting[:MOST_CHOICES]
        ]


async def _send(donor: discord.User, text: str, given: Invitation) -> discord.Message | None:
    """The direct message; None where the donor takes none."""
    try:
        return await donor.send(text, file=_file(given))
    except discord.HTTPException as error:
        if error.status >= 500:
            raise
        log.info("no direct message: %s", error.status, extra={"action": "donor_unreached"})
        return None


def _file(given: Invitation) -> discord.File:
    return discord.File(io.BytesIO(given.script.encode()), messages.SCRIPT_NAME)


def _sent_to(one: Expected, message: discord.Message) -> Expected:
    return replace(one, place=place_with(dict(one.place), message))
