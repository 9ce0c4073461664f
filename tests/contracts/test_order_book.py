"""What every store promises about admins' orders and their journal."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import insert
from stores import NOW, opened

from cluster_bot.runs.orders import EVERYTHING, EVERYWHERE, Decided, Entry, Orders, machine
from cluster_bot.runs.run import Member
from cluster_bot.store import SqlStore
from cluster_bot.store.dialects import dialect_of
from cluster_bot.store.order_book import UnreadableOrdersError
from cluster_bot.store.tables import orders

ADA = Member("1", "ada \ud800\0")
BY_NOBODY = Entry("8", "the last run has ended", NOW, key="drained:1")
WHOLE = Orders(
    pauses={
        EVERYTHING: Decided("ada", NOW, NOW + 60, "why not", drain=True),
        machine("github", "H100"): Decided("b", 1),
    },
    bans={"7": Decided("ada", NOW, why="\ud83d mining \0")},
    channels=("9", "10"),
    admin_roles=("5",),
    log_channel="9",
    values={"gpus": ("T4", "H*"), "runs_per_hour": None, "live_per_member": 3, "gpu_minutes_per_day": 1.5},
    roles={"5": {"gpus": (), "live_per_member": 10}},
    members={"7": {"max_time_limit_s": 60}},
    greeted=True,
)


async def test_nothing_is_ordered_at_first(store: SqlStore) -> None:
    assert await store.book.orders(EVERYWHERE, "8") == {EVERYWHERE: Orders(), "8": Orders()}
    assert await store.book.journal("8", 10) == []
    assert await store.book.unshown(10) == []


async def test_orders_are_kept_whole_and_apart(store: SqlStore, url: str) -> None:
    kept = await store.book.change("8", lambda before: WHOLE, Entry("8", "did it all", NOW, ADA))
    async with opened(url) as again:
        found = await again.book.orders(EVERYWHERE, "8", "9")
        assert found[EVERYWHERE] == found["9"] == Orders()
        # What no database keeps in a text becomes harmless, and all the rest is as it was.
        assert found["8"] == kept == replace(WHOLE, bans={"7": replace(WHOLE.bans["7"], why="? mining \0")})
        [entry] = await again.book.journal("8", 10)
        assert (entry.text, entry.at, entry.by) == ("did it all", NOW, Member("1", "ada ?"))


async def test_of_changes_at_once_none_is_lost(store: SqlStore, url: str) -> None:
    async with opened(url) as other:

        async def ban(book: SqlStore, member: int) -> None:
            banned = Decided("ada", NOW)
            await book.book.change(EVERYWHERE, lambda before: before.with_ban(str(member), banned), None)

        await asyncio.gather(*(ban(one, n) for n in range(20) for one in (store, other)))
        assert set((await store.book.orders(EVERYWHERE))[EVERYWHERE].bans) == {str(n) for n in range(20)}


async def test_a_change_that_raises_changes_nothing(store: SqlStore) -> None:
    def refuse(before: Orders) -> Orders:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.book.change("8", refuse, Entry("8", "never", NOW, ADA))
    assert await store.book.journal("8", 10) == []
    assert (await store.book.orders("8"))["8"] == Orders()


async def test_a_note_with_a_key_is_kept_once(store: SqlStore) -> None:
    assert await store.book.note(BY_NOBODY)
    assert not await store.book.note(replace(BY_NOBODY, text="again"))
    assert await store.book.note(replace(BY_NOBODY, key=""))
    assert await store.book.note(replace(BY_NOBODY, key=""))
    assert [one.text for one in await store.book.journal("8", 10)] == [BY_NOBODY.text] * 3


async def test_what_was_not_shown_waits_in_order(store: SqlStore) -> None:
    for n in range(5):
        await store.book.note(Entry("8" if n % 2 else EVERYWHERE, f"entry {n}", NOW + n))
    waiting = await store.book.unshown(3)
    assert [one.text for one in waiting] == ["entry 0", "entry 1", "entry 2"]
    await store.book.shown([waiting[0].number, waiting[2].number])
    assert [one.text for one in await store.book.unshown(10)] == ["entry 1", "entry 3", "entry 4"]
    assert [one.text for one in await store.book.journal("8", 1)] == ["entry 3"]


async def test_orders_that_cannot_be_read_are_no_empty_ones(store: SqlStore, url: str) -> None:
    """Better nothing runs than what an admin forbade."""
    engine = dialect_of(url).writer()
    with engine.begin() as connection:
        connection.execute(insert(orders).values(scope="8", document='{"pauses": 3}'))
    engine.dispose()
    with pytest.raises(UnreadableOrdersError):
        await store.book.orders("8")
    assert (await store.book.orders("9"))["9"] == Orders()
