"""What the Modal launcher promises beside what every launcher does: calls too many, many runs, what is let go."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import pytest
from launchers import PATIENCE_S
from launchers_modal import ModalHarness

from cluster_bot.launchers.modal_functions import ModalFunctions
from cluster_bot.runs.ports import LaunchRefusedError, LaunchUncertainError
from cluster_bot.runs.run import Handle, Run, Sighting
from cluster_sandbox.record import Request

HOLD = """
import os, time
print("ready")
while not os.path.exists({go!r}):
    time.sleep(0.01)
"""


@pytest.fixture
async def world() -> AsyncIterator[ModalHarness]:
    async with ModalHarness.opened() as opened:
        yield opened


@asynccontextmanager
async def a_launcher(world: ModalHarness) -> AsyncIterator[tuple[ModalFunctions, asyncio.Event]]:
    """A launcher, and what is rung when there may be something new."""
    launcher, news = world.launcher(), asyncio.Event()
    world.listen(launcher, lambda _: None, news.set)
    try:
        yield launcher, news
    finally:
        await launcher.close()


async def heard(launcher: ModalFunctions, news: asyncio.Event, run: Run) -> None:
    """Wait for the run's first words."""
    async with asyncio.timeout(PATIENCE_S):
        while not await launcher.fetch(run, 0):
            await news.wait()
            news.clear()


async def look(launcher: ModalFunctions, handle: Handle) -> Sighting:
    return (await launcher.poll([handle]))[handle].sighting


async def test_the_call_that_lost_speaks_for_the_one_that_won(world: ModalHarness) -> None:
    run = await world.run(HOLD.format(go=str(world.outside / "go")))
    async with a_launcher(world) as (launcher, news):
        won = await launcher.start(run)
        await heard(launcher, news, run)
        lost = await launcher.start(run)
        assert lost != won
        await world.call_ends(lost)
        assert await look(launcher, lost) is Sighting.RUNNING
        assert await launcher.find(run) == won
        (world.outside / "go").touch()
        await world.ended(run)
        assert await look(launcher, lost) is Sighting.FINISHED


async def test_a_refusal_after_a_lost_answer_is_made_sure_of(world: ModalHarness) -> None:
    run = await world.run("print('never')")

    async with a_launcher(world) as (launcher, _):
        # The first asking takes effect; what the client hears is a no.
        world.server.hold_containers()
        world.server.fail("FunctionMap", "RESOURCE_EXHAUSTED", after=True)
        with pytest.raises(LaunchRefusedError) as refused:
            await launcher.start(run)
        assert refused.value.again
        world.server.release_containers()
        await world.ended(run)
        (call,) = world.server.calls
        assert call.container is not None
        assert "Nothing was executed" in call.container.log.text
        # What was forbidden stays so; another attempt is another.
        assert await launcher.find(run) is None
        with pytest.raises(LaunchRefusedError):
            await launcher.start(run)
        second = replace(run, attempt=2)
        handle = await launcher.start(second)
        await world.ended(second)
        assert await look(launcher, handle) is Sighting.FINISHED


async def test_a_refusal_that_cannot_be_made_sure_of_is_none(world: ModalHarness) -> None:
    run = await world.run("print('once')")
    async with a_launcher(world) as (launcher, _):
        world.server.fail("FunctionMap", "RESOURCE_EXHAUSTED", after=True)
        world.server.fail("DictUpdate", times=4, match=lambda request: request.query["caller"] == "client")
        with pytest.raises(LaunchUncertainError):
            await launcher.start(run)


async def test_a_hundred_runs_under_way_keep_nobody_from_asking(world: ModalHarness) -> None:
    async with a_launcher(world) as (launcher, _):
        run = await world.run("pass")
        arrived, all_there = count(1), asyncio.Event()

        def one_more(request: Request) -> None:
            if next(arrived) == 130:
                all_there.set()

        world.server.fail("QueueNextItems", None, times=None, action=one_more)
        for number in range(130):
            launcher._receiver(f"{os.urandom(16).hex()}-{number + 1}")
        async with asyncio.timeout(PATIENCE_S):
            await all_there.wait()
        async with asyncio.timeout(PATIENCE_S):
            handle = await launcher.start(run)
            await world.ended(run)
            assert await look(launcher, handle) is Sighting.FINISHED


async def test_no_call_is_given_more_time_than_modal_takes(world: ModalHarness) -> None:
    async with a_launcher(world) as (launcher, _):
        for limit_s, timeout_s in ((1, 900), (300, 900), (301, 1200), (86_000, 86_400), (86_400, 86_400)):
            run = await world.run("pass", time_limit_s=limit_s)
            await launcher.start(run)
            assert world.server.calls[-1].timeout_s == timeout_s


async def test_nothing_of_a_run_that_was_let_go_is_watched(world: ModalHarness) -> None:
    run = await world.run("print('x')")
    async with a_launcher(world) as (launcher, news):
        handle = await launcher.start(run)
        await heard(launcher, news, run)
        await world.ended(run)
        assert await launcher.discard(run)
        # Whoever asks a moment too late.
        assert await launcher.fetch(run, 0) == []
        assert await look(launcher, handle) is Sighting.MISSING
        assert await launcher.left() == []
        assert (launcher._calls, launcher._receivers, launcher._readers, launcher._stops) == ({}, {}, {}, {})


@pytest.mark.parametrize("rpc", ["DictUpdate", "QueuePut"])
async def test_lost_answers_cost_a_container_nothing(world: ModalHarness, rpc: str) -> None:
    run = await world.run("print('once')")

    def of_the_container(request: Request) -> bool:
        return request.query["caller"] != "client"

    # More often than the client asks by itself.
    world.server.fail(rpc, None, times=5, after=True, drop_connection=True, match=of_the_container)
    async with a_launcher(world) as (launcher, news):
        await launcher.start(run)
        await world.ended(run)
        await heard(launcher, news, run)
        events = await launcher.fetch(run, 0)
        assert [event.kind for event in events] == ["hello", "phase", "log", "outcome"]
        assert [event.n for event in events] == [1, 2, 3, 4]
