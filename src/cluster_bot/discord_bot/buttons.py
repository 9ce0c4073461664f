"""The buttons under a run. They carry the run's number in their custom id, so that any life of the bot can answer."""

import re
from typing import Any

import discord

from cluster_bot.discord_bot.messages import CANCEL_BUTTON, LOG_BUTTON, RERUN_BUTTON
from cluster_bot.runs.run import Run, Status
from cluster_bot.runs.summary import Summary

Button = discord.ui.Button[Any]


def cancel_button(number: int) -> Button:
    """Ends the run."""
    return discord.ui.Button(label=CANCEL_BUTTON, style=discord.ButtonStyle.danger, custom_id=f"cancel:{number}")


def rerun_button(number: int) -> Button:
    """Runs the same again."""
    return discord.ui.Button(label=RERUN_BUTTON, style=discord.ButtonStyle.secondary, custom_id=f"rerun:{number}")


def log_button(number: int) -> Button:
    """Hands over the whole log."""
    return discord.ui.Button(label=LOG_BUTTON, style=discord.ButtonStyle.secondary, custom_id=f"log:{number}")


def can_be_cancelled(run: Run | Summary) -> bool:
    """Whether to wish its end would change anything."""
    return not run.status.final and run.status is not Status.STOPPING


def cancel_view(run: Run) -> discord.ui.View | None:
    """The Cancel button of a run that can be cancelled; None for any other."""
    if not can_be_cancelled(run):
        return None
    view = discord.ui.View(timeout=None)
    view.add_item(cancel_button(run.number))
    return view


def after_view(run: Run) -> discord.ui.View:
    """What stands under a run that is over: run it again, and its whole log."""
    view = discord.ui.View(timeout=None)
    view.add_item(rerun_button(run.number))
    view.add_item(log_button(run.number))
    return view


def pressed_number(word: str, custom_id: str) -> int | None:
    """The number in a custom id as in `rerun:12`, for the word `rerun`; None where it is another button."""
    match = re.fullmatch(rf"{word}:(\d{{1,18}})", custom_id)
    return int(match.group(1)) if match else None
