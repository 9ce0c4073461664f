"""Private answers about runs, laid out: a member's list with a button beside each run, and one run in detail.

Made by the cogs. Buttons carry all they mean in their custom ids, so every life of the bot can answer them.
"""

import re
from collections.abc import Mapping
from typing import Any

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.buttons import Button, can_be_cancelled, cancel_button, log_button, rerun_button
from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.runs.run import Origin, Run, Status
from cluster_bot.runs.summary import Summary
from cluster_bot.scheduling.reading import Page

# Each takes 3 of the 40 components a message may have.
RUNS_A_PAGE = 8

_COLOURS = {
    Status.SUCCEEDED: discord.Colour.green(),
    Status.FAILED: discord.Colour.red(),
    Status.TIMED_OUT: discord.Colour.orange(),
    Status.LOST: discord.Colour.orange(),
    Status.CANCELLED: discord.Colour.light_grey(),
}
_PAGE_ID = re.compile(r"runs:(\d{1,20}):(\d{1,6})")


def turned_page(custom_id: str) -> tuple[int, int] | None:
    """The member and the page that a Previous or Next button is for; None where it is another button."""
    match = _PAGE_ID.fullmatch(custom_id)
    return (int(match.group(1)), int(match.group(2))) if match else None


def list_view(page: Page, member_id: int) -> discord.ui.LayoutView:
    """A page of a member's runs."""
    box: discord.ui.Container[Any] = discord.ui.Container(discord.ui.TextDisplay(messages.runs_head(page)))
    for run in page.runs:
        text = messages.run_line(run, link_to(run.origin, run.place))
        button = _button_beside(run)
        box.add_item(discord.ui.TextDisplay(text) if button is None else discord.ui.Section(text, accessory=button))
    view = _still(box)
    if page.pages > 1:
        turns = ((messages.PREVIOUS_BUTTON, page.number - 1), (messages.NEXT_BUTTON, page.number + 1))
        row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
        for label, target in turns:
            there = 0 <= target < page.pages
            # Ids must differ, so a button that leads nowhere has one that is no page's.
            custom_id = f"runs:{member_id}:{target}" if there else f"runs:{member_id}:no-{label.lower()}"
            row.add_item(discord.ui.Button(label=label, custom_id=custom_id, disabled=not there))
        view.add_item(row)
    return view


def details_view(run: Run, text: str) -> discord.ui.LayoutView:
    """One run, with what can be done with it."""
    box: discord.ui.Container[Any] = discord.ui.Container(
        discord.ui.TextDisplay(text), accent_colour=_COLOURS.get(run.status, discord.Colour.blurple())
    )
    row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
    if run.status.final:
        row.add_item(rerun_button(run.number))
    elif can_be_cancelled(run):
        row.add_item(cancel_button(run.number))
    row.add_item(log_button(run.number))
    box.add_item(row)
    return _still(box)


def text_view(text: str) -> discord.ui.LayoutView:
    """Text in a box."""
    return _still(discord.ui.Container(discord.ui.TextDisplay(text)))


def link_to(origin: Origin, place: Mapping[str, Any]) -> str:
    """A link to where a run is shown, given its feed's place; "" where it is shown nowhere yet."""
    if place.get("here") and place.get("anchor"):
        asked = DiscordOrigin.of(origin)
        return f"https://discord.com/channels/{asked.guild or '@me'}/{asked.channel}/{place['anchor']}"
    return f"<#{place['room']}>" if place.get("room") else ""


def _button_beside(run: Summary) -> Button | None:
    if run.status.final:
        return rerun_button(run.number)
    return cancel_button(run.number) if can_be_cancelled(run) else None


def _still(box: discord.ui.Container[Any]) -> discord.ui.LayoutView:
    """A view that the library does not keep: its buttons are answered by their ids."""
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(box)
    view.stop()
    return view
