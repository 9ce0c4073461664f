"""Ends that nobody told: a cancel that does not help, and a job that failed before its runner spoke."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from canned import Canned, canned, reply
from test_dispatch import RUNS, a_run, launcher

from cluster_bot.launchers.github_actions import GithubApi
from cluster_bot.launchers.github_actions.last_words import last_lines
from cluster_bot.launchers.github_actions.stopping import Cancels
from cluster_bot.runs.run import Handle, Sighting

CANCEL, FORCE = "POST /actions/runs/7/cancel", "POST /actions/runs/7/force-cancel"
JOBS, LOGS = "GET /actions/runs/7/jobs", "GET /actions/jobs/70/logs"
SEVEN = Handle('{"run": 7}')
RUN = replace(a_run(), handle=SEVEN)
LOG = """\ufeff2026-11-21T10:00:00.1234567Z ##[group]Run actions/checkout
2026-11-21T10:00:01.1234567Z \x1b[36;1mgit fetch\x1b[0m
2026-11-21T10:00:01.1234567Z ##[endgroup]
2026-11-21T10:00:02.1234567Z fatal: no space left on device @everyone
2026-11-21T10:00:02.1234567Z ##[error]Process completed with exit code 128.
2026-11-21T10:00:03.1234567Z Post job cleanup.
2026-11-21T10:00:03.1234567Z Cleaning up orphan processes
"""


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        one.say(RUNS, reply({"workflow_runs": [failed()]}))
        one.say("GET /actions/artifacts", reply({"artifacts": []}))
        one.say("GET /actions/runs/7/artifacts", reply({"artifacts": []}))
        yield one


def failed(conclusion: str = "failure") -> dict[str, Any]:
    return {
        "id": 7,
        "display_title": f"{RUN.id}-{RUN.attempt}",
        "status": "completed",
        "conclusion": conclusion,
        "html_url": "http://x/7",
        "path": ".github/workflows/nvidia_workflow.yml",
    }


async def test_a_cancel_that_does_not_help_is_forced(github: Canned) -> None:
    now = [1000.0]
    api = GithubApi("ghp_secret", "gpu-club/kernels", base_url=github.url)
    cancels = Cancels(api, again_s=30, force_s=60, clock=lambda: now[0])
    github.say(CANCEL, reply({}, 202))
    github.say(FORCE, reply({}, 202))
    for _ in range(14):
        await cancels.ask(7)
        now[0] += 10
    assert [one.what for one in github.asked] == [CANCEL, CANCEL, FORCE, FORCE, FORCE]
    cancels.keep([])
    assert await cancels.ask(7)
    assert github.asked[-1].what == CANCEL
    api.close()


async def test_a_server_without_force_is_asked_politely(github: Canned) -> None:
    now = [1000.0]
    api = GithubApi("ghp_secret", "gpu-club/kernels", base_url=github.url)
    cancels = Cancels(api, again_s=30, force_s=60, clock=lambda: now[0])
    github.say(CANCEL, reply({}, 202))
    for _ in range(14):
        await cancels.ask(7)
        now[0] += 10
    assert [one.what for one in github.asked] == [CANCEL, CANCEL, FORCE, CANCEL, CANCEL]
    api.close()


async def test_why_a_job_failed_unheard_is_told(github: Canned, tmp_path: Path) -> None:
    steps = [{"name": "Set up job", "conclusion": "success"}, {"name": "Fetch the runner", "conclusion": "failure"}]
    github.say(JOBS, reply({"jobs": [{"id": 70, "conclusion": "failure", "steps": steps}]}))
    async with canned() as storage:
        storage.say("GET /log", lambda: plain(LOG))
        github.say(LOGS, reply(None, 302, Location=f"{storage.url}/log?signed"))
        here = launcher(github, tmp_path)
        # Not before its artifact was looked for: that may tell everything.
        assert (await here.poll([SEVEN]))[SEVEN].sighting is Sighting.UNKNOWN
        assert await here.fetch(RUN, 0) == []
        for _ in range(2):
            seen = (await here.poll([SEVEN]))[SEVEN]
            assert seen.sighting is Sighting.FINISHED
            assert seen.detail == (
                "GitHub's job failed before its runner told how the program ended. It failed at the step “Fetch the "
                "runner”. Its log ends: git fetch / fatal: no space left on device @everyone / Process completed with "
                "exit code 128."
            )
    (asked,) = storage.asked
    assert "authorization" not in asked.headers
    assert (github.count(JOBS), github.count(LOGS)) == (1, 1)


def plain(text: str) -> Any:
    answer = reply(None)
    answer.body = text.encode()
    return answer


async def test_one_that_was_heard_needs_no_explanation(github: Canned, tmp_path: Path) -> None:
    here = launcher(github, tmp_path)
    await here.fetch(RUN, 3)
    assert (await here.poll([SEVEN]))[SEVEN].detail.endswith("how the program ended.")
    assert github.count(JOBS) == 0


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_where_nothing_can_be_found_out_the_sentence_stands_alone(
    github: Canned, tmp_path: Path, status: int
) -> None:
    github.say(JOBS, reply({"message": "no"}, status))
    here = launcher(github, tmp_path)
    await here.poll([SEVEN])
    await here.fetch(RUN, 0)
    for _ in range(2):
        assert (await here.poll([SEVEN]))[SEVEN].detail.endswith("how the program ended.")
    assert github.count(JOBS) == 1


async def test_an_end_does_not_wait_for_ever_for_its_reason(github: Canned, tmp_path: Path) -> None:
    here = launcher(github, tmp_path, last_words_s=0)
    assert (await here.poll([SEVEN]))[SEVEN].sighting is Sighting.FINISHED


def test_a_log_without_an_error_ends_with_its_last_lines() -> None:
    assert last_lines("2026-11-21T10:00:00.1Z a\nb\n\n\x1b[31mc\x1b[0m\nd\nPost job cleanup.\n") == ["b", "c", "d"]
    assert last_lines("") == []
    assert [len(line) for line in last_lines("x" * 9000)] == [120]
