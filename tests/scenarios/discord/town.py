"""The whole bot and a Discord on loopback, for the scenarios of this folder.

The bot runs in the test's own process, through `open_parts` and `run_bot`, but talks to the server over sockets as it
would to discord.com: so a test may wait on the server's events and look into the store, and starting costs a fraction
of a second. What discord.py keeps for the whole process (where Discord is) is put back afterwards. Being killed is
another suite's subject.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discord.gateway import DiscordWebSocket
from discord.http import Route

from cluster_bot.app import Parts, open_parts, run_bot
from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.chunks import lines_in
from cluster_bot.runs.ports import Launcher, Store
from cluster_bot.runs.ports import Place as StoredPlace
from cluster_bot.runs.run import Run, Status
from cluster_bot.settings import Settings
from cluster_sandbox.discord import Acting, DiscordServer, File, Interaction, Message, MessageEvent, Policy

PATIENCE_S = 60.0
# A Discord that lets a bot write as fast as it can, for tests in which a member asks for more than people do.
_FREE = (10_000, 1.0)
QUICK = Policy(global_per_s=10_000, message_bucket=_FREE, edit_bucket=_FREE, webhook_bucket=_FREE, default_bucket=_FREE)
_OPENED = re.compile(
    r"Run #(\d+) is (?:here: <#|in your direct messages with me: https://discord\.com/channels/@me/)(\d+)>?"
)

# Prints "before", waits until the file named by its argument is there, prints "after".
HOLDING = """
import os, sys, time
print("before", flush=True)
end = time.monotonic() + 60
while not os.path.exists(sys.argv[1]) and time.monotonic() < end:
    time.sleep(0.02)
print("after", flush=True)
"""


@contextmanager
def discord_py_restored() -> Iterator[None]:
    """Put back where discord.py looks for Discord, which `run_bot` changes."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


