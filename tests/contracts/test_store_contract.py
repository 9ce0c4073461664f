"""What every store promises: each sentence of the `Store` port, on every database of `stores.DATABASES`."""

import asyncio
from dataclasses import replace

import pytest
from stores import NOW, WIDE, admitted, launched, log, opened, submission

from cluster_bot.errors import StaleRunError, UnknownRunError, UserError
from cluster_bot.runs.ports import Place
from cluster_bot.runs.refusals import Refusal
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Handle, Machine, Reason, Run, Status, StopWish
from cluster_bot.runs.spec import Where
from cluster_bot.store import BlobTooLargeError, SqlStore
from cluster_runner.wire import Event, Outcome

LIVE = [status for status in Status if not status.final]
FINAL = [status for status in Status if status.final]


# --- admit ------------------------------------------------------------------------------------------------------


async def test_an_admitted_run_is_ours(store: SqlStore) -> None:
    asked = submission("key", owner="42")
    admission = await store.admit(asked, WIDE, NOW)
    run = admission.run
    assert admission.fresh
    assert (run.spec, run.owner, run.origin, run.created_at) == (asked.spec, asked.owner, asked.origin, NOW)
    assert (run.status, run.attempt, run.version) == (Status.QUEUED, 0, 0)
    assert len(run.id) == 32
    assert await store.load(run.id) == run
    assert await store.by_number(run.number) == run
    assert await store.unfinished() == [run]
    assert await store.open_feeds() == [run.id]


async def test_the_same_request_again_is_the_same_run(store: SqlStore) -> None:
    run = await launched(store)
    again = await store.admit(submission("key"), WIDE, NOW + 100)
    assert (again.run, again.fresh) == (run, False)
    assert await store.unfinished() == [run]


async def test_a_request_known_already_is_not_refused_at_the_limit(store: SqlStore) -> None:
    run = await admitted(store)
    again = await store.admit(submission("key"), Limits(live_per_member=1, live_in_all=1), NOW)
    assert (again.run, again.fresh) == (run, False)


async def test_fifty_at_once_are_one(store: SqlStore) -> None:
    admissions = await asyncio.gather(*(store.admit(submission("key"), WIDE, NOW) for _ in range(50)))
    assert len({admission.run.id for admission in admissions}) == 1
    assert sum(admission.fresh for admission in admissions) == 1


