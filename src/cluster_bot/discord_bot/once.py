"""Creating a message once, whatever happens in between.

The wish is saved before the deed. Where a wish is found that an earlier life left behind, the message may exist: the
channel is listed after the last message known, and a message of ours that answers the description is adopted. The
nonce stops a duplicate too, but Discord forgets nonces after minutes, so it only covers the library's own retries
and requests still under way when the bot died. Either way the message may have the text of an earlier moment, and
Discord may take no edit of it any more: the caller compares, and decides what that means. A feed whose place a backup
brought back does not know its wishes either: it looks in any case, until `recall` has looked at everything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from cluster_bot.discord_bot.feed_state import FeedMemory

NOBODY = discord.AllowedMentions.none()


@dataclass(frozen=True, slots=True)
class Made:
    """A message that exists, and the text it has."""

    id: int
    text: str

    def says(self, text: str) -> bool:
        """Whether that is its text, but for the space around it, which Discord takes off."""
        return self.text.strip() == text.strip()


class Once:
    """Creates one run's messages; `key` makes their nonces differ from every other run's."""

    def __init__(self, client: discord.Client, memory: FeedMemory, key: str) -> None:
        self._client = client
        self._memory = memory
        self._key = key
        # Until somebody has looked at all there is, a feed that was restored does not know its own wishes.
        self.looks_first = memory.restored

    async def create(
        self,
        what: str,
        channel: discord.PartialMessageable,
        content: str,
        *,
        after: int,
        ours: Callable[[str], bool],
        view: discord.ui.View | None = None,
        files: Sequence[discord.File] = (),
        reference: discord.MessageReference | None = None,
    ) -> Made:
        """The message `what` in `channel`, made now or found among the messages after id `after`.

        `ours` tells by the text whether one of our messages there can be it. The caller saves the id together with
        `pending=None`.
        """
        if view is not None:
            # The answer to a button goes by its custom id, in any life of the bot; nothing is to be kept here.
            view.stop()
        wished = self._memory.state.pending == what
        if wished or self.looks_first:
            found = await self._find(channel, after, ours)
            if found is not None:
                return Made(found.id, found.content)
        if not wished:
            await self._memory.update(pending=what)
        options: dict[str, Any] = {"view": view} if view is not None else {}
        if reference is not None:
            options["reference"] = reference
        if files:
            options["files"] = list(files)
        nonce = f"{self._key[:12]}:{what}"[:25]
        message: discord.Message = await channel.send(
            content, nonce=nonce, allowed_mentions=NOBODY, suppress_embeds=True, **options
        )
        return Made(message.id, message.content)

    async def _find(
        self, channel: discord.PartialMessageable, after: int, ours: Callable[[str], bool]
    ) -> discord.Message | None:
        me = self._client.user
        async for message in channel.history(limit=None, after=discord.Object(after), oldest_first=True):
            plain = message.type in (discord.MessageType.default, discord.MessageType.reply)
            if plain and me is not None and message.author.id == me.id and ours(message.content):
                return message
        return None
