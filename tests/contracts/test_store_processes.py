"""What every store promises to those who share it: it is durable, and processes that use it at once do no harm."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import stores
from stores import NOW, WIDE, admitted, launched, log, opened, submission

from cluster_bot.errors import StaleRunError
from cluster_bot.runs.ports import Place
from cluster_bot.runs.run import Status
from cluster_bot.store import SqlStore


async def test_everything_is_there_after_reopening(url: str) -> None:
    async with opened(url) as store:
        run = await launched(store)
        await store.append(run.id, 1, [log(1), log(2)])
        await store.save_place(run.id, Place({"thread": 1}, shown_version=1))
        await store.put_blob(run.id, "plot.png", b"x")
    async with opened(url) as store:
        assert await store.unfinished() == [run]
        assert await store.events(run.id, 1, 0) == [log(1), log(2)]
        assert await store.place(run.id) == Place({"thread": 1}, shown_version=1)
        assert await store.blob(run.id, "plot.png") == b"x"
        assert not (await store.admit(submission("key"), WIDE, NOW)).fresh
        assert (await admitted(store, "next")).number == run.number + 1


async def test_what_one_store_wrote_another_reads_at_once(url: str) -> None:
    async with opened(url) as one, opened(url) as two:
        run = await launched(one)
        assert await two.load(run.id) == run
        await two.append(run.id, 1, [log(1)])
        assert await one.last_event(run.id, 1) == 1
        newer = await two.save(run)
        with pytest.raises(StaleRunError):
            await one.save(run)
        assert await one.load(run.id) == newer


async def one_pass() -> None:
    """One pass of the loop, so that each round of the next test cancels a little later in the calls."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


async def test_a_cancelled_caller_leaves_the_store_in_order(store: SqlStore) -> None:
    run = await launched(store)
    calls: list[Callable[[int], Any]] = [
        lambda n: store.append(run.id, 1, [log(n)]),
        lambda n: store.admit(submission(f"cancelled{n}"), WIDE, NOW),
        lambda n: store.save_place(run.id, Place({"n": n})),
        lambda n: store.events(run.id, 1, 0),
    ]
    for patience in range(40):
        tasks = [asyncio.ensure_future(call(patience + 1)) for call in calls]
        for _ in range(patience):
            await one_pass()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await store.append(run.id, 1, [log(1000)]) == 1
    assert (await admitted(store, "after")).status is Status.QUEUED
    assert (await store.save(run)).version == run.version + 1


# Processes are forked by one that has imported what takes long, three quarters of a second each.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["cluster_bot.store", "cluster_bot.store.sqlite", "cluster_bot.store.postgresql"])


class Process:
    """Another process, its word and its end."""

    def __init__(self, *arguments: str) -> None:
        self._connection, theirs = FORKS.Pipe()
        self._process = FORKS.Process(target=stores.use, args=(theirs, *arguments))
        self._process.start()
        theirs.close()

    def go(self) -> None:
        """Let it do its verb."""
        self._connection.send("go")

    async def told(self) -> dict[str, Any]:
        """The next thing it did; {} once it has ended."""
        try:
            return dict(await asyncio.to_thread(self._connection.recv))
        except EOFError:
            return {}

    async def ended(self) -> int | None:
        """Wait for its end; the exit code."""
        await asyncio.to_thread(self._process.join)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    async def close(self) -> None:
        self.kill()
        await self.ended()
        self._process.close()
        self._connection.close()


@asynccontextmanager
async def process(verb: str, *arguments: str) -> AsyncIterator[Process]:
    """Another process that has opened its store and waits for `go`."""
    started = Process(verb, *arguments)
    try:
        assert (await started.told()) == {"ready": True}
        yield started
    finally:
        await started.close()


async def go(*processes: Process) -> list[dict[str, Any]]:
    """Let all go on at once; everything they did, once they have ended well."""
    done: list[dict[str, Any]] = []
    for one in processes:
        one.go()
    for one in processes:
        while fact := await one.told():
            done.append(fact)
        assert await one.ended() == 0
    return done


