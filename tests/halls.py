"""A hall: a Discord, a scheduler that stands in for the real one, and the real bot as a process between the two.

Used by the scenarios of each launcher, with a hall of its own kind. Everything waits for events of the servers. What
happened is judged by the programs' ledgers, by what Discord shows, by the scheduler's record and by the bot's database,
which is read from outside.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import warm
from cluster_bot.demo import bot_process
from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.chunks import lines_in
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import DiscordServer, File, Interaction, Message, MessageEvent
from job_programs import Ledger

# More than the minute after which a bot gives a dispatch up of which nothing was heard.
PATIENCE_S = 90.0
_OPENED = re.compile(r"Run #(\d+) is here: <#(\d+)>")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run shows itself, and its program's ledger."""

    number: int
    room: int
    ledger: Ledger


class Hall:
    """A bot at work, with one launcher."""

    launcher: ClassVar[str]
    """What members type."""
    gpu: ClassVar[str]
    """What they ask for where a test does not care."""

    def __init__(self, server: DiscordServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.data = folder / "data"
        self.ada = server.member("ada")
        self.general = server.channel_id("general")
        self.stack = AsyncExitStack()
        self._settings: dict[str, str] = {}
        self._ledgers = itertools.count(1)

    # --- the bot ------------------------------------------------------------------------------------------------

    async def begin(self, settings: Mapping[str, str]) -> None:
        """Start the bot with these settings, and whatever all halls have."""
        common = {"LOCAL_ENABLED": "false", "LIVE_RUNS_PER_MEMBER": "50", "OUTCOME_GRACE_S": "2"}
        self._settings = {**common, **settings}
        await self._begin()

    async def restart(self, meanwhile: Callable[[], Any] = lambda: None) -> None:
        """Stop the bot as a deploy would, do something, and start it again."""
        await self.stack.aclose()
        meanwhile()
        await self._begin()

    async def _begin(self) -> None:
        logins = self.server.gateway.logins
        bot_process.PYTHON = warm.python()
        await self.stack.enter_async_context(bot_process.started_bot(self.server, self.folder, self._settings))
        await self.server.gateway.wait_ready(PATIENCE_S, logins=logins + 1)

    # --- acting -------------------------------------------------------------------------------------------------

    def ledger(self) -> Ledger:
        """A new ledger."""
        return Ledger(self.folder / "ledgers" / f"{next(self._ledgers)}").make()

    async def give(
        self,
        text: str,
        *,
        name: str = "program.py",
        arguments: str = "",
        gpu: str | None = None,
        time_limit_s: int | None = None,
    ) -> Interaction:
        """Give `/run`; the interaction, not answered yet."""
        options: dict[str, Any] = {"script": File(name, text.encode()), "gpu": gpu or self.gpu}
        options |= {"arguments": arguments} if arguments else {}
        options |= {} if time_limit_s is None else {"time_limit": time_limit_s}
        return await self.ada.command(f"run {self.launcher}", channel_id=self.general, options=options)

    async def open(self, text: str, *, more: str = "", **how: Any) -> Place:
        """Give `/run` with a ledger as the first argument, and wait for the private word where the run is."""
        ledger = self.ledger()
        asked = await self.give(text, arguments=f"{ledger.path} {more}".strip(), **how)
        answered = await asked.answered(PATIENCE_S)
        found = _OPENED.fullmatch(answered.content)
        assert found, answered.content
        return Place(int(found[1]), int(found[2]), ledger)

    async def cancel(self, place: Place) -> None:
        """Press the button."""
        status = next(one for one in self.shown(place) if one.components)
        pressed = await self.ada.press(status.id, channel_id=place.room, label=messages.CANCEL_BUTTON)
        await pressed.answered(PATIENCE_S)

    # --- looking ------------------------------------------------------------------------------------------------

    def shown(self, place: Place) -> list[Message]:
        """The run's messages, oldest first."""
        bot = self.server.bot_user_id
        return [one for one in self.server.messages(place.room) if one.author.id == bot and int(one.type) == 0]

    def lines(self, place: Place) -> list[str]:
        """The output as it stands there now."""
        return [line for one in self.shown(place) for line in lines_in(one.content)]

    async def event(self, place: Place, fits: Callable[[MessageEvent], Any]) -> MessageEvent:
        """The first thing that became visible in the run's thread, or will, and fits."""
        return await self.server.wait_for(lambda event: event.channel_id == place.room and fits(event), PATIENCE_S)

    async def says(self, place: Place, words: str) -> MessageEvent:
        """The event by which these words became visible."""
        return await self.event(place, lambda event: words in plain(event.content))

    async def verdict(self, place: Place) -> tuple[Status, str]:
        """The run's one verdict, once it is given, and its words."""

        def told(event: MessageEvent) -> bool:
            return event.event == "create" and messages.verdict_status(event.content) is not None

        await self.event(place, told)
        verdicts = [one for one in self.shown(place) if messages.verdict_status(one.content) is not None]
        assert len(verdicts) == 1
        status = messages.verdict_status(verdicts[0].content)
        assert status is not None
        return status, verdicts[0].content

    async def noted(self, place: Place, what: str) -> None:
        """Return once the program has noted this."""
        await changed(place.ledger.path, lambda: what in place.ledger.notes())

    async def ends(self, place: Place, status: Status, *words: str) -> None:
        """Wait for this verdict, in these words."""
        told, text = await self.verdict(place)
        assert told is status, text
        for one in words:
            assert one in plain(text), plain(text)

    # --- the bot's database, from outside -------------------------------------------------------------------------

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the bot's database."""
        address = f"file:{self.data / 'cluster-bot.sqlite3'}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=30)) as database:
            return database.execute(statement, values).fetchall()

    def run_row(self, place: Place) -> tuple[str, str, int]:
        """Id, status and attempt of a run."""
        (row,) = self.query("SELECT id, status, attempt FROM runs WHERE number = ?", place.number)
        return row

    def logged(self, place: Place) -> list[str]:
        """The lines that the bot has."""
        rows = self.query(
            "SELECT body FROM events WHERE run_id = ? AND kind = 'log' ORDER BY attempt, number", self.run_row(place)[0]
        )
        return "".join(json.loads(body)["text"] for (body,) in rows).splitlines()


def plain(text: str) -> str:
    """What people read, without the marks that keep it from being markup."""
    return text.replace("\\", "")


async def changed(path: Path, fits: Callable[[], bool]) -> None:
    """Return once `fits()`, asked again after each change of the file."""
    tail = await asyncio.create_subprocess_exec(
        *("tail", "--follow", "--lines=+1", "--sleep-interval=0.05", str(path)), stdout=asyncio.subprocess.PIPE
    )
    assert tail.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not fits():
                await tail.stdout.readline()
    finally:
        tail.kill()
        await tail.wait()
