"""What every store promises about claims: one runner executes an attempt, and none that is to stop, is over or past."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import update
from stores import NOW, admitted, launched, opened

from cluster_bot.errors import UnknownRunError
from cluster_bot.runs.ports import Standing
from cluster_bot.runs.run import Status
from cluster_bot.store import SqlStore
from cluster_bot.store.dialects import dialect_of
from cluster_bot.store.tables import runs

ONE, OTHER = "a" * 32, "b" * 32
EXECUTING = [Status.STARTING, Status.RUNNING]


async def test_the_standing_follows_the_run(store: SqlStore) -> None:
    run = await admitted(store)
    assert await store.standing(run.id) == Standing(Status.QUEUED, 0, None)
    run = await store.save(replace(run, status=Status.STARTING, attempt=3))
    assert await store.standing(run.id) == Standing(Status.STARTING, 3, None)
    await store.save(replace(run, status=Status.LOST, finished_at=NOW))
    assert await store.standing(run.id) == Standing(Status.LOST, 3, NOW)
    with pytest.raises(UnknownRunError):
        await store.standing("0" * 32)


async def test_the_first_to_ask_gets_it_again_and_again(store: SqlStore) -> None:
    run = await launched(store)
    for _ in range(3):
        assert await store.claim(run.id, 1, ONE)
        assert not await store.claim(run.id, 1, OTHER)
    assert await store.load(run.id) == run


async def test_a_claim_needs_no_handle_and_survives_the_save_of_one(store: SqlStore) -> None:
    run = await launched(store)
    assert run.handle is None
    assert await store.claim(run.id, 1, ONE)
    await store.save(replace(run, status=Status.RUNNING))
    assert await store.claim(run.id, 1, ONE)
    assert not await store.claim(run.id, 1, OTHER)


@pytest.mark.parametrize("status", Status)
async def test_only_a_run_under_way_can_be_claimed(store: SqlStore, status: Status) -> None:
    run = await launched(store)
    await store.save(replace(run, status=status, finished_at=NOW if status.final else None))
    assert await store.claim(run.id, 1, ONE) is (status in EXECUTING)


@pytest.mark.parametrize("status", [status for status in Status if status not in EXECUTING])
async def test_whoever_had_it_is_refused_once_the_run_may_not_execute(store: SqlStore, status: Status) -> None:
    run = await launched(store)
    assert await store.claim(run.id, 1, ONE)
    await store.save(replace(run, status=status, finished_at=NOW if status.final else None))
    assert not await store.claim(run.id, 1, ONE)


async def test_only_the_current_attempt_can_be_claimed(store: SqlStore) -> None:
    run = await launched(store)
    assert not await store.claim(run.id, 0, ONE)
    assert not await store.claim(run.id, 2, ONE)
    assert await store.claim(run.id, 1, ONE)
    await store.save(replace(run, attempt=2))
    assert not await store.claim(run.id, 1, ONE)
    assert await store.claim(run.id, 2, OTHER)
    assert not await store.claim(run.id, 2, ONE)


async def test_an_attempt_that_waits_again_cannot_be_claimed_late(store: SqlStore) -> None:
    # Its launcher said that it never began; the next attempt will, so this one must not.
    run = await launched(store)
    waiting = await store.save(replace(run, status=Status.QUEUED))
    assert not await store.claim(run.id, 1, ONE)
    await store.save(replace(waiting, status=Status.STARTING, attempt=2))
    assert not await store.claim(run.id, 1, ONE)


async def test_runs_do_not_share_claims(store: SqlStore) -> None:
    one, two = await launched(store, "one"), await launched(store, "two")
    assert await store.claim(one.id, 1, ONE)
    assert await store.claim(two.id, 1, OTHER)
    with pytest.raises(UnknownRunError):
        await store.claim("0" * 32, 1, ONE)


async def test_a_claim_is_there_after_reopening(url: str) -> None:
    async with opened(url) as store:
        run = await launched(store)
        assert await store.claim(run.id, 1, ONE)
    async with opened(url) as store:
        assert not await store.claim(run.id, 1, OTHER)
        assert await store.claim(run.id, 1, ONE)


async def test_of_fifty_at_once_by_two_stores_one_gets_it(url: str) -> None:
    async with opened(url) as one, opened(url) as two:
        run = await launched(one)
        tries = [(one, two)[n % 2].claim(run.id, 1, f"{n:032x}") for n in range(50)]
        assert sum(await asyncio.gather(*tries)) == 1


async def test_a_claim_and_a_stop_at_once_are_one_after_the_other(url: str) -> None:
    async with opened(url) as one, opened(url) as two:
        for n in range(20):
            run = await launched(one, f"key{n}")
            stop = asyncio.ensure_future(two.save(replace(run, status=Status.STOPPING)))
            await asyncio.gather(*(one.claim(run.id, 1, ONE) for _ in range(3)), stop)
            assert not await one.claim(run.id, 1, ONE)


async def test_a_claim_waits_for_a_stop_under_way(store: SqlStore, url: str) -> None:
    run = await launched(store)
    engine = dialect_of(url).writer()
    with engine.begin() as other:
        other.execute(update(runs).where(runs.c.id == run.id).values(status="stopping"))
        claim = asyncio.ensure_future(store.claim(run.id, 1, ONE))
        # A claim that does not wait would be answered by now; one that waits is not, however slow the machine.
        done, _ = await asyncio.wait({claim}, timeout=0.3)
        assert not done
    engine.dispose()
    assert not await claim


async def test_odd_instances_are_told_apart(store: SqlStore) -> None:
    run = await launched(store)
    assert await store.claim(run.id, 1, "\0\ud800")
    assert not await store.claim(run.id, 1, "\\0\ud800")
    assert await store.claim(run.id, 1, "\0\ud800")
