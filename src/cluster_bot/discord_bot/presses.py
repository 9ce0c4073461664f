"""Presses of buttons, those of earlier lives of the bot too: told apart by custom id, their errors answered.

Called by the cogs' listeners.
"""

from collections.abc import Awaitable, Callable
from typing import cast

import discord

from cluster_bot.discord_bot.access import Access
from cluster_bot.discord_bot.buttons import pressed_number
from cluster_bot.discord_bot.error_reply import reply_to_error


def custom_id_of(interaction: discord.Interaction) -> str:
    """The custom id of the button that was pressed; "" where it is no press."""
    if interaction.type is not discord.InteractionType.component:
        return ""
    return str(cast(dict[str, object], interaction.data or {}).get("custom_id", ""))


async def answer_press(
    interaction: discord.Interaction, access: Access, word: str, answer: Callable[[int], Awaitable[None]]
) -> None:
    """Call `answer` with the run's number where a button `word:number` was pressed."""
    number = pressed_number(word, custom_id_of(interaction))
    if number is not None:
        await guarded(interaction, access, lambda: answer(number))


async def guarded(interaction: discord.Interaction, access: Access, answer: Callable[[], Awaitable[None]]) -> None:
    """Await what `answer` makes: the border of a button press, as the command tree is one for commands."""
    try:
        await access.enter(interaction)
        await answer()
    except Exception as error:
        # Whatever it is, whoever pressed is told, and the library has no handler behind a listener that could.
        await reply_to_error(interaction, error)
