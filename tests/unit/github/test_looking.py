"""Looking at runs: one conditional request whatever their number, pages, single questions, steps, outages."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from canned import Canned, canned, reply
from test_dispatch import ACCEPTED, DISPATCH, RUNS, a_run, launcher, listed

from cluster_bot.runs.run import Handle, Observation, Reason, Sighting


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        yield one


def handle(number: int) -> Handle:
    return Handle(f'{{"run": {number}}}')


def runs(*listings: dict[str, object]) -> dict[str, object]:
    return {"total_count": len(listings), "workflow_runs": list(listings)}


async def test_one_request_serves_all_and_a_304_is_remembered(github: Canned, tmp_path: Path) -> None:
    github.say(
        RUNS,
        reply(
            runs(listed(3, "c"), listed(2, "b", "in_progress"), listed(1, "a", "completed", "timed_out")), ETag='"x"'
        ),
        reply(None, 304),
    )
    here = launcher(github, tmp_path)
    handles = [handle(number) for number in (1, 2, 3)]
    for _ in range(3):
        seen = await here.poll(handles)
        assert [seen[one].sighting for one in handles] == [Sighting.FINISHED, Sighting.RUNNING, Sighting.PENDING]
        assert seen[handles[0]].ending is Reason.TIME_LIMIT
        assert seen[handles[2]].url == "http://x/3"
    assert [one.headers.get("if-none-match") for one in github.asked] == [None, '"x"', '"x"']


async def test_a_run_that_waits_is_told_its_place(github: Canned, tmp_path: Path) -> None:
    github.say(RUNS, reply(runs(listed(4, "d"), listed(3, "c"), listed(2, "b", "in_progress"), listed(1, "a"))))
    seen = await launcher(github, tmp_path).poll([handle(4), handle(1)])
    assert seen[handle(4)].detail == "waits for a runner, 2 before it"
    assert seen[handle(1)].detail == "waits for a runner"


async def test_what_is_not_on_the_first_page_is_on_the_next(github: Canned, tmp_path: Path) -> None:
    first = [listed(number, str(number)) for number in range(300, 200, -1)]
    second = [listed(number, str(number), "completed", "success") for number in range(200, 150, -1)]
    github.say(RUNS, reply(runs(*first)), reply(runs(*second)))
    here = launcher(github, tmp_path)
    seen = await here.poll([handle(299), handle(160)])
    assert [seen[handle(number)].sighting for number in (299, 160)] == [Sighting.PENDING, Sighting.FINISHED]
    assert [one.query.get("page") for one in github.asked] == [None, "2"]
    # What is over is not looked for again.
    github.say(RUNS, reply(runs(*first)))
    assert (await here.poll([handle(299), handle(160)]))[handle(160)].sighting is Sighting.FINISHED
    assert len(github.asked) == 3


async def test_what_is_on_no_page_is_asked_for_by_its_id_and_missing_only_after_a_while(
    github: Canned, tmp_path: Path
) -> None:
    github.say(RUNS, reply(runs()))
    github.say("GET /actions/runs/5", reply(listed(5, "e", "in_progress")))
    here = launcher(github, tmp_path)
    seen = await here.poll([handle(5), handle(6)])
    assert seen == {
        handle(5): Observation(Sighting.RUNNING, "", "http://x/5"),
        handle(6): Observation(Sighting.UNKNOWN),
    }
    # `listed_s` is in the past at once.
    late = launcher(github, tmp_path, listed_s=0)
    assert (await late.poll([handle(6)]))[handle(6)].sighting is Sighting.MISSING


@pytest.mark.parametrize("status", [401, 404, 500, 502])
async def test_no_answer_is_no_news(github: Canned, tmp_path: Path, status: int) -> None:
    here = launcher(github, tmp_path)
    github.say(RUNS, reply(runs(listed(2, "b", "in_progress"), listed(1, "a", "completed", "success"))))
    await here.poll([handle(1), handle(2)])
    github.say(RUNS, reply({"message": "no"}, status))
    seen = await here.poll([handle(1), handle(2)])
    # An end stays one.
    assert [seen[handle(number)].sighting for number in (1, 2)] == [Sighting.FINISHED, Sighting.UNKNOWN]
    github.say(RUNS, reply(runs(listed(2, "b", "in_progress"))))
    assert (await here.poll([handle(2)]))[handle(2)].sighting is Sighting.RUNNING


async def test_a_silent_job_is_asked_for_its_step_until_it_speaks(github: Canned, tmp_path: Path) -> None:
    run = a_run()
    github.say(RUNS, reply(runs(listed(2, f"{run.id}-3", "in_progress"))))
    steps = [{"number": 1, "name": "Pull the image", "status": "in_progress"}]
    github.say("GET /actions/runs/2/jobs", reply({"jobs": [{"steps": steps}]}, ETag='"s"'), reply(None, 304))
    here = launcher(github, tmp_path, steps_after_s=0)
    for _ in range(2):
        assert (await here.poll([handle(2)]))[handle(2)].detail == "step 1 of 1: Pull the image"
    assert github.asked[-1].headers["if-none-match"] == '"s"'
    assert await here.fetch(run, 4) == []
    before = github.count("GET /actions/runs/2/jobs")
    await here.poll([handle(2)])
    assert github.count("GET /actions/runs/2/jobs") == before


async def test_a_limit_is_told_to_whoever_waits(github: Canned, tmp_path: Path) -> None:
    github.say(RUNS, reply({"message": "You have exceeded a secondary rate limit."}, 403, retry_after="30"))
    seen = (await launcher(github, tmp_path).poll([handle(2)]))[handle(2)]
    assert seen.sighting is Sighting.UNKNOWN
    assert re.fullmatch(r"GitHub's limit is used up; it lets us ask again at \d\d:\d\d UTC", seen.detail)


async def test_a_link_is_known_from_the_dispatch_on(github: Canned, tmp_path: Path) -> None:
    github.say(DISPATCH, reply(ACCEPTED))
    github.say(RUNS, reply(runs()), reply({}, 502), reply(runs(listed(42, "x"))))
    here = launcher(github, tmp_path)
    dispatched = await here.start(a_run())
    for _ in range(2):
        assert (await here.poll([dispatched]))[dispatched] == Observation(Sighting.UNKNOWN, url="http://x/html/42")
    assert (await here.poll([dispatched]))[dispatched].url == "http://x/42"


async def test_it_slows_down_while_nothing_changes(github: Canned, tmp_path: Path) -> None:
    github.say(RUNS, reply(runs(listed(2, "b"))))
    here = launcher(github, tmp_path, fast_s=1000, slow_s=5000)
    for _ in range(3):
        assert (await here.poll([handle(2)]))[handle(2)].sighting is Sighting.PENDING
    assert len(github.asked) == 1


async def test_a_wish_to_stop_is_repeated_only_after_a_while(github: Canned, tmp_path: Path) -> None:
    github.say("POST /actions/runs/2/cancel", reply({}, 500), reply({}, 202))
    here = launcher(github, tmp_path)
    for _ in range(4):
        await here.stop(handle(2))
    assert github.count("POST /actions/runs/2/cancel") == 2
    for odd in ("", "{}", '{"run": "2"}', '{"run": true}', '{"run": -1}', "[]"):
        await here.stop(Handle(odd))
    assert len(github.asked) == 2


def test_a_runner_s_own_id_is_a_handle(tmp_path: Path) -> None:
    here = launcher(Canned(url="http://127.0.0.1:9"), tmp_path)
    assert here.handle_of("42") == handle(42)
    assert (here.link_of(handle(42)) or "").endswith("/actions/runs/42")
    assert here.link_of(Handle("odd")) is None
    assert [here.handle_of(odd) for odd in ("", "x", "0", "-1", "4 2", "9" * 40)] == [None] * 6
