"""One dispatch: what travels, what is refused before anything leaves, and what every answer means."""

import json
import random
import string
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from canned import Canned, canned, reply

from cluster_bot.errors import UserError
from cluster_bot.launchers.github_actions import GithubActions, GithubApi, Reporting, Timing
from cluster_bot.launchers.github_actions.dispatch import MAX_INPUTS_CHARS, names_packages, size_of
from cluster_bot.runs.ports import LaunchRefusedError, LaunchUncertainError, Unknowable
from cluster_bot.runs.run import Handle, Member, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_runner import wire

DISPATCH = "POST /actions/workflows/nvidia_workflow.yml/dispatches"
RUNS = "GET /actions/runs"
REPORTING = Reporting("https://bot.example.org", lambda run, attempt, expires_at: f"token-{attempt}")
NONE = {"total_count": 0, "workflow_runs": []}
ACCEPTED = {"workflow_run_id": 42, "run_url": "http://x/42", "html_url": "http://x/html/42"}


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        one.say(RUNS, reply(NONE))
        one.say("GET /actions/runners", reply({"total_count": 0, "runners": []}))
        yield one


def launcher(
    github: Canned, folder: Path, reporting: Reporting | None = REPORTING, url: str = "", **timing: float
) -> GithubActions:
    api = GithubApi("ghp_secret", "gpu-club/kernels", base_url=url or github.url, timeout_s=1)
    # With reports a quarter of it counts.
    chosen = Timing(**{"fast_s": 0, "slow_s": 0, "listed_s": 240, "artifacts_s": 0, **timing})
    return GithubActions(api, folder, ref="main", reporting=reporting, timing=chosen)


def a_run(text: str = "print('hello')", *, gpu: str | None = "NVIDIA", launched_at: float | None = None) -> Run:
    spec = RunSpec({"a.py": text}, "a.py", "github", 90, gpu=gpu, arguments=("--x", "$(y)"))
    return Run(
        "ab" * 16,
        7,
        spec,
        Member("1", "ada"),
        Origin("k", {}),
        1.0,
        Status.STARTING,
        attempt=3,
        launched_at=launched_at,
    )


def noise(characters: int) -> str:
    """Text that no packing makes smaller than it must be."""
    return "# " + "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=characters))


async def test_what_travels(github: Canned, tmp_path: Path) -> None:
    github.say(DISPATCH, reply(ACCEPTED))
    assert await launcher(github, tmp_path).start(a_run()) == Handle('{"run": 42}')
    (asked,) = (one for one in github.asked if one.what == DISPATCH)
    assert asked.headers["authorization"].endswith("ghp_secret")
    assert asked.body["ref"] == "main"
    assert asked.body["return_run_details"] is True
    inputs = asked.body["inputs"]
    assert all(isinstance(value, str) for value in inputs.values())
    payload = wire.unpack(inputs.pop("payload"))
    assert (payload.run, payload.attempt, payload.main, payload.arguments) == ("ab" * 16, 3, "a.py", ("--x", "$(y)"))
    assert json.loads(inputs.pop("runs_on")) == ["self-hosted", "nvidia"]
    assert inputs == {
        "run_id": "ab" * 16,
        "attempt": "3",
        "report_to": "https://bot.example.org",
        "token": "token-3",
        "time_limit_minutes": "12",
        "container": "",
        "packages": "false",
    }


async def test_files_in_folders_travel_and_count(github: Canned, tmp_path: Path) -> None:
    github.say(DISPATCH, reply(ACCEPTED))
    files = {"app/main.cpp": '#include "include/a.h"', "include/a.h": "", "include/b.h": noise(30_000)}
    run = replace(a_run(), spec=RunSpec(files, "app/main.cpp", "github", 90, gpu="NVIDIA"))
    await launcher(github, tmp_path, reporting=None).check(run.spec)
    await launcher(github, tmp_path).start(run)
    payload = wire.unpack(github.asked[-1].body["inputs"]["payload"])
    assert (payload.files, payload.main, payload.language) == (files, "app/main.cpp", "cpp")
    both = replace(run.spec, files={**files, "more.h": noise(70_000)})
    with pytest.raises(UserError, match="too large to be sent to GitHub"):
        await launcher(github, tmp_path, reporting=None).check(both)


async def test_a_large_program_is_left_to_be_fetched(github: Canned, tmp_path: Path) -> None:
    github.say(DISPATCH, reply(ACCEPTED))
    await launcher(github, tmp_path).start(a_run(noise(70_000)))
    inputs = github.asked[-1].body["inputs"]
    assert inputs["payload"] == ""
    assert size_of(inputs) < MAX_INPUTS_CHARS


async def test_without_an_address_a_large_program_is_refused_before_anything_leaves(
    github: Canned, tmp_path: Path
) -> None:
    here = launcher(github, tmp_path, reporting=None)
    with pytest.raises(UserError, match=r"^`a\.py` is too large to be sent to GitHub"):
        await here.check(a_run(noise(70_000)).spec)
    with pytest.raises(LaunchRefusedError) as refused:
        await here.start(a_run(noise(70_000)))
    assert not refused.value.again
    assert github.count(DISPATCH) == 0
    await here.check(a_run(noise(30_000)).spec)