async def test_fifty_at_once_stop_exactly_at_the_limit(store: SqlStore) -> None:
    limits = Limits(live_per_member=3, live_in_all=100)
    tries = [store.admit(submission(f"key{n}"), limits, NOW) for n in range(50)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    refused = [result for result in results if isinstance(result, UserError)]
    assert len(refused) == 47
    assert {error.reason for error in refused} == {Refusal.TOO_MANY_LIVE_RUNS}
    assert len(await store.unfinished()) == 3


@pytest.mark.parametrize("status", LIVE)
async def test_every_live_run_counts(store: SqlStore, status: Status) -> None:
    await store.save(replace(await admitted(store), status=status))
    with pytest.raises(UserError) as caught:
        await store.admit(submission("other"), Limits(live_per_member=1, live_in_all=9), NOW)
    assert caught.value.reason == Refusal.TOO_MANY_LIVE_RUNS
    with pytest.raises(UserError) as caught:
        await store.admit(submission("other", owner="2"), Limits(live_per_member=1, live_in_all=1), NOW)
    assert caught.value.reason == Refusal.BOT_FULL


@pytest.mark.parametrize("status", FINAL)
async def test_no_finished_run_counts(store: SqlStore, status: Status) -> None:
    await store.save(replace(await admitted(store), status=status, finished_at=NOW))
    assert (await store.admit(submission("other"), Limits(live_per_member=1, live_in_all=1), NOW)).fresh


async def test_a_refused_request_leaves_nothing(store: SqlStore) -> None:
    with pytest.raises(UserError):
        await store.admit(submission("key"), Limits(live_per_member=0), NOW)
    assert await store.unfinished() == []
    assert await store.open_feeds() == []
    assert (await store.admit(submission("key"), WIDE, NOW)).fresh


# --- runs -------------------------------------------------------------------------------------------------------


async def test_unknown_runs(store: SqlStore) -> None:
    with pytest.raises(UnknownRunError):
        await store.load("0" * 32)
    for number in (0, -1, 1, 2**31, 2**63, 10**30):
        assert await store.by_number(number) is None


async def test_numbers_count_up(store: SqlStore) -> None:
    runs = [await admitted(store, f"key{n}") for n in range(3)]
    assert [run.number for run in runs] == [1, 2, 3]


async def test_a_saved_run_comes_back_whole(store: SqlStore) -> None:
    run = replace(
        await admitted(store),
        status=Status.LOST,
        reason=Reason.RUNNER_VANISHED,
        detail="the machine went away \0 ü",
        attempt=2,
        launched_at=NOW + 1.25,
        retry_at=NOW + 2,
        handle=Handle('{"folder": "x"}'),
        url="https://example.org/1",
        stop=StopWish(Reason.CANCELLED_BY_ADMIN, "bob", NOW + 3),
        phase="run",
        machine=Machine("host", gpu="H100", isolation="unprivileged user"),
        started_at=NOW + 4,
        program_at=NOW + 5,
        gone_at=NOW + 6,
        finished_at=NOW + 7,
        outcome=Outcome("signalled", signal="SIGSEGV", duration_s=0.1, peak_memory_bytes=2**40, detail="why"),
        note="late outcome: signalled",
        applied=12,
    )
    saved = await store.save(run)
    assert saved == replace(run, version=1)
    assert await store.load(run.id) == saved
    assert await store.by_number(run.number) == saved


async def test_a_stale_save_changes_nothing(store: SqlStore) -> None:
    old = await admitted(store)
    new = await store.save(replace(old, detail="first"))
    with pytest.raises(StaleRunError):
        await store.save(replace(old, detail="second"))
    assert await store.load(old.id) == new
    with pytest.raises(StaleRunError):
        await store.save(replace(new, version=new.version + 1))
    with pytest.raises(StaleRunError):
        await store.save(replace(new, id="0" * 32))


async def test_of_many_saves_at_once_one_wins(store: SqlStore) -> None:
    run = await admitted(store)
    tries = [store.save(replace(run, detail=str(n))) for n in range(20)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    [winner] = [result for result in results if isinstance(result, Run)]
    assert sum(isinstance(result, StaleRunError) for result in results) == 19
    assert await store.load(run.id) == winner


async def test_unfinished_runs_are_listed_oldest_first(store: SqlStore) -> None:
    live = []
    for n, status in enumerate(Status):
        run = await admitted(store, f"key{n}", launcher="local" if n % 2 else "modal")
        run = await store.save(replace(run, status=status, finished_at=NOW if status.final else None))
        live += [] if status.final else [run]
    assert await store.unfinished() == live
    assert await store.unfinished("local") == [run for run in live if run.spec.launcher == "local"]
    assert await store.unfinished("slurm") == []


async def test_a_run_that_goes_on_elsewhere_is_the_other_launchers(store: SqlStore) -> None:
    asked = submission("key", launcher="github")
    others = (Where("modal", "T4"), Where("local"))
    asked = replace(asked, spec=replace(asked.spec, gpu="T4", others=others, why="it is the cheapest"))
    run = (await store.admit(asked, WIDE, NOW)).run
    assert await store.unfinished("github") == [run]
    run = await store.save(replace(run, declined=("no room \0 ü",)))
    assert await store.load(run.id) == run
    assert (run.launcher, run.gpu) == ("modal", "T4")
    assert await store.unfinished("github") == []
    assert await store.unfinished("modal") == [run]
    run = await store.save(replace(run, declined=("no room", "")))
    assert await store.unfinished("local") == await store.unfinished() == [run]


async def test_a_members_runs_are_listed_newest_first(store: SqlStore) -> None:
    mine = [await admitted(store, f"a{n}", owner="1") for n in range(4)]
    theirs = await admitted(store, "b", owner="2")
    done = await store.save(replace(mine[1], status=Status.CANCELLED, finished_at=NOW))
    assert await store.of_member("1", 10) == [mine[3], mine[2], done, mine[0]]
    assert await store.of_member("1", 2) == [mine[3], mine[2]]
    assert await store.of_member("2", 10) == [theirs]
    assert await store.of_member("3", 10) == []
    await store.save(replace(mine[0], status=Status.RUNNING))
    await store.save(replace(mine[2], status=Status.STARTING))
    assert await store.waiting_of("1") == [mine[2].number, mine[3].number]
    assert await store.waiting_of("3") == []


# --- events -----------------------------------------------------------------------------------------------------


async def test_events_come_back_in_order_and_whole(store: SqlStore) -> None:
    run = await launched(store)
    kept = [
        Event(1, NOW, "hello", {"machine": "host", "gpu": None}),
        Event(2, NOW + 0.5, "phase", {"phase": "run"}),
        log(3, "ünïcode \U0001f600 \0 \u2028 end\n"),
        Event(4, NOW, "outcome", {"result": "exited", "exit_code": 0, "duration_s": 1.5, "more": [1, {"a": None}]}),
        Event(2**53 - 1, NOW, "gap", {"bytes": 2**62, "lines": 3}),
    ]
    assert await store.append(run.id, 1, kept[3:]) == 2
    assert await store.append(run.id, 1, kept[:3]) == 3
    assert await store.events(run.id, 1, 0) == kept
    assert await store.events(run.id, 1, 2) == kept[2:]
    assert await store.events(run.id, 1, 0, limit=2) == kept[:2]
    assert await store.events(run.id, 1, 0, kinds=["log", "phase"]) == kept[1:3]
    assert await store.events(run.id, 1, 1, kinds=["hello"]) == []
    assert await store.events(run.id, 1, 0, kinds=[]) == []
    assert await store.events(run.id, 1, 2**53) == []


async def test_an_event_there_already_is_ignored(store: SqlStore) -> None:
    run = await launched(store)
    assert await store.append(run.id, 1, [log(1, "first"), log(2)]) == 2
    assert await store.append(run.id, 1, [log(1, "second"), log(2), log(3)]) == 1
    assert await store.append(run.id, 1, [log(4), log(4)]) == 1
    assert await store.append(run.id, 1, []) == 0
    assert await store.events(run.id, 1, 0) == [log(1, "first"), log(2), log(3), log(4)]


async def test_events_of_another_attempt_are_ignored(store: SqlStore) -> None:
    run = await launched(store)
    await store.append(run.id, 1, [log(1)])
    assert await store.append(run.id, 2, [log(1)]) == 0
    await store.save(replace(run, attempt=2))
    assert await store.append(run.id, 1, [log(2)]) == 0
    assert await store.append(run.id, 2, [log(1), log(2)]) == 2
    assert await store.events(run.id, 1, 0) == [log(1)]
    assert await store.last_event(run.id, 1) == 1
    assert await store.last_event(run.id, 2) == 2


async def test_events_of_an_unknown_run_are_ignored(store: SqlStore) -> None:
    assert await store.append("0" * 32, 1, [log(1)]) == 0
    assert await store.events("0" * 32, 1, 0) == []
    assert await store.last_event("0" * 32, 1) == 0


async def test_events_of_a_final_run_are_kept(store: SqlStore) -> None:
    run = await launched(store)
    await store.save(replace(run, status=Status.LOST, finished_at=NOW))
    assert await store.append(run.id, 1, [log(1)]) == 1
    assert await store.events(run.id, 1, 0) == [log(1)]


async def test_runs_do_not_share_events(store: SqlStore) -> None:
    one, two = await launched(store, "one"), await launched(store, "two")
    appends = [store.append(run.id, 1, [log(n, run.id)]) for n in range(1, 60) for run in (one, two)]
    assert await asyncio.gather(*appends) == [1] * 118
    for run in (one, two):
        assert await store.events(run.id, 1, 0) == [log(n, run.id) for n in range(1, 60)]


async def test_appends_at_once_each_learn_how_many_were_new(store: SqlStore) -> None:
    run = await launched(store)
    await store.append(run.id, 1, [log(1), log(2)])
    many = [[log(1)], [log(2), log(3)], [log(4), log(5)], [log(5)], [log(6)], [log(6), log(7)]]
    assert await asyncio.gather(*(store.append(run.id, 1, events) for events in many)) == [0, 1, 2, 0, 1, 1]


async def test_the_last_event_is_the_last_without_a_gap(store: SqlStore) -> None:
    run = await launched(store)
    seen = []
    for number in (2, 1, 4, 5, 3, 7, 6):
        await store.append(run.id, 1, [log(number)])
        seen.append(await store.last_event(run.id, 1))
    assert seen == [0, 2, 2, 2, 5, 5, 7]


async def test_the_last_event_of_many_runs(store: SqlStore) -> None:
    # More than a store can be expected to remember, each asked before and after it grows.
    run = await launched(store)
    await store.append(run.id, 1, [log(1), log(2)])
    assert await store.last_event(run.id, 1) == 2
    for attempt in range(2, 1100):
        assert await store.last_event(run.id, attempt) == 0
    await store.append(run.id, 1, [log(3), log(5)])
    assert await store.last_event(run.id, 1) == 3


async def test_five_hundred_events_at_once(store: SqlStore) -> None:
    run = await launched(store)
    events = [log(n) for n in range(1, 501)]
    assert await store.append(run.id, 1, events) == 500
    assert await store.events(run.id, 1, 0) == events
    assert await store.last_event(run.id, 1) == 500


# --- feeds ------------------------------------------------------------------------------------------------------


async def test_a_feed_that_has_not_begun_has_an_empty_place(store: SqlStore) -> None:
    run = await admitted(store)
    assert await store.place(run.id) == Place()
    assert await store.place("0" * 32) == Place()


async def test_a_place_is_remembered(store: SqlStore) -> None:
    run = await admitted(store)
    for place in (
        Place({"thread": 2**60, "messages": [1, {"text": "a \ud800 \0"}], "none": None}, shown_version=3),
        Place({}, shown_version=4, closed=True),
        Place({"reopened": True}),
    ):
        await store.save_place(run.id, place)
        assert await store.place(run.id) == place
    with pytest.raises(UnknownRunError):
        await store.save_place("0" * 32, Place())


async def test_open_feeds_are_listed_oldest_first(store: SqlStore) -> None:
    runs = [await admitted(store, f"key{n}") for n in range(4)]
    await store.save_place(runs[0].id, Place({"thread": 1}))
    await store.save_place(runs[2].id, Place(closed=True))
    await store.save(replace(runs[3], status=Status.FAILED, finished_at=NOW))
    assert await store.open_feeds() == [runs[0].id, runs[1].id, runs[3].id]


# --- blobs ------------------------------------------------------------------------------------------------------


async def test_blobs(store: SqlStore) -> None:
    one, two = await admitted(store, "one"), await admitted(store, "two")
    await store.put_blob(one.id, "plot.png", b"\0\xff" * 1000)
    await store.put_blob(two.id, "plot.png", b"")
    assert await store.blob(one.id, "plot.png") == b"\0\xff" * 1000
    assert await store.blob(two.id, "plot.png") == b""
    assert await store.blob(one.id, "other.png") is None
    assert await store.blob("0" * 32, "plot.png") is None
    await store.put_blob(one.id, "plot.png", b"new")
    assert await store.blob(one.id, "plot.png") == b"new"
    with pytest.raises(UnknownRunError):
        await store.put_blob("0" * 32, "plot.png", b"x")


async def test_blobs_that_come_at_once_by_two_stores_are_bounded_together(url: str) -> None:
    async with (
        opened(url, run_blob_bytes=50) as one,
        opened(url, run_blob_bytes=50) as two,
    ):
        run = await admitted(one)
        puts = [
            store.put_blob(run.id, f"{name}{n}", b"x" * 10)
            for n in range(8)
            for name, store in (("a", one), ("b", two))
        ]
        results = await asyncio.gather(*puts, return_exceptions=True)
        assert [result for result in results if result is None] == [None] * 5
        assert all(isinstance(result, BlobTooLargeError) for result in results if result is not None)


async def test_blobs_are_bounded(url: str) -> None:
    store = await SqlStore.open(url, blob_bytes=10, run_blob_bytes=25)
    try:
        run, other = await admitted(store, "one"), await admitted(store, "two")
        with pytest.raises(BlobTooLargeError):
            await store.put_blob(run.id, "a", b"x" * 11)
        await store.put_blob(run.id, "a", b"x" * 10)
        await store.put_blob(run.id, "b", b"x" * 10)
        with pytest.raises(BlobTooLargeError):
            await store.put_blob(run.id, "c", b"x" * 6)
        # What is replaced does not count, what was refused is not there, and other runs have their own room.
        await store.put_blob(run.id, "b", b"y" * 10)
        await store.put_blob(run.id, "c", b"x" * 5)
        assert await store.blob(run.id, "b") == b"y" * 10
        await store.put_blob(other.id, "a", b"x" * 10)
    finally:
        await store.close()
