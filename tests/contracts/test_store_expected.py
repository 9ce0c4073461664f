"""Machines that are to appear: kept until they have, whatever their people are called."""

from dataclasses import replace

from stores import opened

from cluster_bot.runs.machines import Expected
from cluster_bot.runs.run import Member
from cluster_bot.store import SqlStore

ADA = Member("7", "ada\0 \ud800 ☂")
BOX = Expected("a" * 32, "box", "H100", "github", ADA, "5", 1e9, place={"token": "t", "dm": ""})


async def test_what_is_expected_outlives_the_bot(store: SqlStore, url: str) -> None:
    assert await store.expected.all() == []
    other = replace(BOX, id="b" * 32, once=True, test=False)
    await store.expected.put(BOX)
    await store.expected.put(other)
    there = replace(BOX, online_at=5.5, run_id="c" * 32)
    await store.expected.put(there)
    async with opened(url) as again:
        kept = [replace(one, by=Member("7", "ada ? ☂")) for one in (there, other)]
        assert sorted(await again.expected.all(), key=lambda one: one.id) == kept
        await again.expected.drop(BOX.id)
        await again.expected.drop(BOX.id)
    assert await store.expected.all() == kept[1:]
