"""The scheduler asks all launchers at once, waits long for none, and leaves out those that could not start a run."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cluster_bot.errors import UserError
from cluster_bot.hints import LocalHints
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.spec import RunSpec, Where
from cluster_bot.scheduling import scheduler as scheduler_module
from cluster_bot.scheduling.choosing import Prefer
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.store import SqlStore
from offering import Offering

SPEC = RunSpec({"a.py": "print()"}, "a.py", "auto", 60, gpu="t4", arguments=("--n",))
FREE = GpuOffer("T4", starts_in_s=20.0)
PAID = GpuOffer("T4", price=0.000164, starts_in_s=10.0)


class Choosy(Offering):
    """Knows beforehand what it could not start."""

    async def check(self, spec: RunSpec) -> None:
        """Nothing but what is said of it."""
        raise refuse(Refusal.TOO_LARGE_TO_TRAVEL, name=f"{spec.launcher} {spec.gpu}")


class Silent(Offering):
    """Never says what it offers."""

    async def availability(self) -> Sequence[GpuOffer]:
        """Waits for ever."""
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class Broken(Offering):
    """Fails, against its promise."""

    async def availability(self) -> Sequence[GpuOffer]:
        """Nothing."""
        raise ConnectionResetError("away")

    async def check(self, spec: RunSpec) -> None:
        """Nothing either."""
        raise ConnectionResetError("away")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """An empty one, as nothing is admitted here."""
    store = await SqlStore.open(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    yield store
    await store.close()


def scheduler(store: SqlStore, *launchers: Offering) -> Scheduler:
    return Scheduler(store, launchers, wishes=LocalHints(), news=LocalHints(), desk=Desk(store.book))


async def test_a_chosen_spec_names_all_who_could_run_it(store: SqlStore) -> None:
    one = scheduler(store, Offering("github", FREE), Offering("local", GpuOffer(None)), Offering("modal", PAID))
    chosen = await one.choose(SPEC, Prefer.SOONEST)
    assert chosen.order == (Where("modal", "T4"), Where("github", "T4"))
    assert chosen.why == "auto chose modal: a T4 there is expected in about 10 s, at github in about 20 s."
    assert (chosen.files, chosen.arguments) == (SPEC.files, SPEC.arguments)
    assert (await one.choose(SPEC, Prefer.CHEAPEST)).launcher == "github"


async def test_who_could_not_start_it_is_left_out(store: SqlStore) -> None:
    one = scheduler(store, Offering("github", FREE), Choosy("modal", PAID))
    assert (await one.choose(SPEC, Prefer.SOONEST)).order == (Where("github", "T4"),)
    with pytest.raises(UserError) as caught:
        await scheduler(store, Choosy("modal", PAID)).choose(SPEC, Prefer.SOONEST)
    assert caught.value.reason == Refusal.TOO_LARGE_TO_TRAVEL
    assert "modal T4" in caught.value.message


async def test_who_does_not_answer_is_left_out(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "ANSWER_S", 0.05)
    one = scheduler(store, Silent("slurm", PAID), Broken("modal", PAID), Offering("github", FREE))
    assert (await one.choose(SPEC, Prefer.SOONEST)).order == (Where("github", "T4"),)
    assert list(await one.all_offers()) == ["github"]


async def test_what_nobody_offers_is_refused_with_what_is_on_offer(store: SqlStore) -> None:
    one = scheduler(store, Offering("github", FREE, GpuOffer("AMD", paused=True)), Offering("modal", GpuOffer("L4")))
    for gpu in ("AMD", "H100"):
        with pytest.raises(UserError) as caught:
            await one.choose(RunSpec(SPEC.files, "a.py", "auto", 60, gpu=gpu), Prefer.SOONEST)
        assert caught.value.reason == Refusal.GPU_NOT_ON_OFFER
        assert caught.value.message.endswith("choose one of `T4` (github), `L4` (modal).")
    with pytest.raises(UserError) as caught:
        await scheduler(store, Offering("local", GpuOffer(None))).choose(SPEC, Prefer.SOONEST)
    assert caught.value.reason == Refusal.NOTHING_ON_OFFER


async def test_there_is_something_to_choose_where_gpus_have_names(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "ANSWER_S", 0.05)
    local = Offering("local", GpuOffer(None))
    assert not await scheduler(store, local).names_gpus()
    assert not await scheduler(store).names_gpus()
    for other in (Offering("modal", PAID), Silent("modal"), Broken("modal")):
        assert await scheduler(store, local, other).names_gpus()
