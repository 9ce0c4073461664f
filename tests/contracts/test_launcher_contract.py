"""What every launcher promises: each sentence of the `Launcher` port (and of `SpoolSource`), on every one of
`launchers.HARNESSES`. The verbs are defined by the state in which each may be called: any, and again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import launchers
import pytest
from launchers import PATIENCE_S, Harness

from cluster_bot.runs.ports import Launcher, LaunchRefusedError, LaunchUncertainError, SpoolSource, Unknowable
from cluster_bot.runs.run import Handle, Run, Sighting
from cluster_runner.wire import Event

_HOLD = """
import os, time
with open({ran!r}, "a") as file:
    file.write("x")
print("ready")
while not os.path.exists({go!r}):
    time.sleep(0.01)
print("done")
"""


class Bot:
    """What a bot has of a launcher: the object, and the news it hears."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher
        self.rung: set[str] = set()
        self._news = asyncio.Event()
        if isinstance(launcher, SpoolSource):
            launcher.on_news(self._hear)

    def _hear(self, run_id: str) -> None:
        self.rung.add(run_id)
        self._news.set()

    @property
    def spool(self) -> SpoolSource:
        if not isinstance(self.launcher, SpoolSource):
            pytest.skip("NOT TESTED: this launcher's runners send their events by another way")
        return self.launcher

    async def told(self, run: Run, enough: Callable[[list[Event]], object], after: int = 0) -> list[Event]:
        """The run's events over `after`, once they are enough."""
        events: list[Event] = []
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._news.clear()
                while more := await self.spool.fetch(run, events[-1].n if events else after):
                    events += more
                if enough(events):
                    return events
                await self._news.wait()

    async def look(self, handle: Handle) -> Sighting:
        return (await self.launcher.poll([handle]))[handle].sighting


@pytest.fixture(params=launchers.HARNESSES)
def world(request: pytest.FixtureRequest) -> Iterator[Harness]:
    harness = launchers.HARNESSES[request.param]()
    yield harness
    harness.dispose()


@asynccontextmanager
async def a_bot(world: Harness) -> AsyncIterator[Bot]:
    """A bot's lifetime."""
    bot = Bot(world.launcher())
    try:
        yield bot
    finally:
        await bot.launcher.close()


@pytest.fixture
async def bot(world: Harness) -> AsyncIterator[Bot]:
    async with a_bot(world) as bot:
        yield bot


class Held:
    """A run whose program says "ready", notes that it ran, and goes on when it is let go."""

    def __init__(self, world: Harness) -> None:
        self._world = world
        self._go, self._ran = world.outside / "go", world.outside / "ran"
        self.run = world.run(_HOLD.format(go=str(self._go), ran=str(self._ran)))

    def let_go(self) -> None:
        self._go.touch()

    @property
    def times(self) -> int:
        """How often the program began."""
        return len(self._ran.read_text()) if self._ran.exists() else 0


@pytest.fixture
def held(world: Harness) -> Held:
    return Held(world)


def over(events: list[Event]) -> bool:
    return bool(events) and events[-1].kind == "outcome"


def ready(events: list[Event]) -> bool:
    return "ready" in printed(events)


def printed(events: list[Event]) -> str:
    return "".join(event.body["text"] for event in events if event.kind == "log")


async def finish(world: Harness, bot: Bot, held: Held, handle: Handle) -> list[Event]:
    """Let the program end, and everything of the scheduler's."""
    held.let_go()
    events = await bot.told(held.run, over)
    await world.ended(held.run)
    assert await bot.look(handle) is Sighting.FINISHED
    return events


# --- start and find ---------------------------------------------------------------------------------------------


