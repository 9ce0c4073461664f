"""What GitHub's webhook tells: forward only, whoever waits is rung, and looks are rare only while it is reliable."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from canned import Canned, canned, reply
from test_dispatch import RUNS, launcher

from cluster_bot.launchers.github_actions import GithubActions, GithubApi, Timing
from cluster_bot.launchers.github_actions.watch import Watch
from cluster_bot.launchers.github_actions.webhook import LATE_S, MOST_AGAIN, SHY_S, Redelivery
from cluster_bot.runs.run import Handle, Sighting

RUN = "ab" * 16
TITLE = f"{RUN}-3"
HOOK = "https://bot.example.org/github/webhook"
SEVEN = Handle('{"run": 7}')


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        one.say(RUNS, reply({"workflow_runs": []}))
        yield one


def listed(status: str, second: int, *, title: str = TITLE, number: int = 7) -> dict[str, Any]:
    return {
        "id": number,
        "display_title": title,
        "status": status,
        "conclusion": "success" if status == "completed" else None,
        "html_url": f"http://x/{number}",
        "created_at": "2026-11-21T10:00:00Z",
        "updated_at": f"2026-11-21T10:00:{second:02}Z",
        "path": ".github/workflows/nvidia_workflow.yml@main",
    }


def told(status: str, second: int, **more: Any) -> dict[str, Any]:
    return {"workflow_run": listed(status, second, **more)}


def runs(*listings: dict[str, Any]) -> Any:
    return reply({"workflow_runs": list(listings)})


def ears(here: GithubActions) -> list[str]:
    """Which runs were rung for; whenever one is, a look is asked for too."""
    rung: list[str] = []
    looks: list[str] = []

    def look() -> None:
        looks.append("look")
        assert len(looks) == len(rung)

    here.on_news(rung.append)
    here.on_change(look)
    return rung


async def test_the_end_is_known_when_it_is_told(github: Canned, tmp_path: Path) -> None:
    github.say(RUNS, runs(listed("in_progress", 1)))
    here = launcher(github, tmp_path, fast_s=1000, slow_s=1000)
    rung = ears(here)
    assert (await here.poll([SEVEN]))[SEVEN].sighting is Sighting.RUNNING
    here.hear("workflow_run", told("completed", 5))
    assert rung == [RUN]
    assert (await here.poll([SEVEN]))[SEVEN].sighting is Sighting.FINISHED
    assert len(github.asked) == 1


@pytest.mark.parametrize(
    "order",
    [
        [("completed", 5), ("in_progress", 3), ("queued", 1)],
        [("completed", 5), ("in_progress", 5), ("completed", 5)],
        [("completed", 5), ("queued", 9)],
        [("completed", 5), ("completed", 4)],
    ],
)
async def test_disorder_and_repeats_change_nothing(
    github: Canned, tmp_path: Path, order: list[tuple[str, int]]
) -> None:
    here = launcher(github, tmp_path, fast_s=1000, slow_s=1000)
    rung = ears(here)
    await here.poll([SEVEN])
    for status, second in order:
        here.hear("workflow_run", told(status, second))
    assert rung == [RUN]
    assert (await here.poll([SEVEN]))[SEVEN].sighting is Sighting.FINISHED


async def test_a_list_that_lags_behind_takes_nothing_back(github: Canned, tmp_path: Path) -> None:
    github.say(RUNS, runs(listed("in_progress", 1)))
    here = launcher(github, tmp_path)
    await here.poll([SEVEN])
    here.hear("workflow_run", told("completed", 5))
    assert (await here.poll([SEVEN]))[SEVEN].sighting is Sighting.FINISHED
    assert github.count(RUNS) == 2


async def test_a_job_tells_that_its_run_runs_and_at_which_step(github: Canned, tmp_path: Path) -> None:
    github.say(RUNS, runs(listed("queued", 1)))
    here = launcher(github, tmp_path, fast_s=1000, slow_s=1000)
    rung = ears(here)
    await here.poll([SEVEN])
    steps = [{"number": 1, "name": "Pull the image", "status": "in_progress"}]
    here.hear("workflow_job", {"workflow_job": {"run_id": 7, "status": "in_progress", "steps": steps}})
    seen = (await here.poll([SEVEN]))[SEVEN]
    assert (seen.sighting, seen.detail) == (Sighting.RUNNING, "step 1 of 1: Pull the image")
    assert rung == [RUN]
    for strange in ("queued", "waiting"):
        here.hear("workflow_job", {"workflow_job": {"run_id": 7, "status": strange, "steps": []}})
    here.hear("workflow_job", {"workflow_job": {"run_id": 8, "status": "in_progress"}})
    assert rung == [RUN]


async def test_what_is_nobody_s_rings_nobody(github: Canned, tmp_path: Path) -> None:
    here = launcher(github, tmp_path)
    rung = ears(here)
    for title in ("Build", RUN, f"{RUN}-0", f"{RUN}-1 and more", f"\n{TITLE}"):
        here.hear("workflow_run", told("completed", 5, title=title))
    here.hear("ping", {"zen": "Design for failure."})
    assert rung == []
    for odd in ({}, {"workflow_run": None}, {"workflow_run": {"id": "x"}}, {"workflow_run": []}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            here.hear("workflow_run", odd)


# --- the pace ---------------------------------------------------------------------------------------------------


def watch(github: Canned, clock: Clock, hook: str | None = None) -> Watch:
    api = GithubApi("ghp_secret", "gpu-club/kernels", base_url=github.url)
    redelivery = None if hook is None else Redelivery(api, hook)
    return Watch(api, Timing(fast_s=2, slow_s=2, told_fast_s=20, told_slow_s=20), redelivery, clock)


async def looks(one: Watch, github: Canned, clock: Clock, seconds: int) -> int:
    """How many looks there are while so many seconds pass."""
    before = github.count(RUNS)
    for _ in range(seconds):
        await one.look({7})
        clock.now += 1
    return github.count(RUNS) - before


async def test_looks_are_rare_while_all_is_told(github: Canned) -> None:
    clock = Clock()
    one = watch(github, clock)
    assert await looks(one, github, clock, 60) == 30
    one.hear("ping", {})
    await looks(one, github, clock, 2)
    assert await looks(one, github, clock, 60) == 3
    one.hear("workflow_run", told("in_progress", 1))
    github.say(RUNS, runs(listed("in_progress", 1)))
    assert await looks(one, github, clock, 60) == 3


async def test_a_miss_brings_the_old_pace_back(github: Canned) -> None:
    clock = Clock()
    one = watch(github, clock)
    one.hear("workflow_run", told("in_progress", 1))
    github.say(RUNS, runs(listed("completed", 9)))
    await one.look({7})
    assert one.listing.get(7).over  # type: ignore[union-attr]
    # Until the delivery is overdue it may still come.
    clock.now += LATE_S
    assert await looks(one, github, clock, 20) == 10
    # For a while it is not relied on, whatever comes; then it is.
    one.hear("workflow_run", told("completed", 9))
    assert await looks(one, github, clock, int(SHY_S)) == SHY_S / 2
    one.hear("workflow_run", told("completed", 9))
    await looks(one, github, clock, 2)
    assert await looks(one, github, clock, 60) == 3


async def test_a_delivery_that_follows_its_look_is_no_miss(github: Canned) -> None:
    clock = Clock()
    one = watch(github, clock)
    one.hear("workflow_run", told("in_progress", 1))
    github.say(RUNS, runs(listed("completed", 9)))
    await one.look({7})
    clock.now += LATE_S - 1
    one.hear("workflow_run", told("completed", 9))
    assert await looks(one, github, clock, 60) <= 4


async def test_a_job_s_end_without_its_run_s_is_looked_after_once(github: Canned) -> None:
    clock = Clock()
    one = watch(github, clock)
    github.say(RUNS, runs(listed("in_progress", 1)))
    await one.look({7})
    one.hear("workflow_run", told("in_progress", 1))
    clock.now += 2
    await one.look({7})
    one.hear("workflow_job", {"workflow_job": {"run_id": 7, "status": "completed"}})
    assert await looks(one, github, clock, 12) == 1


async def test_what_was_missed_is_asked_for_again_once(github: Canned) -> None:
    clock = Clock()
    one = watch(github, clock, HOOK)
    hooks = [{"id": 4, "config": {"url": "https://other"}}, {"id": 5, "config": {"url": HOOK}}]
    github.say("GET /hooks", reply(hooks))
    deliveries = [{"id": 100 + n, "guid": f"g{n}", "event": "workflow_run", "status_code": 502} for n in range(30)]
    deliveries += [{"id": 90, "guid": "g1", "event": "workflow_run", "status_code": 200}]
    deliveries += [{"id": 91, "guid": "j", "event": "workflow_job", "status_code": 0}]
    github.say("GET /hooks/5/deliveries", reply(deliveries))
    await looks(one, github, clock, 10)
    again = [name.what for name in github.asked if name.what.startswith("POST")]
    assert again == [f"POST /hooks/5/deliveries/{number}/attempts" for number in range(129, 129 - MOST_AGAIN, -1)]
    assert github.count("GET /hooks") == 1


@pytest.mark.parametrize("status", [403, 404])
async def test_a_token_that_may_not_see_webhooks_is_no_trouble(
    github: Canned, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    one = watch(github, clock, HOOK)
    github.say("GET /hooks", reply({"message": "no"}, status))
    await looks(one, github, clock, 10)
    assert github.count("GET /hooks") == 1
    assert caplog.records == []
