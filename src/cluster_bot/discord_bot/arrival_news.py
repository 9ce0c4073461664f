"""Tells how it goes with a machine that somebody was asked to connect: in the answer to the command, in the donor's
direct message, and in the journal.

The `Teller` of `scheduling.arrivals`. The answer can be edited for 15 minutes, the direct message for good; both lose
their file as soon as it is of no more use. The journal has each thing once, whatever was told before a crash.
"""

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.late_answer import edit_answer
from cluster_bot.discord_bot.once import NOBODY
from cluster_bot.log import get_logger
from cluster_bot.runs.machines import Box, Expected
from cluster_bot.runs.orders import EVERYWHERE
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.desk import Desk

log = get_logger(__name__)

TOKEN, CHANNEL, MESSAGE = "token", "channel", "message"


def place_of(interaction: discord.Interaction) -> dict[str, str]:
    """Where the answer to a command can be edited."""
    return {TOKEN: interaction.token}


def place_with(place: dict[str, str], sent: discord.Message) -> dict[str, str]:
    """The same, with the donor's message."""
    return {**place, CHANNEL: str(sent.channel.id), MESSAGE: str(sent.id)}


class ArrivalNews:
    """`client` is logged in by the time it is called."""

    def __init__(self, client: discord.Client, desk: Desk) -> None:
        self._client = client
        self._desk = desk

    async def online(self, one: Expected, box: Box) -> None:
        """It is there."""
        await self._tell(one, "online", messages.came_online(one, testing=one.test))

    async def gone(self, one: Expected) -> None:
        """It came and went."""
        await self._tell(one, "gone", messages.came_and_went(one))

    async def tested(self, one: Expected, run: Run, output: str) -> None:
        """The run that tried it is over."""
        await self._tell(one, "tested", messages.tested(one, run, output))

    async def not_tested(self, one: Expected, why: str) -> None:
        """It could not be tried."""
        await self._tell(one, "tested", messages.not_tested(one, why))

    async def given_up(self, one: Expected) -> None:
        """It did not come in time."""
        await self._tell(one, "given-up", messages.given_up(one))

    async def _tell(self, one: Expected, what: str, text: str) -> None:
        await self._desk.note(EVERYWHERE, text, key=f"machine:{one.id}:{what}")
        token, channel, message = (one.place.get(name, "") for name in (TOKEN, CHANNEL, MESSAGE))
        if token:
            await edit_answer(self._client, token, text, without_files=True)
        if channel and message:
            sent = self._client.get_partial_messageable(int(channel)).get_partial_message(int(message))
            try:
                await sent.edit(content=text, attachments=[], allowed_mentions=NOBODY)
            except discord.HTTPException as error:
                # It was deleted: the journal has it.
                if error.status >= 500 or error.status == 429:
                    raise
                log.info("not told there: %s", error.status, extra={"action": "arrival_untold"})
