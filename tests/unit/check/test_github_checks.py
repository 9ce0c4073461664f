"""What `cluster-bot check` says of GitHub: when all is well, and what to click for each thing that is not."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from small_github import BELOW, NAME, NO_RIGHT, TOKEN, SmallGitHub

from cluster_bot.check.inputs import declared, misfits
from cluster_bot.check.lines import say
from cluster_bot.check.of_github import checks_of_github
from cluster_bot.github_install import shipped
from cluster_bot.settings import Settings

NVIDIA = ".github/workflows/nvidia_workflow.yml"


async def check(github: SmallGitHub, **settings: Any) -> tuple[bool, dict[str, str]]:
    """Whether all is good, and name to mark and words of each line."""
    given = {"github_token": TOKEN, "github_repository": NAME, "github_api_url": github.url, **settings}
    shown = io.StringIO()
    console = Console(highlight=False, file=shown, width=10_000)
    good = True
    async with checks_of_github(Settings.read(None, **given)) as checks:
        for name, one in checks:
            good = await say(console, name, one) and good
    lines = [line.partition(": ") for line in shown.getvalue().splitlines()]
    return good, {name.partition(" ")[2]: name[0] + " " + words for name, _, words in lines}


@pytest.fixture
def ready(github: SmallGitHub) -> SmallGitHub:
    """A repository with all the bot needs."""
    github.commit(shipped())
    github.runners = [github.runner("nvidia"), github.runner("amd"), github.runner("amd", status="offline")]
    return github


async def test_all_is_well_and_nothing_was_started(ready: SmallGitHub) -> None:
    good, said = await check(ready)
    assert good
    assert said == {
        "GitHub token": "✓ accepted (fine-grained); 4987 of 5000 requests left until 08:00 UTC",
        "GitHub repository": f"✓ {NAME} found, private",
        "GitHub Actions": "✓ enabled",
        "GitHub workflow files": f"✓ all {len(shipped())} on the branch main, as in this version",
        "GitHub workflows": "✓ amd_workflow.yml, nvidia_workflow.yml: enabled, and each takes what the bot sends",
        "GitHub dispatches": "✓ the token may start workflows",
        "GitHub runners": "✓ NVIDIA: 1 online, AMD: 1 online",
        "GitHub webhook": "✓ none (GITHUB_WEBHOOK_SECRET): the bot looks at GitHub every few seconds instead",
    }
    assert [one for one in ready.asked if not one.startswith("GET")] == [
        "POST /actions/workflows/nvidia_workflow.yml/dispatches"
    ]


async def test_switched_off_is_one_line(github: SmallGitHub) -> None:
    assert await check(github, github_token=None) == (True, {"GitHub": "✓ switched off (GITHUB_TOKEN)"})
    assert github.asked == []


async def test_a_bad_token_is_said_once(ready: SmallGitHub) -> None:
    good, said = await check(ready, github_token="github_pat_other")
    assert not good
    assert "has expired or was revoked" in said["GitHub token"]
    assert [words[0] for words in said.values()] == ["✗", *"------✓"]


async def test_a_repository_that_is_not_seen(ready: SmallGitHub) -> None:
    good, said = await check(ready, github_repository="gpu-club/other")
    assert not good
    assert "choose it under the token's Repository access" in said["GitHub repository"]
    assert [words[0] for words in said.values()] == ["✓", "✗", *"-----✓"]
    assert "set it to OWNER/REPOSITORY" in (await check(ready, github_repository=None))[1]["GitHub repository"]


async def test_a_renamed_repository(ready: SmallGitHub) -> None:
    ready.says["GET /repos/gpu-club/before"] = (200, ready._described())
    good, said = await check(ready, github_repository="gpu-club/before")
    assert good
    assert said["GitHub repository"] == f"! found, but it is called {NAME} now; set GITHUB_REPOSITORY to that"


async def test_an_empty_repository_says_what_to_run(github: SmallGitHub) -> None:
    good, said = await check(github)
    assert not good
    for line in ("files", "workflows"):
        name = "GitHub workflow files" if line == "files" else "GitHub workflows"
        assert said[name].startswith("✗")
        assert "cluster-bot github install" in said[name]


def _public(github: SmallGitHub) -> None:
    github.private = False


def _disabled(github: SmallGitHub) -> None:
    github.enabled = False


def _no_dispatch(github: SmallGitHub) -> None:
    github.rights.discard("Actions")


def _older(github: SmallGitHub) -> None:
    github.commit({"src/cluster_runner/wire.py": b"old"})


def _no_runner(github: SmallGitHub) -> None:
    github.runners = github.runners[::2]


def _own_workflow(github: SmallGitHub) -> None:
    github.commit({NVIDIA: shipped()[NVIDIA].replace(b"      packages:\n", b"      parcels:\n")})


def _says(what: str, status: int, body: Any = NO_RIGHT) -> Callable[[SmallGitHub], None]:
    def change(github: SmallGitHub) -> None:
        github.says[what] = (status, body)

    return change


def _header(name: str, value: str) -> Callable[[SmallGitHub], None]:
    def change(github: SmallGitHub) -> None:
        github.headers[name] = value

    return change


def _expires(days: float) -> Callable[[SmallGitHub], None]:
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + days * 86_400))
    return _header("github-authentication-token-expiration", moment)


TROUBLES: dict[str, tuple[Callable[[SmallGitHub], None], str, str, str]] = {
    "expires soon": (_expires(3), "GitHub token", "!", "make a new one before"),
    "expires late": (_expires(90), "GitHub token", "✓", "expires on 2"),
    "public": (_public, "GitHub repository", "!", "GitHub advises against runners of your own"),
    "disabled": (_disabled, "GitHub Actions", "✗", "Settings, Actions, General"),
    "selected actions": (
        _says("GET /actions/permissions", 200, {"enabled": True, "allowed_actions": "selected"}),
        *("GitHub Actions", "!", "astral-sh/setup-uv must be among them"),
    ),
    "own actions": (
        _says("GET /actions/permissions", 200, {"enabled": True, "allowed_actions": "local_only"}),
        *("GitHub Actions", "✗", "Allow select actions"),
    ),
    "hidden": (_says("GET /actions/permissions", 403), "GitHub Actions", "!", '"Administration: Read-only"'),
    "older": (_older, "GitHub workflow files", "!", "src/cluster_runner/wire.py differ from this version's"),
    "no contents": (
        _says("GET /contents/src/cluster_runner", 403),
        *("GitHub workflow files", "!", '"Contents: Read-only"'),
    ),
    "switched off": (
        _says("GET /actions/workflows/amd_workflow.yml", 200, {"state": "disabled_manually"}),
        *("GitHub workflows", "✗", "Enable workflow"),
    ),
    "other inputs": (_own_workflow, "GitHub workflows", "✗", "declares no input packages, which the bot sends"),
    "no dispatch": (_no_dispatch, "GitHub dispatches", "✗", '"Actions: Read and write"'),
    "no trigger": (
        _says(
            "POST /actions/workflows/nvidia_workflow.yml/dispatches",
            *(422, {"message": "Workflow does not have 'workflow_dispatch' trigger"}),
        ),
        *("GitHub dispatches", "✗", "no workflow_dispatch trigger"),
    ),
    "no runner": (_no_runner, "GitHub runners", "!", "no runner is online for AMD (labels self-hosted, amd)"),
    "hidden runners": (_says("GET /actions/runners", 403), "GitHub runners", "!", "can't be seen with this token"),
}


@pytest.mark.parametrize(("change", "name", "mark", "words"), TROUBLES.values(), ids=TROUBLES)
async def test_a_trouble_has_its_line_and_leaves_the_others(
    ready: SmallGitHub, change: Callable[[SmallGitHub], None], name: str, mark: str, words: str
) -> None:
    change(ready)
    good, said = await check(ready)
    assert said[name].startswith(mark)
    assert words in said[name]
    assert good is (mark != "✗")
    assert sum(line[0] == "✗" for line in said.values()) == (mark == "✗")


HOOKED = {"github_webhook_secret": "s", "public_url": "https://bot.example.org"}
ADDRESS = "https://bot.example.org/github/webhook"


def hook(**changes: Any) -> dict[str, Any]:
    events = ["workflow_job", "workflow_run"]
    config = {"url": ADDRESS, "content_type": "json"}
    return {"id": 1, "active": True, "events": events, "config": config, **changes}


def delivery(status: int) -> dict[str, Any]:
    return {"event": "ping", "delivered_at": "2026-01-01T00:00:00Z", "status": "timed out", "status_code": status}


WEBHOOKS: dict[str, tuple[list[dict[str, Any]], int, str, str]] = {
    "arrived": ([hook()], 202, "✓", "the newest delivery (ping, 2026-01-01T00:00:00Z) arrived"),
    "arrived before": ([hook()], 409, "✓", "arrived"),
    "lost": ([hook()], 504, "!", "did not arrive (timed out); start the bot"),
    "refused": ([hook()], 403, "✗", "the webhook's secret is not GITHUB_WEBHOOK_SECRET"),
    "none": ([hook(config={"url": "https://other.example.org"})], 202, "!", f"the repository has none to {ADDRESS}"),
    "two": ([hook(), hook(id=2)], 202, "!", "delete all but one"),
    "inactive": ([hook(active=False)], 202, "✗", "tick Active"),
    "other events": ([hook(events=["push"])], 202, "✗", "does not tell of Workflow runs and Workflow jobs"),
    "all events": ([hook(events=["*"])], 202, "✓", "arrived"),
    "forms": ([hook(config={"url": ADDRESS, "content_type": "form"})], 202, "✗", "application/json"),
}


@pytest.mark.parametrize(("hooks", "status", "mark", "words"), WEBHOOKS.values(), ids=WEBHOOKS)
async def test_the_webhook(ready: SmallGitHub, hooks: list[dict[str, Any]], status: int, mark: str, words: str) -> None:
    ready.hooks, ready.deliveries = hooks, [delivery(status)]
    good, said = await check(ready, **HOOKED)
    assert said["GitHub webhook"].startswith(mark)
    assert words in said["GitHub webhook"]
    assert good is (mark != "✗")


async def test_a_webhook_that_can_t_be_judged(ready: SmallGitHub) -> None:
    ready.hooks = [hook()]
    assert "no delivery to be seen yet" in (await check(ready, **HOOKED))[1]["GitHub webhook"]
    ready.says["GET /hooks"] = (403, NO_RIGHT)
    good, said = await check(ready, **HOOKED)
    assert good
    assert '! can\'t be seen with this token; give it "Webhooks: Read and write"' in said["GitHub webhook"]
    good, said = await check(ready, github_webhook_secret="s")
    assert not good
    assert "PUBLIC_URL is not" in said["GitHub webhook"]


async def test_several_tokens_have_a_line_each_and_the_first_good_one_asks(ready: SmallGitHub) -> None:
    good, said = await check(ready, github_token=f"github_pat_other, {TOKEN}")
    assert not good
    assert said["GitHub token 1"].startswith("✗")
    assert said["GitHub token 2"].startswith("✓")
    assert [words[0] for words in said.values()] == ["✗", *"✓✓✓✓✓✓✓✓"]


async def test_an_app_without_its_key_is_one_sentence(ready: SmallGitHub) -> None:
    good, said = await check(ready, github_token=None, github_app_id="1")
    assert (good, list(said)) == (False, ["GitHub token"])
    assert "GITHUB_APP_PRIVATE_KEY is not" in said["GitHub token"]


async def test_another_branch(ready: SmallGitHub) -> None:
    _, said = await check(ready, github_ref="release")
    assert "There is no branch release" in said["GitHub workflow files"]
    ready.commit({"README.md": b"ours"}, "release")
    _, said = await check(ready, github_ref="release")
    assert "the branch release has none of them" in said["GitHub workflow files"]


async def test_an_organisations_runners_and_gpus_of_ones_own(ready: SmallGitHub) -> None:
    ready.runners = []
    ready.organisation = [ready.runner("nvidia", "H100")]
    _, said = await check(ready, github_gpus="H100=nvidia:self-hosted+h100")
    assert said["GitHub runners"] == "✓ H100: 1 online"


async def test_every_question_about_the_repository_uses_its_own_name(ready: SmallGitHub) -> None:
    await check(ready)
    others = [one.partition(" ")[2] for one in ready.asked if not one.startswith(("GET /git", "GET /contents"))]
    assert {one for one in others if one.startswith("/orgs")} == {"/orgs/gpu-club/actions/runners"}
    assert not [one for one in others if one.startswith(BELOW)]


def test_inputs_are_read_as_people_write_them() -> None:
    text = (
        "name: x\non:\n  push:\n  workflow_dispatch:\n    inputs:\n      'a':\n        required: true\n      b:  # b\n"
    )
    assert declared(text) == {"a": True, "b": False}
    assert declared("on: [push, workflow_dispatch]\n") is None
    assert declared("on:\n  workflow_dispatch:\n    inputs: {a: {}}\n") is None
    assert misfits({"content": "!"}) is None
    assert misfits(None) is None
