"""What every launcher promises: each sentence of the `Launcher` port (and of `SpoolSource`), on every one of
`HARNESSES`. The verbs are defined by the state in which each may be called: any, and again.

A test that needs more than every launcher has says so (`having`), and runs where that is.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from launchers import PATIENCE_S, Harness, LocalHarness
from launchers_github import GithubAlone, GithubReporting
from launchers_modal import ModalHarness

from cluster_bot.runs.ports import (
    Launcher,
    LaunchRefusedError,
    LaunchUncertainError,
    Recognising,
    SpoolKeeper,
    SpoolSource,
    Unknowable,
)
from cluster_bot.runs.run import Handle, Run, Sighting
from cluster_runner.wire import Event

HARNESSES: Mapping[str, type[Harness]] = {
    "local": LocalHarness,
    "github": GithubReporting,
    "github-alone": GithubAlone,
    "modal": ModalHarness,
}

_HOLD = """
import os, time
from beside.words import READY
with open({ran!r}, "a") as file:
    file.write("x")
with open({bell!r}, "w") as file:
    file.write("x")
print(READY)
while not os.path.exists({go!r}):
    time.sleep(0.01)
print("done")
"""


def having(*traits: str) -> pytest.MarkDecorator:
    """For a test of a promise that only these launchers make."""
    names = [name for name, harness in HARNESSES.items() if set(traits) <= set(harness.traits)]
    return pytest.mark.parametrize("world", names, indirect=True)


class Bot:
    """What a bot has of a launcher: the object, what came in for its runs, and the news it hears."""

    def __init__(self, world: Harness) -> None:
        self._world = world
        self.launcher: Launcher = world.launcher()
        self.rung: set[str] = set()
        self._news = asyncio.Event()
        world.listen(self.launcher, self.rung.add, self._news.set)

    @property
    def spool(self) -> SpoolSource:
        """The launcher's own channel; every launcher has one, be it for the end alone."""
        assert isinstance(self.launcher, SpoolSource)
        return self.launcher

    async def start(self, run: Run) -> Handle:
        """Start, and remember the handle."""
        handle = await self.launcher.start(run)
        self._world.accepted(run, handle)
        return handle

    async def told(self, run: Run, enough: Callable[[list[Event]], object], after: int = 0) -> list[Event]:
        """The run's events over `after`, once they are enough."""
        events: list[Event] = []
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._news.clear()
                while more := await self._world.events(self.launcher, run, events[-1].n if events else after):
                    events += more
                if enough(events):
                    return events
                await self._news.wait()

    async def fetched(self, run: Run, after: int = 0) -> list[Event]:
        """All there is in the launcher's own channel over `after`; the run is over, and seen to be."""
        run, events = self._world.as_saved(run), list[Event]()
        while more := await self.spool.fetch(run, events[-1].n if events else after):
            events += more
        return events

    async def look(self, handle: Handle) -> Sighting:
        return (await self.launcher.poll([handle]))[handle].sighting


@pytest.fixture(params=HARNESSES)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    async with HARNESSES[request.param].opened() as harness:
        yield harness


@asynccontextmanager
async def a_bot(world: Harness) -> AsyncIterator[Bot]:
    """A bot's lifetime."""
    bot = Bot(world)
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

    def __init__(self, world: Harness, run: Run, bell: asyncio.Event) -> None:
        self._world = world
        self._go, self._ran = world.outside / "go", world.outside / "ran"
        self._bell = bell
        self.run = run

    async def begun(self, bot: Bot) -> None:
        """Wait until the program runs; by what the bot is told, where that is told while it does."""
        if "live" in self._world.traits:
            await bot.told(self.run, ready)
        else:
            async with asyncio.timeout(PATIENCE_S):
                await self._bell.wait()

    def let_go(self) -> None:
        self._go.touch()

    @property
    def times(self) -> int:
        """How often the program began."""
        return len(self._ran.read_text()) if self._ran.exists() else 0