class Watched:
    """The store, which tells whoever waits that something was written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save(self, run: Run) -> Run:
        saved = await self._store.save(run)
        self._tell()
        return saved

    async def save_place(self, run_id: str, place: StoredPlace) -> None:
        await self._store.save_place(run_id, place)
        self._tell()

    @property
    def expected(self) -> Any:
        """Named, since protocols do not ask `__getattr__`."""
        return self._store.expected  # type: ignore[attr-defined]

    async def until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        """Return once `reached()` is true; asked again after each write of a run or a place."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                written = self._written
                if await reached():
                    return
                await written.wait()

    def _tell(self) -> None:
        written, self._written = self._written, asyncio.Event()
        written.set()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run shows itself: its number, and the thread or channel."""

    number: int
    room: int


class Town:
    """A server, a member called ada, a bot once `bot()` is entered, and what a test may ask of them."""

    def __init__(self, server: DiscordServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.ada = server.member("ada")
        self.general = server.channel_id("general")
        self._store: Watched | None = None

    # --- the bot ------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def bot(
        self, *, debug: bool = False, launchers: Sequence[Launcher] = (), **settings: Any
    ) -> AsyncIterator[Parts]:
        """The bot, logged in; ends it at the end of the block, and fails where it ended by itself.

        `launchers` come before those that settings switch on.
        """
        given: dict[str, Any] = {
            "discord_token": self.server.bot_token,
            "discord_api_url": self.server.api_url,
            "discord_guilds": frozenset({self.server.guild_id}),
            "data_dir": self.folder / "data",
            "database_url": None,
            "local_enabled": True,
            "local_same_user": "always",
            # Programs wait for files of the test's, which they would not see from a sandbox.
            "local_sandbox": "none",
        }
        read = Settings.read(None, **(given | settings))
        logins = self.server.gateway.logins
        async with open_parts(read) as parts:
            self._store = Watched(parts.store)
            watched = Parts(self._store, [*launchers, *parts.launchers], parts.tokens)
            work = asyncio.create_task(run_bot(read, watched, debug=debug), name="bot")
            ready = asyncio.create_task(self.server.gateway.wait_ready(PATIENCE_S, logins=logins + 1), name="ready")
            try:
                await asyncio.wait({work, ready}, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    work.result()
                await ready
                yield watched
                assert not work.done(), "the bot ended by itself"
            finally:
                # Before the client closes too: should it be over just then, the library would tell a loop that is gone.
                await _end_delayed_ready()
                ready.cancel()
                work.cancel()
                await asyncio.wait({work, ready})
                await _end_delayed_ready()
            if not work.cancelled():
                work.result()

    @property
    def store(self) -> Watched:
        """The bot's own store."""
        assert self._store is not None, "no bot was started"
        return self._store

    async def runs_of(self, member: Acting) -> list[Run]:
        """The member's admitted runs, newest first."""
        return await self.store.of_member(str(member.user_id), 100)

    # --- acting -------------------------------------------------------------------------------------------------

    async def run(
        self,
        script: str | bytes,
        name: str = "program.py",
        *,
        channel: int | None = None,
        member: Acting | None = None,
        command: str = "run local",
        **options: Any,
    ) -> Interaction:
        """Give `/run local`, or another command with a script; the interaction, not answered yet."""
        content = script.encode() if isinstance(script, str) else script
        return await (member or self.ada).command(
            command, channel_id=channel or self.general, options={"script": File(name, content), **options}
        )

    async def open(self, script: str, name: str = "program.py", **where: Any) -> Place:
        """Give `/run local` and wait for the private answer that says where the run is."""
        answered = await (await self.run(script, name, **where)).answered(PATIENCE_S)
        found = _OPENED.fullmatch(answered.content)
        assert found, answered.content
        return Place(int(found[1]), int(found[2]))

    async def hold(self, name: str = "go", **where: Any) -> tuple[Place, Callable[[], None]]:
        """A run that has shown "before" and waits; calling what comes second lets it go on."""
        gate = self.folder / name
        place = await self.open(HOLDING, arguments=str(gate), **where)
        await self.line(place, "before")
        return place, gate.touch

    def press(self, place: Place, member: Acting | None = None, label: str = "Cancel") -> Any:
        """Press the button under the run's status message."""
        status = next(one for one in self.of(place) if has_button(one, label))
        return (member or self.ada).press(status.id, channel_id=place.room, label=label)

    def delete(self, message: Message) -> None:
        """An admin deletes a message."""
        self.server.admin.delete_message(message.channel_id, message.id)

    def delete_thread(self, thread_id: int) -> None:
        """An admin deletes a thread."""
        self.server.admin.delete_thread(thread_id)

    # --- looking ------------------------------------------------------------------------------------------------

    def of(self, place: Place) -> list[Message]:
        """The run's messages, oldest first; where it shares a channel, those that bear its number."""
        bot = self.server.bot_user_id
        found = [one for one in self.server.messages(place.room) if one.author.id == bot and int(one.type) == 0]
        if any(messages.is_part(one.content) for one in found):
            found = [one for one in found if one.content.startswith(f"-# Run #{place.number} · ")]
        return found

    def lines(self, place: Place) -> list[str]:
        """The output as it stands there now."""
        return [line for one in self.of(place) for line in lines_in(one.content)]

    async def event(self, fits: Callable[[MessageEvent], Any], within_s: float = PATIENCE_S) -> MessageEvent:
        """The first thing that became visible, or will, and fits."""
        return await self.server.wait_for(fits, within_s)

    async def line(self, place: Place, text: str) -> MessageEvent:
        """The event by which this line of the run became visible."""

        def shows(event: MessageEvent) -> bool:
            return event.channel_id == place.room and text in lines_in(event.content)

        return await self.event(shows)

    async def line_of_status(self, place: Place, text: str) -> MessageEvent:
        """The event by which the run's first message said this."""
        status = self.of(place)[0].id
        return await self.event(lambda event: event.message_id == status and text in event.content)

    async def verdict(self, place: Place) -> Status:
        """The run's verdict, once it is given and the status below it is up to date; there is no second one."""
        await self.event(lambda event: event.channel_id == place.room and _is_verdict(event, place.number))
        await self.closed(place)
        return self.given_verdict(place)

    def given_verdict(self, place: Place) -> Status:
        """The one verdict that stands there."""
        told = [messages.verdict_status(one.content) for one in self.of(place)]
        (verdict,) = [one for one in told if one is not None]
        return verdict

    async def closed(self, place: Place) -> None:
        """Wait until the relay has nothing more to show of a run."""
        run = await self.run_of(place)

        async def is_closed() -> bool:
            return (await self.store.place(run.id)).closed

        await self.store.until(is_closed)

    async def ended(self, place: Place) -> Run:
        """The run, once it has a final status, whether anybody sees it or not."""

        async def is_final() -> bool:
            return (await self.run_of(place)).status.final

        await self.store.until(is_final)
        return await self.run_of(place)

    async def run_of(self, place: Place) -> Run:
        """The run as the store has it."""
        run = await self.store.by_number(place.number)
        assert run is not None
        return run


def has_button(message: Message, label: str) -> bool:
    """Whether a button with this label stands under the message."""
    return any(one["label"] == label for row in message.components for one in row["components"])


def refused(answer: Interaction, said: str) -> None:
    """The interaction was answered privately with one sentence that has these words, in time."""
    assert answer.failed is None
    assert said in answer.content
    assert answer.ephemeral
    assert "\n" not in answer.content
    assert answer.content.endswith(".")
    assert answer.acknowledged_after is not None
    assert answer.acknowledged_after < 3


async def _end_delayed_ready() -> None:
    """End what discord.py waits with for two seconds after a login, and does not end when its client closes."""
    late = {task for task in asyncio.all_tasks() if "_delay_ready" in repr(task.get_coro())}
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


def _is_verdict(event: MessageEvent, number: int) -> bool:
    if event.event != "create" or messages.verdict_status(event.content) is None:
        return False
    return not messages.is_part(event.content) or event.content.startswith(f"-# Run #{number} · ")
