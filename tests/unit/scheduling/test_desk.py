"""What the desk answers where nothing can be awaited, and who is told that the bot is drained."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cluster_bot.errors import StartupError
from cluster_bot.hints import LocalHints
from cluster_bot.runs.orders import EVERYTHING, EVERYWHERE, Decided, Orders
from cluster_bot.runs.run import Member
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.draining import Draining
from cluster_bot.store import SqlStore
from cluster_bot.store.dialects import dialect_of
from cluster_bot.store.tables import orders

ADA = Member("1", "ada")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await SqlStore.open(f"sqlite:///{tmp_path / 'bot.sqlite3'}")
    yield opened
    await opened.close()


class SlowBook:
    """A book of which each read waits, once `slow`, between having read and telling."""

    def __init__(self, store: SqlStore) -> None:
        self._book = store.book
        self.read, self.go = asyncio.Event(), asyncio.Event()
        self.slow = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    async def orders(self, *scopes: str) -> Mapping[str, Orders]:
        found = await self._book.orders(*scopes)
        if self.slow:
            self.read.set()
            await self.go.wait()
        return found


async def test_what_was_read_before_an_order_does_not_undo_it(store: SqlStore) -> None:
    book = SlowBook(store)
    desk = Desk(book)
    book.slow = True
    reading = asyncio.create_task(desk.in_force("8"))
    await book.read.wait()
    await desk.change(EVERYWHERE, ADA, "set it", lambda known: known.with_value("queue_limit_s", 7))
    book.go.set()
    await reading
    assert desk.rules.queue_limit_s == 7


async def test_what_is_over_is_forgotten_with_the_next_order(store: SqlStore) -> None:
    now = [100.0]
    desk, short = Desk(store.book, clock=lambda: now[0]), Decided("ada", 100.0, until=150.0)
    await desk.change("8", ADA, "did", lambda known: known.with_pause(EVERYTHING, short).with_ban("7", short))
    assert (await desk.orders("8")).bans == {"7": short}
    now[0] = 150.0
    # Whoever asks what is ordered is told what holds.
    assert await desk.orders("8") == Orders()
    assert (await desk.in_force("8")).here == Orders()
    await desk.change("8", ADA, "did", lambda known: known.with_log_channel("9"))
    assert (await store.book.orders("8"))["8"] == Orders(log_channel="9")


async def test_a_bot_does_not_start_on_orders_that_it_cannot_read(store: SqlStore, tmp_path: Path) -> None:
    engine = dialect_of(f"sqlite:///{tmp_path / 'bot.sqlite3'}").writer()
    with engine.begin() as connection:
        connection.execute(insert(orders).values(scope=EVERYWHERE, document='{"pauses": 3}'))
    engine.dispose()
    with pytest.raises(StartupError, match="restore a backup"):
        await Desk(store.book).open()


async def test_a_database_that_is_away_for_a_moment_keeps_nobody_from_hearing_of_the_drain(store: SqlStore) -> None:
    desk, news = Desk(store.book), LocalHints()
    count, asked, told = store.count, asyncio.Event(), asyncio.Event()

    async def away(which: object) -> int:
        asked.set()
        raise OSError("the database is away")

    store.count = away  # type: ignore[method-assign]
    drain = Decided("ada", 1.0, drain=True)
    work = asyncio.create_task(Draining(desk, store, news, "drained", again_s=0.01).run())
    await desk.change(EVERYWHERE, ADA, "drained", lambda known: known.with_pause(EVERYTHING, drain))
    await asked.wait()
    store.count = count  # type: ignore[method-assign]
    desk.listen(told.set)
    async with asyncio.timeout(10):
        await told.wait()
    work.cancel()
    assert [one.text for one in await desk.journal(EVERYWHERE, 1)] == ["drained"]