@pytest.fixture
async def held(world: Harness) -> AsyncIterator[Held]:
    bell, rung = world.outside / "bell", asyncio.Event()
    os.mkfifo(bell)
    bell.chmod(0o666)
    # Open for both, so that neither side ever waits for the other.
    heard = os.open(bell, os.O_RDWR | os.O_NONBLOCK)

    def hear() -> None:
        os.read(heard, 4096)
        rung.set()

    asyncio.get_running_loop().add_reader(heard, hear)
    names = {name: str(world.outside / name) for name in ("go", "ran", "bell")}
    try:
        yield Held(world, await world.run(_HOLD.format(**names)), rung)
    finally:
        asyncio.get_running_loop().remove_reader(heard)
        os.close(heard)


def over(events: list[Event]) -> bool:
    return bool(events) and events[-1].kind == "outcome"


def ready(events: list[Event]) -> bool:
    return "ready" in printed(events)


def printed(events: list[Event]) -> str:
    return "".join(event.body["text"] for event in events if event.kind == "log")


def named(launcher: Launcher, events: list[Event]) -> Handle | None:
    """Which launch executes, by the runner's own word."""
    told = [event.body.get("scheduler_run") for event in events if event.kind == "hello"]
    assert len(told) == 1
    return launcher.handle_of(told[0]) if isinstance(launcher, Recognising) and told[0] else None


def nothing(world: Harness) -> Unknowable | None:
    """What `find` says of an attempt that was never started."""
    return None if "denies" in world.traits else Unknowable.EVER


async def finish(world: Harness, bot: Bot, held: Held, handle: Handle) -> list[Event]:
    """Let the program end, and everything of the scheduler's."""
    held.let_go()
    events = await bot.told(held.run, over)
    await world.ended(held.run)
    assert await bot.look(handle) is Sighting.FINISHED
    return events


# --- start and find ---------------------------------------------------------------------------------------------


