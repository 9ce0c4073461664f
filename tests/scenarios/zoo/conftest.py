"""The keeper: a real store, a follower for one animal, and a clock that only moves when told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from cluster_bot.hints import LocalHints
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Rules
from cluster_bot.runs.run import Member, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec, Where
from cluster_bot.scheduling.choosing import Waits
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.follower import Follower, Pace
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.store import SqlStore
from cluster_runner.wire import Event, Outcome

from .cage import Tame

ADA = Member("1", "ada")
RULES = Rules(queue_limit_s=100, setup_allowance_s=50, outcome_grace_s=10, retry_pause_s=1, max_attempts=3)


class Keeper:
    """Submits runs to one launcher, to go on at `others`, and tells what became of them."""

    def __init__(self, store: SqlStore, launcher: Tame, *others: Tame, poll_s: float) -> None:
        self.store = store
        self.launcher = launcher
        self.cage = launcher.cage
        self.now = 1000.0
        self._keys = count(1)
        self.wishes, self.news = LocalHints(), LocalHints()
        launchers = [launcher, *others]
        hints = {"wishes": self.wishes, "news": self.news}
        self.scheduler = Scheduler(
            store, launchers, desk=Desk(store.book, rules=RULES, clock=self.clock), clock=self.clock, **hints
        )
        pace = Pace(poll_s=poll_s, answer_s=0.3, stop_again_s=5, let_go_again_s=0.02)
        self.waits = Waits()
        more = {"pace": pace, "clock": self.clock, "waits": self.waits, **hints}
        self.followers = [Follower(one, store, lambda: RULES, **more) for one in launchers]

    def clock(self) -> float:
        """Seconds, as the follower sees them."""
        return self.now

    async def submit(self, *others: str, gpu: str | None = None) -> Run:
        """A run of the animal's, which may go on at others."""
        order = tuple(map(Where, others))
        spec = RunSpec({"a.py": "print(1)"}, "a.py", self.launcher.name, time_limit_s=60, gpu=gpu, others=order)
        return await self.scheduler.submit(Submission(spec, ADA, Origin(f"test:{next(self._keys)}", {})))

    async def until(self, run: Run, reached: Callable[[Run], bool]) -> Run:
        """The run, once it is as wished; fails with what it is instead."""
        seen = asyncio.Event()
        self.news.listen(lambda run_id: seen.set())
        now = run
        try:
            async with asyncio.timeout(20):
                while True:
                    # Cleared before the look: what happens during it is a reason to look again.
                    seen.clear()
                    if reached(now := await self.store.load(run.id)):
                        break
                    await seen.wait()
        except TimeoutError:
            raise AssertionError(f"the run stayed {now.status} ({now.reason}), {now}") from None
        return now

    async def status(self, run: Run, *wanted: Status) -> Run:
        """The run, once it has one of these statuses."""
        return await self.until(run, lambda now: now.status in wanted)


@asynccontextmanager
async def keep(folder: Path, *launchers: Tame, poll_s: float = 0.02) -> AsyncIterator[Keeper]:
    """A follower at work for each launcher, which it looks at by itself every `poll_s`; runs go to the first."""
    store = await SqlStore.open(f"sqlite+aiosqlite:///{folder / 'zoo.sqlite3'}")
    keeper = Keeper(store, *launchers, poll_s=poll_s)
    following = {asyncio.create_task(one.run(), name="follower") for one in keeper.followers}
    try:
        yield keeper
    finally:
        for one in following:
            one.cancel()
        await asyncio.wait(following)
        await store.close()


@pytest.fixture
def talk() -> Callable[..., list[Event]]:
    """What a runner says about a program that prints `lines` and ends with `exit_code`; no outcome for None."""

    def make(lines: int = 3, exit_code: int | None = 0) -> list[Event]:
        events = [Event(1, 0.0, "hello", {"machine": "box"}), Event(2, 0.0, "phase", {"phase": "run"})]
        events += [Event(3 + i, 0.0, "log", {"stream": "stdout", "text": f"{i}\n"}) for i in range(lines)]
        if exit_code is not None:
            outcome = Outcome("exited", exit_code, duration_s=1.0)
            body = {"result": outcome.result, "exit_code": exit_code, "duration_s": 1.0}
            events.append(Event(len(events) + 1, 0.0, "outcome", body))
        return events

    return make
