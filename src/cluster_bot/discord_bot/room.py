"""Where a run's messages go, and how one gets there once: what opening, output, status and ending have in common.

The room is a thread of the run's own, or where `/run` was typed; there each message is marked with the run's number.
Threads are archived (a message brings them back), locked, deleted: a room that takes no more is `shut`, for this life
of the bot and until the run is over; then each thing is tried once more, since somebody may have opened it again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto

import discord

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.feed_state import FeedMemory, FeedState
from cluster_bot.discord_bot.once import NOBODY, Made, Once
from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.log import get_logger
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Budget

log = get_logger(__name__)

UNKNOWN_MESSAGE = 10008
THREAD_ARCHIVED, THREAD_LOCKED = 50083, 160005
OLD_MESSAGE = 30046
# What a verdict in the channel, below the anchor, is called while it is being made.
BELOW = "verdict-below"


class Shut(Enum):
    """Why a room takes no more messages."""

    LOCKED = auto()  # or not permitted: it is there, and not for us
    GONE = auto()


class RoomShutError(Exception):
    """The room takes no more messages."""

    def __init__(self, why: Shut, text: str) -> None:
        super().__init__(text)
        self.why = why


class MessageGoneError(Exception):
    """One message is gone, and its room is not."""


class Room:
    """One run's place on Discord."""

    def __init__(self, client: discord.Client, run: Run, memory: FeedMemory, budget: Budget) -> None:
        self.client = client
        self.origin = DiscordOrigin.of(run.origin)
        self.memory = memory
        self.budget = budget
        self.once = Once(client, memory, run.id)
        # An earlier life found it shut when all was tried once more, and was giving the verdict elsewhere.
        self.shut = Shut.LOCKED if self.below_pending else None
        self._run = run.id

    @property
    def state(self) -> FeedState:
        """What is remembered of it."""
        return self.memory.state

    @property
    def channel(self) -> discord.PartialMessageable:
        """Where `/run` was typed and the anchor is."""
        return self.client.get_partial_messageable(self.origin.channel)

    @property
    def here(self) -> discord.PartialMessageable:
        """Where the run's messages go."""
        return self.client.get_partial_messageable(self.state.room or self.origin.channel)

    def takes(self, run: Run) -> bool:
        """Whether it is worth trying to say something.

        Not before it is known whether a verdict stands below the anchor already: another wish would cover that one.
        """
        return (self.shut is None or run.status.final) and not self.below_pending

    @property
    def below_pending(self) -> bool:
        """Whether a verdict may stand below the anchor, or may not."""
        return self.state.pending == BELOW

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Let it be remembered where the room turns out to be shut; the run goes on, and its end is told elsewhere."""
        try:
            yield
        except RoomShutError as error:
            if self.shut is None:
                log.warning("room is shut: %s", error, extra={"action": "room_shut", "run": self._run})
            self.shut = error.why

    def marked(self, run: Run, part: str, text: str) -> str:
        """The text, begun with the run's number where other runs' messages stand beside it."""
        return messages.part_marker(run, part) + text if self.state.here and text else text

    async def create(
        self,
        what: str,
        text: str,
        *,
        view: discord.ui.View | None = None,
        files: Sequence[discord.File] = (),
    ) -> Made:
        """A message in the room. In a thread of our own, any message of ours after the last one known is the one."""
        label = text.partition("\n")[0]

        def ours(found: str) -> bool:
            if self.state.here:
                return found.startswith(label)
            # A command given in this thread makes another run's messages here: parts, and an anchor.
            return not messages.is_part(found) and not messages.is_anchor(found)

        return await self.once.create(what, self.here, text, after=self.state.newest, ours=ours, view=view, files=files)

    async def edit(self, message_id: int, *, content: str, view: discord.ui.View | None = None) -> bool:
        """Bring a message in the room up to date; False where somebody deleted it.

        An HTTPException that `refuses_edits` knows is the caller's business.
        """
        message = self.here.get_partial_message(message_id)
        try:
            with refusals():
                if message_id == self.state.status:
                    await message.edit(content=content, view=view, allowed_mentions=NOBODY)
                else:
                    await message.edit(content=content, allowed_mentions=NOBODY)
        except MessageGoneError:
            return False
        return True

    async def wake(self) -> bool:
        """Bring our own archived thread back, as a message in it would; False where it is not ours to wake.

        Raises RoomShutError where it is locked.
        """
        if self.state.here:
            return False
        try:
            await self.client.http.edit_channel(self.state.room or 0, archived=False)
        except discord.HTTPException as error:
            if error.status >= 500 or error.status == 429:
                raise
            raise RoomShutError(Shut.LOCKED, f"the thread is locked: {error.text}") from error
        return True


def refuses_edits(error: discord.HTTPException) -> bool:
    """Whether this message is not to be edited now or soon, though the next one may be created.

    So with an archived thread, and with messages older than an hour, of which Discord takes few edits. It says the
    latter with a 429 (30046), which the library repeats until the bucket is empty and the last answer is any 429; one
    that it could not wait out means the same to us.
    """
    return error.code == THREAD_ARCHIVED or error.status == 429


@contextmanager
def refusals(*, creating: bool = False) -> Iterator[None]:
    """Tell Discord's refusals that no repetition changes from all others.

    A message opens an archived thread again, unless somebody locked it; an edit never does. One that is locked and not
    archived says so by a code of its own.
    """
    try:
        yield
    except discord.NotFound as error:
        if error.code == UNKNOWN_MESSAGE:
            raise MessageGoneError from error
        raise RoomShutError(Shut.GONE, f"the room is gone: {error.text}") from error
    except discord.Forbidden as error:
        raise RoomShutError(Shut.LOCKED, f"not permitted in the room: {error.text}") from error
    except discord.HTTPException as error:
        if error.code != THREAD_LOCKED and not (creating and error.code == THREAD_ARCHIVED):
            raise
        raise RoomShutError(Shut.LOCKED, f"the thread is locked: {error.text}") from error