async def test_an_unknown_gpu_is_refused_with_those_there_are(github: Canned, tmp_path: Path) -> None:
    runner = {"labels": [{"name": "nvidia"}, {"name": "H100"}]}
    github.say("GET /actions/runners", reply({"runners": [runner]}))
    here = launcher(github, tmp_path)
    with pytest.raises(UserError, match=r"choose one of `NVIDIA`, `AMD`, `H100`\.$"):
        await here.check(a_run(gpu="B200").spec)
    with pytest.raises(UserError, match="choose one of"):
        await here.check(a_run(gpu=None).spec)
    await here.check(a_run(gpu=" h100 ").spec)
    assert github.count("GET /actions/runners") == 1


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (401, "Bad credentials", "renew GITHUB_TOKEN"),
        (403, "Resource not accessible by personal access token", "Actions: write"),
        (404, "Not Found", "GitHub knows no nvidia_workflow.yml in gpu-club/kernels"),
        (422, 'Unexpected inputs provided: ["x"]', "Unexpected inputs provided"),
        (410, "Gone", "Gone"),
    ],
)
async def test_a_no_is_told_and_not_repeated(
    github: Canned, tmp_path: Path, status: int, message: str, words: str
) -> None:
    github.say(DISPATCH, reply({"message": message}, status))
    with pytest.raises(LaunchRefusedError, match=r".") as refused:
        await launcher(github, tmp_path).start(a_run())
    assert words in refused.value.detail
    assert not refused.value.again
    assert github.count(DISPATCH) == 1


async def test_a_limit_is_obeyed_by_everything_that_follows(github: Canned, tmp_path: Path) -> None:
    github.say(DISPATCH, reply({"message": "secondary rate limit"}, 403, retry_after="40"))
    here = launcher(github, tmp_path)
    for _ in range(2):
        with pytest.raises(LaunchRefusedError, match=r"lets us ask again at \d\d:\d\d UTC") as refused:
            await here.start(a_run())
        assert refused.value.again
        assert refused.value.after_s == pytest.approx(40, abs=2)
    assert await here.find(a_run()) is Unknowable.NOW
    assert (await here.poll([Handle('{"run": 42}')]))[Handle('{"run": 42}')].sighting == "unknown"
    assert [one.what for one in github.asked] == [DISPATCH]


@pytest.mark.parametrize("status", [500, 502, 503, 302])
async def test_an_answer_that_says_nothing_is_uncertain(github: Canned, tmp_path: Path, status: int) -> None:
    github.say(DISPATCH, reply({"message": "oops"}, status))
    with pytest.raises(LaunchUncertainError):
        await launcher(github, tmp_path).start(a_run())
    assert github.count(DISPATCH) == 1


async def test_accepted_without_a_name_is_found_by_its_title(github: Canned, tmp_path: Path) -> None:
    github.say(DISPATCH, reply(None, 204))
    here = launcher(github, tmp_path)
    with pytest.raises(LaunchUncertainError):
        await here.start(a_run())
    github.say(RUNS, reply({"workflow_runs": [listed(9, f"{'ab' * 16}-3"), listed(8, f"{'ab' * 16}-2")]}))
    assert await here.find(a_run()) == Handle('{"run": 9}')


async def test_an_old_server_that_knows_no_details_is_asked_without(github: Canned, tmp_path: Path) -> None:
    old = reply({"message": "Invalid request: return_run_details is not permitted"}, 400)
    github.say(DISPATCH, old, reply(None, 204))
    with pytest.raises(LaunchUncertainError):
        await launcher(github, tmp_path).start(a_run())
    assert [one.body.get("return_run_details") for one in github.asked if one.what == DISPATCH] == [True, None]


async def test_nobody_listening_is_a_no_for_now(github: Canned, tmp_path: Path) -> None:
    with pytest.raises(LaunchRefusedError, match="can't be reached") as refused:
        await launcher(github, tmp_path, url="http://127.0.0.1:9").start(a_run())
    assert refused.value.again


async def test_without_a_claim_a_late_dispatch_is_not_sent(github: Canned, tmp_path: Path) -> None:
    github.say(DISPATCH, reply(ACCEPTED))
    here = launcher(github, tmp_path, reporting=None)
    with pytest.raises(LaunchUncertainError, match="too late"):
        await here.start(a_run(launched_at=1.0))
    assert github.count(DISPATCH) == 0
    assert await here.find(a_run(launched_at=1.0)) is Unknowable.EVER
    # With a claim it does no harm.
    with_claim = launcher(github, tmp_path)
    assert await with_claim.start(a_run(launched_at=1.0)) == Handle('{"run": 42}')
    assert await with_claim.find(a_run(launched_at=1.0)) is None


async def test_of_two_the_older_counts_and_the_younger_is_cancelled(github: Canned, tmp_path: Path) -> None:
    title = f"{'ab' * 16}-3"
    github.say(RUNS, reply({"workflow_runs": [listed(11, title), listed(10, "other"), listed(9, title)]}))
    github.say("POST /actions/runs/11/cancel", reply({}, 202))
    assert await launcher(github, tmp_path, reporting=None).find(a_run()) == Handle('{"run": 9}')
    assert github.count("POST /actions/runs/11/cancel") == 1
    # With a claim the loser ends by itself, and which one that is only the runners know.
    await launcher(github, tmp_path).find(a_run())
    assert github.count("POST /actions/runs/11/cancel") == 1


def test_a_block_of_packages_is_seen() -> None:
    for text, named in (
        ("# /// script\n# dependencies = ['numpy']\n# ///\n", True),
        ("print('# /// script')", False),
        ("# /// script x", False),
    ):
        assert names_packages(RunSpec({"a.py": text}, "a.py", "github", 9)) is named
    assert not names_packages(RunSpec({"a.cu": "# /// script\n"}, "a.cu", "github", 9))


def listed(number: int, title: str, status: str = "queued", conclusion: str | None = None) -> dict[str, object]:
    return {
        "id": number,
        "display_title": title,
        "status": status,
        "conclusion": conclusion,
        "html_url": f"http://x/{number}",
        "created_at": "2026-01-01T00:00:00Z",
        "path": ".github/workflows/nvidia_workflow.yml@main",
    }
