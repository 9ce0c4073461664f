"""What a person reads when a command goes wrong; the one place that decides it.

Precedence: a UserError is shown as it is; a failed check has answered already; a Discord error that says the
interaction is over can reach nobody and is only logged; anything else is ours: a neutral sentence with a reference
number, and the log gets the rest.
"""

import secrets
from dataclasses import dataclass
from io import BytesIO

import discord
from discord import app_commands

from cluster_bot.discord_bot.messages import OUR_FAULT, your_code
from cluster_bot.errors import UserError
from cluster_bot.log import get_logger

log = get_logger(__name__)

UNKNOWN_INTERACTION, ALREADY_ACKNOWLEDGED = 10062, 40060


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What somebody typed, as a file to go with a refusal, and the buttons under it."""

    name: str
    text: str
    buttons: discord.ui.View


async def reply_to_error(interaction: discord.Interaction, error: Exception, *, typed: GivenBack | None = None) -> None:
    """Answer `interaction` privately about `error`; what was `typed` is given back with it."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if isinstance(cause, UserError):
        await tell(interaction, cause.message, typed)
        return
    if isinstance(cause, app_commands.CheckFailure):
        return
    if isinstance(cause, discord.HTTPException) and cause.code in (UNKNOWN_INTERACTION, ALREADY_ACKNOWLEDGED):
        log.warning("answered too late", extra={"action": "answered_too_late", "interaction": interaction.id})
        return
    reference = secrets.token_hex(4)
    log.error("command failed", exc_info=cause, extra={"action": "command_failed", "reference": reference})
    await tell(interaction, OUR_FAULT.format(reference=reference), typed)


async def tell(interaction: discord.Interaction, text: str, typed: GivenBack | None = None) -> None:
    """Say something privately, whether the interaction was answered already or not."""
    files, view = discord.utils.MISSING, discord.utils.MISSING
    if typed is not None:
        files = [discord.File(BytesIO(typed.text.encode("utf-8", "replace")), typed.name)]
        text, view = your_code(text), typed.buttons
    try:
        if interaction.response.is_done():
            await interaction.edit_original_response(content=text, attachments=files, view=view)
        else:
            await interaction.response.send_message(text, ephemeral=True, files=files, view=view)
    except discord.HTTPException as error:
        # There is nobody left to tell: the member's answer has expired or is gone.
        log.warning("could not answer: %s", error, extra={"action": "answer_failed", "interaction": interaction.id})
