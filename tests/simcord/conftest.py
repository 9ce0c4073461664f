"""The real bot on SimCord's Discord: scheduler, follower, relay, store and local launcher are the product's own.

SimCord waits after each act until everything that the bot's command callbacks started is done. Runs go on much longer
than a command, so they are moved by tasks that start before SimCord does and hear of new runs through a queue, as they
would from another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import discord
import pytest

import simcord
from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.bot import BotOptions, ClusterBot
from cluster_bot.discord_bot.thread_feed import ThreadFeed
from cluster_bot.errors import UserError
from cluster_bot.launchers.local_process import LocalProcess
from cluster_bot.runs.ports import Memory
from cluster_bot.runs.rules import Limits, Rules
from cluster_bot.runs.run import Run, Status
from cluster_bot.scheduling.budget import Budget
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.follower import Follower
from cluster_bot.scheduling.relay import Relay
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.store import SqlStore

T = TypeVar("T")


class QueuedHints:
    """The `Hints` port: given wherever, heard by the one task that runs `pass_on`."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._ears: list[Callable[[str], None]] = []

    def give(self, run_id: str) -> None:
        self._queue.put_nowait(run_id)

    def listen(self, ear: Callable[[str], None]) -> None:
        self._ears.append(ear)

    async def pass_on(self) -> None:
        while True:
            run_id = await self._queue.get()
            for ear in self._ears:
                ear(run_id)


@dataclass
class House:
    """Everything of the product but the bot, at work."""

    store: SqlStore
    scheduler: Scheduler
    bots: list[ClusterBot] = field(default_factory=list)

    def bot(self) -> ClusterBot:
        """A new life of the bot, which the relay writes with from now on."""
        self.bots.append(ClusterBot(self.scheduler, BotOptions()))
        return self.bots[-1]


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[House]:
    """A house with its follower and relay running."""
    store = await SqlStore.open(f"sqlite+aiosqlite:///{folder / 'store.sqlite3'}")
    launcher = LocalProcess(folder / "local", same_user="always", sandbox="none")
    rules, wishes, news, budget = Rules(), QueuedHints(), QueuedHints(), Budget(40)
    house = House(
        store,
        Scheduler(
            store,
            [launcher],
            wishes=wishes,
            news=news,
            desk=Desk(store.book, usual=Limits(time_limit_s=60, max_time_limit_s=600), rules=rules),
        ),
    )

    def make_feed(run: Run, memory: Memory) -> ThreadFeed:
        return ThreadFeed(house.bots[-1], run, memory, budget)

    follower = Follower(launcher, store, lambda: rules, wishes=wishes, news=news)
    relay = Relay(store, make_feed, news=news, pace_s=0.05)
    work = [follower.run(), relay.run(), wishes.pass_on(), news.pass_on()]
    tasks = [asyncio.create_task(one, name=one.__qualname__) for one in work]
    try:
        yield house
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await launcher.close()
        await store.close()
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


class Stage:
    """A guild with one channel and a member, and what a test may ask about them."""

    def __init__(self, env: simcord.Env, house: House) -> None:
        self.env = env
        self.house = house
        self.guild = env.create_guild()
        self.channel = self.guild.create_text_channel("general")
        self.ada = self.member("ada")
        self._changed = asyncio.Event()
        env.backend.subscribers.append(lambda event, payload: self._changed.set())

    def member(self, name: str, **permissions: bool) -> Any:
        """A member of the guild; with `permissions`, if any."""
        roles = [self.guild.create_role(name, permissions=discord.Permissions(**permissions))] if permissions else []
        return self.guild.add_member(self.env.create_user(name), roles=roles)

    async def until(self, find: Callable[[], T | None], within_s: float = 60) -> T:
        """What `find` finds, looked for after each thing that happens on this Discord."""
        try:
            async with asyncio.timeout(within_s):
                while (found := find()) is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not found in {within_s} s:\n{self.env.transcript()}") from None
        return found

    async def run(self, script: str, name: str = "program.py", **options: Any) -> Any:
        """Type `/run local` with `script` attached; what the member is told."""
        return await self.ada.slash(self.channel, "run local", script=(name, script.encode()), **options)

    def thread(self) -> Any:
        """The one thread there is, None before."""
        threads = self.channel.threads
        assert len(threads) <= 1
        return threads[0] if threads else None

    def texts(self) -> list[str]:
        """What the thread's messages say, oldest first; the notice that a thread was made is none."""
        ours = (discord.MessageType.default, discord.MessageType.reply)
        return [one.content for one in self.thread().history() if one.type in ours]

    def verdict(self) -> Status | None:
        """The status that the thread's last message tells, None while it is no verdict."""
        return messages.verdict_status(self.texts()[-1]) if self.thread() and self.texts() else None

    def reactions(self) -> list[int]:
        """How the bot first answered each interaction: 4 with a message, 5 by deferring."""
        callbacks = [one for one in self.env.http_requests if one.path.endswith("/callback")]
        return [one.json["type"] for one in callbacks]

    def refusals(self) -> list[str]:
        """The reasons of the commands that were refused; SimCord takes refusals for errors until they are looked at."""
        causes = [getattr(error, "original", error) for error in self.env.errors]
        assert all(isinstance(cause, UserError) for cause in causes), causes
        return [cause.reason for cause in causes]

    def status_message(self) -> Any:
        """The status message with the Cancel button under it, None while there is none."""
        found = self.thread().history() if self.thread() else []
        return next((one for one in found if messages.CANCEL_BUTTON in _labels(one)), None)


def _labels(message: Any) -> list[str]:
    return [one.label for row in message.components for one in row.children]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The product without its bot, at work."""
    async with at_work(tmp_path) as working:
        yield working


@pytest.fixture
def simcord_bot(house: House) -> ClusterBot:
    """What SimCord's own fixture `simcord_env` logs in."""
    return house.bot()


@pytest.fixture
def stage(house: House, simcord_env: simcord.Env) -> Stage:
    """The bot, logged in to a SimCord Discord of its own; any error that it swallowed fails the test."""
    return Stage(simcord_env, house)
