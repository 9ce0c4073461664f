"""What a store counts of a member's usage before it admits one run more: exact under a race, on every database."""

import asyncio
from dataclasses import replace

import pytest
from stores import NOW, WIDE, submission

from cluster_bot.errors import UserError
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.refusals import Refusal
from cluster_bot.runs.rules import Usage
from cluster_bot.runs.run import Status
from cluster_bot.store import SqlStore
from cluster_runner.wire import Outcome


async def test_an_hours_runs_are_counted_by_member(store: SqlStore) -> None:
    limits = replace(WIDE, runs_per_hour=2)
    for n, at in enumerate((NOW - 3600, NOW - 1800, NOW - 60)):
        admission = await store.admit(submission(f"key{n}"), WIDE, at)
        await store.save(replace(admission.run, status=Status.SUCCEEDED, finished_at=at))
    with pytest.raises(UserError, match="in 30 min") as caught:
        await store.admit(submission("more"), limits, NOW)
    assert caught.value.reason == Refusal.TOO_MANY_RUNS_AN_HOUR
    assert (await store.admit(submission("more", owner="2"), limits, NOW)).fresh
    assert (await store.admit(submission("more later"), limits, NOW + 1801)).fresh


def gpu_submission(key: str, gpu: str = "T4") -> Submission:
    asked = submission(key)
    return replace(asked, spec=replace(asked.spec, gpu=gpu, launcher="modal"))


async def test_gpu_time_is_set_aside_and_then_counted_as_it_was(store: SqlStore) -> None:
    # A run may take a minute.
    limits = replace(WIDE, gpu_minutes_per_day=3)
    one = (await store.admit(gpu_submission("one"), limits, NOW)).run
    assert (await store.admit(gpu_submission("two", "H100:2"), limits, NOW)).fresh
    with pytest.raises(UserError) as caught:
        await store.admit(gpu_submission("three"), limits, NOW)
    assert caught.value.reason == Refusal.GPU_TIME_GONE
    assert (await store.admit(submission("without a GPU"), limits, NOW)).fresh
    # Half of it was enough.
    outcome = Outcome("exited", exit_code=0, duration_s=30.0)
    await store.save(replace(one, status=Status.SUCCEEDED, started_at=NOW, finished_at=NOW + 40, outcome=outcome))
    with pytest.raises(UserError, match="at most 30 seconds") as caught:
        await store.admit(gpu_submission("three"), limits, NOW)
    assert caught.value.reason == Refusal.GPU_TIME_SHORT
    assert (await store.admit(gpu_submission("three"), replace(limits, gpu_minutes_per_day=3.5), NOW)).fresh


async def test_a_members_usage_can_be_asked_for(store: SqlStore) -> None:
    assert await store.usage("1", NOW) == Usage()
    await store.admit(gpu_submission("one", "H100:2"), WIDE, NOW - 600)
    await store.admit(submission("two", owner="2"), WIDE, NOW)
    assert await store.usage("1", NOW) == Usage(1, 2, 1, 3000.0, 120.0)


async def test_gpu_time_counts_for_a_day_and_as_long_as_the_run_goes_on(store: SqlStore) -> None:
    limits = replace(WIDE, gpu_minutes_per_day=1)
    old = (await store.admit(gpu_submission("old"), limits, NOW)).run
    with pytest.raises(UserError):
        await store.admit(gpu_submission("next"), limits, NOW + 90_000)
    await store.save(replace(old, status=Status.LOST, started_at=NOW, finished_at=NOW + 90_000))
    assert (await store.admit(gpu_submission("next"), limits, NOW + 90_000)).fresh


async def test_fifty_at_once_stop_exactly_at_the_gpu_time(store: SqlStore) -> None:
    limits = replace(WIDE, gpu_minutes_per_day=3)
    tries = [store.admit(gpu_submission(f"key{n}"), limits, NOW) for n in range(50)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, UserError) and one.reason == Refusal.GPU_TIME_GONE for one in results) == 47
    assert len(await store.unfinished()) == 3
