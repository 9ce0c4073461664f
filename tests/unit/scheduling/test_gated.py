"""What the gate is asked for, and what it is not."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cluster_bot.errors import UserError
from cluster_bot.hints import LocalHints
from cluster_bot.runs.orders import EVERYTHING, EVERYWHERE, Decided, Orders
from cluster_bot.runs.ports import GpuOffer, Submission
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin
from cluster_bot.runs.spec import RunSpec
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.store import SqlStore
from offering import Offering

NOW = Decided("boss", 1.0)


class Watchman:
    """A gate that counts, and refuses what says so."""

    def __init__(self) -> None:
        self.asked = 0

    async def check(self, submission: Submission) -> None:
        self.asked += 1
        if "evil" in submission.spec.files["a.py"]:
            raise refuse(Refusal.CHECKER_SAID_NO, why="It is evil.")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    yield store
    await store.close()


def submission(key: str, text: str = "print()") -> Submission:
    return Submission(RunSpec({"a.py": text}, "a.py", "local", 60), Member("1", "ada"), Origin(key, {}))


async def test_only_what_could_be_admitted_is_looked_at(store: SqlStore) -> None:
    gate, limits = Watchman(), Limits(live_per_member=1)
    hints = LocalHints()
    scheduler = Scheduler(
        store,
        [Offering("local", GpuOffer(None))],
        wishes=hints,
        news=hints,
        desk=Desk(store.book, usual=limits),
        gate=gate,
    )
    with pytest.raises(UserError) as caught:
        await scheduler.submit(submission("evil", "evil"))
    assert caught.value.reason == Refusal.CHECKER_SAID_NO
    run = await scheduler.submit(submission("good"))
    assert gate.asked == 2
    # At the limit, the sentence is the limit's, and nobody looks.
    with pytest.raises(UserError) as caught:
        await scheduler.submit(submission("more"))
    assert caught.value.reason == Refusal.TOO_MANY_LIVE_RUNS
    # The same request again finds its run.
    assert (await scheduler.submit(submission("good"))).id == run.id
    assert gate.asked == 2
    assert len(await store.unfinished()) == 1


@pytest.mark.parametrize("order", [lambda now: now.with_pause(EVERYTHING, NOW), lambda now: now.with_ban("1", NOW)])
async def test_an_order_that_is_given_while_a_checker_looks_holds(
    store: SqlStore, order: Callable[[Orders], Orders]
) -> None:
    hints, desk = LocalHints(), Desk(store.book)

    class Slow(Watchman):
        async def check(self, submission: Submission) -> None:
            await desk.change(EVERYWHERE, Member("2", "boss"), "did it", order)

    scheduler = Scheduler(store, [Offering("local", GpuOffer(None))], wishes=hints, news=hints, desk=desk, gate=Slow())
    with pytest.raises(UserError):
        await scheduler.submit(submission("late"))
    assert await store.unfinished() == []


async def test_what_a_limit_advises_is_the_same_with_a_gate(store: SqlStore) -> None:
    hints, offering = LocalHints(), Offering("modal", GpuOffer("H100"))
    told = []
    for gate in (None, Watchman()):
        limits = Limits(gpu_minutes_per_day=2)
        scheduler = Scheduler(
            store, [offering], wishes=hints, news=hints, desk=Desk(store.book, usual=limits), gate=gate
        )
        spec = RunSpec({"a.py": "print()"}, "a.py", "modal", 300, gpu="H100:2")
        with pytest.raises(UserError, match="at most 60 s") as caught:
            await scheduler.submit(Submission(spec, Member("1", "ada"), Origin("key", {})))
        told.append(caught.value.message)
    assert told[0] == told[1]