async def test_start_returns_when_accepted_and_the_program_runs(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.launcher.start(held.run)
    await bot.told(held.run, ready)
    assert await bot.look(handle) is Sighting.RUNNING
    events = await finish(world, bot, held, handle)
    assert (events[-1].outcome.result, events[-1].outcome.exit_code, held.times) == ("exited", 0, 1)


async def test_started_again_it_runs_once(world: Harness, bot: Bot, held: Held) -> None:
    if not bot.launcher.claims:
        pytest.skip("NOT TESTED: this launcher has no claim, so nobody starts anything twice")
    first = await bot.launcher.start(held.run)
    others = await asyncio.gather(*(bot.launcher.start(held.run) for _ in range(3)))
    async with a_bot(world) as second:
        others += [await second.launcher.start(held.run)]
        await second.told(held.run, ready)
    assert {first, *others} == {first}
    async with a_bot(world) as third:
        await finish(world, third, held, first)
        await third.launcher.start(held.run)
        await world.ended(held.run)
        assert await third.look(first) is Sighting.FINISHED
    assert held.times == 1


async def test_each_attempt_is_one_of_its_own(world: Harness, bot: Bot) -> None:
    first = world.run("print('one')")
    second = world.run("print('two')", id=first.id, attempt=2)
    handles = [await bot.launcher.start(run) for run in (first, second)]
    assert handles[0] != handles[1]
    assert printed(await bot.told(first, over)) == "one\n"
    assert printed(await bot.told(second, over)) == "two\n"


async def test_find_knows_what_was_started_and_nothing_else(world: Harness, bot: Bot, held: Held) -> None:
    assert await bot.launcher.find(held.run) is None
    handle = await bot.launcher.start(held.run)
    await bot.told(held.run, ready)
    assert await bot.launcher.find(held.run) == handle
    assert await bot.launcher.find(replace(held.run, attempt=2)) is None
    await finish(world, bot, held, handle)
    assert await bot.launcher.find(held.run) == handle


async def test_after_a_crash_between_start_and_save_it_is_found(world: Harness, held: Held) -> None:
    async with a_bot(world) as first:
        handle = await first.launcher.start(held.run)
        await first.told(held.run, ready)
    async with a_bot(world) as second:
        assert await second.launcher.find(held.run) == handle
        await finish(world, second, held, handle)
    assert held.times == 1


async def test_after_a_crash_within_start_it_is_not_found_and_starts(world: Harness, bot: Bot, held: Held) -> None:
    world.half_started(held.run)
    assert await bot.launcher.find(held.run) is None
    handle = await bot.launcher.start(held.run)
    await finish(world, bot, held, handle)
    assert held.times == 1


async def test_during_an_outage_nothing_is_started_and_find_cannot_know(world: Harness, bot: Bot, held: Held) -> None:
    with world.outage():
        with pytest.raises((LaunchRefusedError, LaunchUncertainError)) as refused:
            await bot.launcher.start(held.run)
        assert not isinstance(refused.value, LaunchRefusedError) or refused.value.again
        assert await bot.launcher.find(held.run) is Unknowable.NOW
    handle = await bot.launcher.start(held.run)
    await finish(world, bot, held, handle)
    assert held.times == 1


# --- poll -------------------------------------------------------------------------------------------------------


async def test_one_look_answers_for_every_handle(world: Harness, bot: Bot, held: Held) -> None:
    ended = world.run("print('short')")
    running, finished = await bot.launcher.start(held.run), await bot.launcher.start(ended)
    await bot.told(held.run, ready)
    await bot.told(ended, over)
    await world.ended(ended)
    strange = [Handle(text) for text in ("", "{}", "[1]", '{"folder": 5}', '{"folder": "../../etc"}', "\x00", "null")]
    seen = await bot.launcher.poll([running, finished, *strange])
    assert seen[running].sighting is Sighting.RUNNING
    assert seen[finished].sighting is Sighting.FINISHED
    assert {seen[handle].sighting for handle in strange} <= {Sighting.MISSING, Sighting.UNKNOWN}
    assert not any(observation.never_ran for observation in seen.values())
    assert await bot.launcher.poll([]) == {}
    held.let_go()
    await bot.told(held.run, over)


async def test_an_outage_is_unknown_and_passes(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.launcher.start(held.run)
    await bot.told(held.run, ready)
    with world.outage():
        seen = await bot.launcher.poll([handle, Handle("odd")])
        assert seen[handle].sighting is Sighting.UNKNOWN
        assert len(seen) == 2
    assert await bot.look(handle) is Sighting.RUNNING
    await finish(world, bot, held, handle)


async def test_a_killed_runner_is_finished_and_did_run(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.launcher.start(held.run)
    await bot.told(held.run, ready)
    world.kill_runner(held.run)
    await world.ended(held.run)
    seen = (await bot.launcher.poll([handle]))[handle]
    assert (seen.sighting, seen.never_ran) == (Sighting.FINISHED, False)
    assert not over(list(await bot.spool.fetch(held.run, 0)))


async def test_a_run_without_a_runner_is_pending_first_and_never_ran_later(
    world: Harness, bot: Bot, held: Held
) -> None:
    world.half_started(held.run)
    late = world.run(f"open({str(world.outside / 'late')!r}, 'w')")
    lost = world.never_claimed(late)
    seen = (await bot.launcher.poll([lost]))[lost]
    assert (seen.sighting, seen.never_ran) == (Sighting.MISSING, True)
    # The promise holds whatever comes later, a runner too.
    await bot.launcher.start(late)
    assert await bot.launcher.poll([lost]) == {lost: seen}
    assert await bot.launcher.find(late) == lost
    assert not (world.outside / "late").exists()
    young = await bot.launcher.start(held.run)
    assert await bot.look(young) in (Sighting.PENDING, Sighting.RUNNING)
    await finish(world, bot, held, young)


# --- stop -------------------------------------------------------------------------------------------------------


async def test_a_wish_to_stop_ends_it_however_often(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.launcher.start(held.run)
    await bot.told(held.run, ready)
    for _ in range(3):
        await bot.launcher.stop(handle)
    events = await bot.told(held.run, over)
    assert events[-1].outcome.result == "stopped"
    await world.ended(held.run)
    await bot.launcher.stop(handle)
    assert await bot.look(handle) is Sighting.FINISHED


async def test_a_wish_at_once_after_the_start_is_not_lost(world: Harness, bot: Bot, held: Held) -> None:
    await bot.launcher.stop(await bot.launcher.start(held.run))
    assert (await bot.told(held.run, over))[-1].outcome.result == "stopped"


async def test_a_wish_to_stop_what_is_gone_or_odd_is_fine(world: Harness, bot: Bot) -> None:
    run = world.run("pass")
    handle = await bot.launcher.start(run)
    await bot.told(run, over)
    await bot.spool.discard(run)
    for odd in (handle, Handle("odd"), Handle('{"folder": "../up"}')):
        await bot.launcher.stop(odd)


# --- the rest of the launcher -----------------------------------------------------------------------------------


async def test_runs_go_on_when_the_launcher_is_closed(world: Harness, held: Held) -> None:
    async with a_bot(world) as first:
        handle = await first.launcher.start(held.run)
        await first.told(held.run, ready)
    held.let_go()
    await world.ended(held.run)
    async with a_bot(world) as second:
        assert await second.look(handle) is Sighting.FINISHED
        assert over(await second.told(held.run, over))


async def test_it_has_a_name_an_offer_and_an_end(world: Harness) -> None:
    launcher = world.launcher()
    assert launcher.name.isidentifier()
    assert launcher.name == world.launcher_name
    assert len(await launcher.availability()) >= 1
    await launcher.close()
    await launcher.close()


# --- the spool --------------------------------------------------------------------------------------------------


async def test_every_event_comes_once_in_order_from_any_number(world: Harness, bot: Bot) -> None:
    run = world.run("import time\nfor number in range(30):\n    print(number)\n    time.sleep(0.05)")
    assert await bot.spool.fetch(run, 0) == []
    await bot.launcher.start(run)
    events = await bot.told(run, over)
    assert [event.n for event in events] == list(range(1, len(events) + 1))
    assert printed(events).split() == [str(number) for number in range(30)]
    for after in (0, 7, 3, len(events) - 1, len(events), len(events) + 5, 1):
        assert await bot.told(run, lambda got, after=after: len(got) >= len(events) - after, after) == events[after:]


async def test_the_rest_is_fetched_after_a_restart(world: Harness, held: Held) -> None:
    async with a_bot(world) as first:
        handle = await first.launcher.start(held.run)
        early = await first.told(held.run, ready)
    held.let_go()
    async with a_bot(world) as second:
        late = await second.told(held.run, over, early[-1].n)
        assert printed(early) + printed(late) == "ready\ndone\n"
        assert late[0].n == early[-1].n + 1
        await world.ended(held.run)
        assert await second.look(handle) is Sighting.FINISHED


async def test_news_name_the_run(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.launcher.start(held.run)
    await bot.told(held.run, ready)
    assert bot.rung == {held.run.id}
    await finish(world, bot, held, handle)


async def test_kept_files_can_be_had_and_nothing_else(world: Harness, bot: Bot) -> None:
    run = world.run("import os\nopen(os.environ['CLUSTER_ARTIFACTS'] + '/a.bin', 'wb').write(bytes(range(256)))")
    await bot.launcher.start(run)
    events = await bot.told(run, over)
    (stored,) = (event.body["stored"] for event in events if event.kind == "artifact")
    assert await bot.spool.artifact(run, stored) == bytes(range(256))
    for odd in ("nothing", "", ".", "..", "../payload.json", "/etc/passwd", "a\0b", "x" * 300):
        assert await bot.spool.artifact(run, odd) is None
    await bot.spool.discard(run)
    assert await bot.spool.artifact(run, stored) is None


async def test_discarded_it_is_gone_but_never_while_it_runs(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.launcher.start(held.run)
    await bot.told(held.run, ready)
    await bot.spool.discard(held.run)
    assert await bot.look(handle) is Sighting.RUNNING
    held.let_go()
    await bot.told(held.run, over)
    # At once: a runner that has told its outcome is about to end, and that is awaited.
    await bot.spool.discard(held.run)
    seen = (await bot.launcher.poll([handle]))[handle]
    assert (seen.sighting, seen.never_ran) == (Sighting.MISSING, False)
    await bot.spool.discard(held.run)
    assert await bot.spool.fetch(held.run, 0) == []
    assert await bot.launcher.find(held.run) is None