async def test_start_returns_when_accepted_and_the_program_runs(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    await held.begun(bot)
    assert await bot.look(handle) is Sighting.RUNNING
    events = await finish(world, bot, held, handle)
    assert (events[-1].outcome.result, events[-1].outcome.exit_code, held.times) == ("exited", 0, 1)


@having("claims")
async def test_started_again_it_runs_once(world: Harness, bot: Bot, held: Held) -> None:
    first = await bot.start(held.run)
    others = await asyncio.gather(*(bot.launcher.start(held.run) for _ in range(3)))
    async with a_bot(world) as second:
        others += [await second.launcher.start(held.run)]
        await held.begun(second)
    async with a_bot(world) as third:
        held.let_go()
        events = await third.told(held.run, over)
        executed = named(third.launcher, events) or first
        # Where the scheduler cannot tell a repeated launch, the runner says which of them it was.
        assert executed in (first, *others) if isinstance(third.launcher, Recognising) else {first, *others} == {first}
        await third.launcher.start(held.run)
        await world.ended(held.run)
        assert await third.look(executed) is Sighting.FINISHED
    assert held.times == 1


async def test_each_attempt_is_one_of_its_own(world: Harness, bot: Bot) -> None:
    first = await world.run("print('one')")
    handles = [await bot.start(first)]
    assert printed(await bot.told(first, over)) == "one\n"
    second = await world.run("print('two')", id=first.id, attempt=2)
    handles += [await bot.start(second)]
    assert handles[0] != handles[1]
    assert printed(await bot.told(second, over)) == "two\n"
    assert printed(await bot.told(first, over)) == "one\n"


async def test_a_superseded_attempt_does_not_speak_for_the_next(world: Harness, bot: Bot, held: Held) -> None:
    await bot.start(held.run)
    await held.begun(bot)
    second = await world.run("print('two')", id=held.run.id, attempt=2)
    await bot.start(second)
    assert printed(await bot.told(second, over)) == "two\n"
    held.let_go()


async def test_find_knows_what_was_started_and_nothing_else(world: Harness, bot: Bot, held: Held) -> None:
    assert await bot.launcher.find(held.run) is nothing(world)
    handle = await bot.start(held.run)
    await held.begun(bot)
    assert await bot.launcher.find(held.run) == handle
    assert await bot.launcher.find(replace(held.run, attempt=2)) is nothing(world)
    await finish(world, bot, held, handle)
    assert await bot.launcher.find(held.run) == handle


async def test_after_a_crash_between_start_and_save_it_is_found(world: Harness, held: Held) -> None:
    async with a_bot(world) as first:
        handle = await first.start(held.run)
        await held.begun(first)
    async with a_bot(world) as second:
        assert await second.launcher.find(held.run) == handle
        await finish(world, second, held, handle)
    assert held.times == 1


@having("denies")
async def test_after_a_crash_within_start_it_is_not_found_and_starts(world: Harness, bot: Bot, held: Held) -> None:
    world.half_started(held.run)
    assert await bot.launcher.find(held.run) is None
    handle = await bot.start(held.run)
    await finish(world, bot, held, handle)
    assert held.times == 1


async def test_after_a_crash_within_start_nobody_says_that_it_runs(world: Harness, bot: Bot, held: Held) -> None:
    world.half_started(held.run)
    assert await bot.launcher.find(held.run) is nothing(world)
    assert held.times == 0


async def test_during_an_outage_nothing_is_started_and_find_cannot_know(world: Harness, bot: Bot, held: Held) -> None:
    with world.outage():
        with pytest.raises((LaunchRefusedError, LaunchUncertainError)) as refused:
            await bot.start(held.run)
        assert not isinstance(refused.value, LaunchRefusedError) or refused.value.again
        assert await bot.launcher.find(held.run) is Unknowable.NOW
    handle = await bot.start(held.run)
    await finish(world, bot, held, handle)
    assert held.times == 1


# --- poll -------------------------------------------------------------------------------------------------------


async def test_one_look_answers_for_every_handle(world: Harness, bot: Bot, held: Held) -> None:
    ended = await world.run("print('short')")
    running, finished = await bot.start(held.run), await bot.start(ended)
    await held.begun(bot)
    await bot.told(ended, over)
    await world.ended(ended)
    strange = [Handle(text) for text in ("", "{}", "[1]", "\x00", "null", *world.odd_handles)]
    seen = await bot.launcher.poll([running, finished, *strange])
    assert seen[running].sighting is Sighting.RUNNING
    assert seen[finished].sighting is Sighting.FINISHED
    assert {seen[handle].sighting for handle in strange} <= {Sighting.MISSING, Sighting.UNKNOWN}
    assert not any(observation.never_ran for observation in seen.values())
    assert await bot.launcher.poll([]) == {}
    held.let_go()
    await bot.told(held.run, over)


async def test_an_outage_is_unknown_and_passes(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    await held.begun(bot)
    with world.outage():
        seen = await bot.launcher.poll([handle, Handle("odd")])
        assert seen[handle].sighting is Sighting.UNKNOWN
        assert len(seen) == 2
    assert await bot.look(handle) is Sighting.RUNNING
    await finish(world, bot, held, handle)


async def test_a_killed_runner_is_finished_and_did_run(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    await held.begun(bot)
    world.kill_runner(held.run)
    await world.ended(held.run)
    seen = (await bot.launcher.poll([handle]))[handle]
    assert (seen.sighting, seen.never_ran) == (Sighting.FINISHED, False)
    assert not over(list(await world.events(bot.launcher, held.run, 0)))
    assert not over(await bot.fetched(held.run))


@having("gives_up")
async def test_a_run_without_a_runner_is_pending_first_and_never_ran_later(
    world: Harness, bot: Bot, held: Held
) -> None:
    world.half_started(held.run)
    late = await world.run(f"open({str(world.outside / 'late')!r}, 'w')")
    lost = world.never_claimed(late)
    seen = (await bot.launcher.poll([lost]))[lost]
    assert (seen.sighting, seen.never_ran) == (Sighting.MISSING, True)
    # The promise holds whatever comes later, a runner too.
    await bot.launcher.start(late)
    assert await bot.launcher.poll([lost]) == {lost: seen}
    assert await bot.launcher.find(late) == lost
    assert not (world.outside / "late").exists()
    young = await bot.start(held.run)
    assert await bot.look(young) in (Sighting.PENDING, Sighting.RUNNING)
    await finish(world, bot, held, young)


@having("queues")
async def test_start_returns_and_the_run_is_pending_while_no_runner_is_free(
    world: Harness, bot: Bot, held: Held
) -> None:
    with world.busy():
        handle = await bot.start(held.run)
        assert await bot.look(handle) is Sighting.PENDING
        assert await bot.launcher.find(held.run) == handle
    await held.begun(bot)
    assert await bot.look(handle) is Sighting.RUNNING
    await finish(world, bot, held, handle)
    assert held.times == 1


@having("queues")
async def test_stopped_while_no_runner_is_free_it_never_executes(world: Harness, bot: Bot, held: Held) -> None:
    with world.busy():
        handle = await bot.start(held.run)
        await bot.launcher.stop(handle)
        await world.ended(held.run)
    seen = (await bot.launcher.poll([handle]))[handle]
    assert seen.sighting is Sighting.FINISHED
    assert seen.ending is not None
    assert held.times == 0


# --- stop -------------------------------------------------------------------------------------------------------


async def test_a_wish_to_stop_ends_it_however_often(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    await held.begun(bot)
    for _ in range(3):
        await bot.launcher.stop(handle)
    events = await bot.told(held.run, over)
    assert events[-1].outcome.result == "stopped"
    await world.ended(held.run)
    await bot.launcher.stop(handle)
    assert await bot.look(handle) is Sighting.FINISHED


async def test_a_wish_at_once_after_the_start_is_not_lost(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    await bot.launcher.stop(handle)
    # Nobody lets it go: it ends by the wish or not at all.
    if "always_tells" in world.traits:
        assert (await bot.told(held.run, over))[-1].outcome.result == "stopped"
    await world.ended(held.run)
    assert await bot.look(handle) is Sighting.FINISHED


async def test_a_wish_to_stop_what_is_gone_or_odd_is_fine(world: Harness, bot: Bot) -> None:
    run = await world.run("pass")
    handle = await bot.start(run)
    await bot.told(run, over)
    await bot.spool.discard(run)
    for odd in ("odd", "", *world.odd_handles):
        await bot.launcher.stop(Handle(odd))
    await bot.launcher.stop(handle)


# --- the rest of the launcher -----------------------------------------------------------------------------------


async def test_runs_go_on_when_the_launcher_is_closed(world: Harness, held: Held) -> None:
    async with a_bot(world) as first:
        handle = await first.start(held.run)
        await held.begun(first)
    held.let_go()
    await world.ended(held.run)
    async with a_bot(world) as second:
        assert await second.look(handle) is Sighting.FINISHED
        assert over(await second.told(held.run, over))


async def test_it_has_a_name_an_offer_and_an_end(world: Harness) -> None:
    launcher = world.launcher()
    assert launcher.name.isidentifier()
    assert launcher.name == world.launcher_name
    assert launcher.claims is ("claims" in world.traits)
    assert len(await launcher.availability()) >= 1
    await launcher.close()
    await launcher.close()


# --- the spool --------------------------------------------------------------------------------------------------


async def test_every_event_comes_once_in_order_from_any_number(world: Harness, bot: Bot) -> None:
    run = await world.run("import time\nfor number in range(30):\n    print(number)\n    time.sleep(0.05)")
    assert await bot.spool.fetch(run, 0) == []
    handle = await bot.start(run)
    events = await bot.told(run, over)
    assert [event.n for event in events] == list(range(1, len(events) + 1))
    assert printed(events).split() == [str(number) for number in range(30)]
    await world.ended(run)
    assert await bot.look(handle) is Sighting.FINISHED
    for after in (0, 7, 3, len(events) - 1, len(events), len(events) + 5, 1):
        assert await bot.told(run, lambda got, after=after: len(got) >= len(events) - after, after) == events[after:]
        # The launcher's own channel has the same to say, however the bot has heard of it.
        assert await bot.fetched(run, after) == events[after:]


@having("live")
async def test_events_come_while_the_program_runs(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    early = await bot.told(held.run, ready)
    assert not over(early)
    assert printed(early) == "ready\n"
    await finish(world, bot, held, handle)


async def test_the_rest_is_fetched_after_a_restart(world: Harness, held: Held) -> None:
    early: list[Event] = []
    async with a_bot(world) as first:
        handle = await first.start(held.run)
        await held.begun(first)
        if "live" in world.traits:
            early = await first.told(held.run, ready)
    held.let_go()
    async with a_bot(world) as second:
        heard = early[-1].n if early else 0
        late = await second.told(held.run, over, heard)
        assert printed(early) + printed(late) == "ready\ndone\n"
        assert late[0].n == heard + 1
        await world.ended(held.run)
        assert await second.look(handle) is Sighting.FINISHED
        assert await second.fetched(held.run) == early + late


@having("news")
async def test_news_name_the_run(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    await held.begun(bot)
    assert bot.rung == {held.run.id}
    await finish(world, bot, held, handle)


async def test_kept_files_can_be_had_and_nothing_else(world: Harness, bot: Bot) -> None:
    run = await world.run("import os\nopen(os.environ['CLUSTER_ARTIFACTS'] + '/a.bin', 'wb').write(bytes(range(256)))")
    handle = await bot.start(run)
    await bot.told(run, over)
    await world.ended(run)
    assert await bot.look(handle) is Sighting.FINISHED
    (stored,) = (event.body["stored"] for event in await bot.fetched(run) if event.kind == "artifact")
    assert await bot.spool.artifact(run, stored) == bytes(range(256))
    for odd in ("nothing", "", ".", "..", "../payload.json", "/etc/passwd", "a\0b", "x" * 300):
        assert await bot.spool.artifact(run, odd) is None
    if isinstance(bot.launcher, SpoolKeeper):
        assert list(await bot.launcher.left()) == [(run.id, 1)]
    await bot.spool.discard(run)
    assert await bot.spool.artifact(run, stored) is None
    if isinstance(bot.launcher, SpoolKeeper):
        assert list(await bot.launcher.left()) == []


async def test_it_is_discarded_but_never_while_it_runs(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    await held.begun(bot)
    await bot.spool.discard(held.run)
    assert await bot.look(handle) is Sighting.RUNNING
    events = await finish(world, bot, held, handle)
    assert printed(events) == "ready\ndone\n"
    for _ in range(2):
        assert await bot.spool.discard(held.run)
    assert held.times == 1


@having("forgets")
async def test_discarded_it_is_gone_altogether(world: Harness, bot: Bot, held: Held) -> None:
    handle = await bot.start(held.run)
    held.let_go()
    await bot.told(held.run, over)
    # At once: a runner that has told its outcome is about to end, and that is awaited.
    await bot.spool.discard(held.run)
    seen = (await bot.launcher.poll([handle]))[handle]
    assert (seen.sighting, seen.never_ran) == (Sighting.MISSING, False)
    await bot.spool.discard(held.run)
    assert await bot.spool.fetch(held.run, 0) == []
    assert await bot.launcher.find(held.run) is None
