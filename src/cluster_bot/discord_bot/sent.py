"""What a member sent to be run, in each way there is: attached files, or text typed into a form or found in a message.

Used by `intake`, which looks first (`check`, at once, without asking anybody) and fetches later (`read`).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import discord

from cluster_bot.runs import spec
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.sources import Sources, check_sent, sources_of


class Sent(Protocol):
    """Source files, not looked at yet."""

    def check(self) -> None:
        """Refuse, with UserError, what can be seen to be of no use."""

    async def read(self) -> Sources:
        """The files and the one to execute; raises UserError."""


@dataclass(frozen=True, slots=True)
class Attached:
    """Files attached to a command or a message, the script first; `main` names the one to execute, None: the script."""

    files: Sequence[discord.Attachment]
    main: str | None = None

    def check(self) -> None:
        """By names and sizes."""
        check_sent([(one.filename, one.size) for one in self.files], self.main)

    async def read(self) -> Sources:
        """Fetched from Discord; archives are unpacked beside the loop."""
        contents = await asyncio.gather(*(download(one) for one in self.files))
        names = [one.filename for one in self.files]
        return await asyncio.to_thread(sources_of, list(zip(names, contents, strict=True)), self.main)


@dataclass(frozen=True, slots=True)
class Typed:
    """One program as text, under the name it is run by."""

    name: str
    text: str

    def check(self) -> None:
        """There must be some."""
        if not self.text.strip():
            raise refuse(Refusal.NO_CODE)

    async def read(self) -> Sources:
        """As it is, with a line end behind the last line."""
        # A lone half of a surrogate pair, which JSON may hold, becomes bytes that are no UTF-8, and is refused as such.
        content = self.text.encode("utf-8", "surrogatepass")
        text = spec.source_text(self.name, content)
        return Sources({self.name: text if text.endswith("\n") else f"{text}\n"}, self.name)


async def download(one: discord.Attachment) -> bytes:
    """A file's content; raises UserError where Discord does not hand it over."""
    try:
        return await one.read()
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError):
        raise refuse(Refusal.DOWNLOAD_FAILED, name=one.filename) from None