async def test_a_new_database_opened_by_many_at_once(url: str) -> None:
    async with AsyncExitStack() as stack:
        tasks = [asyncio.ensure_future(stack.enter_async_context(process("open", url))) for _ in range(6)]
        assert await go(*await asyncio.gather(*tasks)) == []


async def test_two_processes_stop_exactly_at_the_limit(store: SqlStore, url: str) -> None:
    async with process("admit", url, "a", "40", "25") as one, process("admit", url, "b", "40", "25") as two:
        facts = await go(one, two)
    assert len(facts) == 25
    assert sorted(fact["number"] for fact in facts) == list(range(1, 26))
    assert len(await store.unfinished()) == 25


async def test_two_processes_with_the_same_requests_make_one_run_each(store: SqlStore, url: str) -> None:
    async with process("admit", url, "a", "30", "99") as one, process("admit", url, "a", "30", "99") as two:
        facts = await go(one, two)
    assert len(facts) == 60
    assert sum(fact["fresh"] for fact in facts) == 30
    assert len({fact["id"] for fact in facts}) == len(await store.unfinished()) == 30


async def test_two_processes_append_to_one_run(store: SqlStore, url: str) -> None:
    run = await admitted(store)
    async with (
        process("append", url, run.id, "1", "2", "150") as odd,
        process("append", url, run.id, "2", "2", "150") as even,
    ):
        await go(odd, even)
    assert await store.last_event(run.id, 0) == 300


async def test_stores_that_append_the_same_in_opposite_order_do_not_lock_each_other_out(url: str) -> None:
    async with opened(url) as one, opened(url) as two:
        runs = [await admitted(one, f"key{n}") for n in range(10)]
        events = [log(n) for n in range(1, 41)]
        there = [one.append(run.id, 0, events) for run in runs]
        back = [two.append(run.id, 0, events[::-1]) for run in runs[::-1]]
        assert sum(await asyncio.gather(*there, *back)) == 400
        for run in runs:
            assert await one.last_event(run.id, 0) == 40


async def test_of_two_processes_one_gets_the_claim(store: SqlStore, url: str) -> None:
    runs = [(await launched(store, f"key{n}")).id for n in range(30)]
    async with process("claim", url, "a" * 32, *runs) as one, process("claim", url, "b" * 32, *runs[::-1]) as two:
        facts = await go(one, two)
    assert len(facts) == 60
    assert sorted(fact["run"] for fact in facts if fact["won"]) == sorted(runs)
    for fact in facts:
        assert await store.claim(fact["run"], 1, fact["instance"]) == fact["won"]


async def test_a_process_that_stops_and_one_that_claims_agree(store: SqlStore, url: str) -> None:
    runs = [(await launched(store, f"key{n}")).id for n in range(30)]
    async with process("claim", url, "a" * 32, *runs) as claiming, process("stop", url, *runs) as stopping:
        facts = await go(claiming, stopping)
    # Whoever was first; afterwards the stop holds, also for those who had the claim.
    assert sum("won" in fact for fact in facts) == sum("stopped" in fact for fact in facts) == 30
    for run_id in runs:
        assert not await store.claim(run_id, 1, "a" * 32)


@pytest.mark.parametrize("enough", [1, 40, 200])
async def test_what_was_acknowledged_survives_a_kill(store: SqlStore, url: str, enough: int) -> None:
    run = await admitted(store)
    async with (
        process("append", url, run.id, "1", "1", "100000") as appending,
        process("save", url, run.id, "100000") as saving,
    ):
        for one in (appending, saving):
            one.go()
        appended = version = 0
        while min(appended, version) < enough:
            appended = (await appending.told())["appended"]
            version = (await saving.told())["version"]
        for one in (appending, saving):
            one.kill()
        # What was said before the kill arrived counts too.
        for one in (appending, saving):
            while fact := await one.told():
                appended, version = fact.get("appended", appended), fact.get("version", version)
    async with opened(url) as after:
        last = await after.last_event(run.id, 0)
        assert last in (appended, appended + 1)
        assert [event.n for event in await after.events(run.id, 0, 0, limit=last)] == list(range(1, last + 1))
        assert (await after.load(run.id)).version in (version, version + 1)
        assert await after.append(run.id, 0, [log(last + 1)]) == 1
