"""One worker a run: woken by hints, retried after a failure, never two at once."""

import asyncio

import pytest

from cluster_bot.scheduling import workers
from cluster_bot.scheduling.workers import Bell, Workers


async def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    assert await bell.wait(10)
    assert not await bell.wait(0.01)


async def test_a_run_has_one_worker_however_often_it_is_woken() -> None:
    at_work: list[str] = []
    let_go = asyncio.Event()

    async def work(run_id: str, bell: Bell) -> None:
        at_work.append(run_id)
        await let_go.wait()

    async with asyncio.TaskGroup() as group:
        crew = Workers("test", work)
        crew.attach(group)
        for _ in range(3):
            crew.wake("a")
        crew.wake("b")
        let_go.set()
    assert at_work == ["a", "b"]
    assert not crew.busy("a")


async def test_a_hint_that_comes_when_all_is_over_is_nobodys_fault() -> None:
    async def work(run_id: str, bell: Bell) -> None:
        raise AssertionError("nobody works any more")

    crew = Workers("test", work)
    async with asyncio.TaskGroup() as group:
        crew.attach(group)
    crew.wake("a")
    crew.wake("a")
    assert not crew.busy("a")


async def test_a_failed_worker_pauses_whatever_the_hints_and_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "FIRST_PAUSE_S", 0.2)
    loop = asyncio.get_running_loop()
    tries: list[float] = []
    failed = asyncio.Event()

    async def work(run_id: str, bell: Bell) -> None:
        tries.append(loop.time())
        if len(tries) == 1:
            failed.set()
            raise OSError("away")

    async with asyncio.TaskGroup() as group:
        crew = Workers("test", work)
        crew.attach(group)
        crew.wake("a")
        await failed.wait()
        for _ in range(5):
            crew.wake("a")
    assert len(tries) == 2
    assert tries[1] - tries[0] >= 0.2
