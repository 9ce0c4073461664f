"""The buttons under a run. They carry the run's number in their custom id, so that any life of the bot can answer."""

import re

import discord

from cluster_bot.discord_bot.messages import CANCEL_BUTTON, LOG_BUTTON, RERUN_BUTTON
from cluster_bot.runs.run import Run, Status


def cancel_view(run: Run) -> discord.ui.View | None:
    """The Cancel button of a run that can be cancelled; None for any other."""
    if run.status.final or run.status is Status.STOPPING:
        return None
    view = discord.ui.View(timeout=None)
    view.add_item(
        discord.ui.Button(label=CANCEL_BUTTON, style=discord.ButtonStyle.danger, custom_id=f"cancel:{run.number}")
    )
    return view


def after_view(run: Run) -> discord.ui.View:
    """What stands under a run that is over: run it again, and its whole log."""
    view = discord.ui.View(timeout=None)
    grey = discord.ButtonStyle.secondary
    view.add_item(discord.ui.Button(label=RERUN_BUTTON, style=grey, custom_id=f"rerun:{run.number}"))
    view.add_item(discord.ui.Button(label=LOG_BUTTON, style=grey, custom_id=f"log:{run.number}"))
    return view


def pressed_number(word: str, custom_id: str) -> int | None:
    """The number in a custom id as in `rerun:12`, for the word `rerun`; None where it is another button."""
    match = re.fullmatch(rf"{word}:(\d{{1,18}})", custom_id)
    return int(match.group(1)) if match else None
