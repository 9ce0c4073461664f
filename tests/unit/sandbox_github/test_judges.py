"""The judges of the stand-in are able to complain."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from receiver import receiving
from scratch import Client, ended

from cluster_sandbox.github import GitHubServer
from judges import of_answer, of_delivery, of_request, unlike_examples

REPO = "/repos/gpu-club/kernels"


async def told(github: GitHubServer, client: Client) -> dict[str, dict[str, Any]]:
    """What a webhook hears of a run, by event and action."""
    async with receiving() as receiver:
        github.add_hook(receiver.url, secret="s", events=["workflow_run", "workflow_job"])
        run = await client.dispatch()
        await ended(run, github)
        await github.webhooks.wait(lambda one: one.action == "completed" and one.event == "workflow_run", 60)
    return {f"{one.event} {one.action}": one.payload for one in github.webhooks.deliveries.values()}


async def test_what_a_run_tells_is_as_in_the_examples(github: GitHubServer, client: Client) -> None:
    payloads = await told(github, client)
    runs = {f"workflow_run {action}" for action in ("requested", "in_progress", "completed")}
    jobs = {f"workflow_job {action}" for action in ("queued", "in_progress", "completed")}
    assert payloads.keys() - {"ping None"} == runs | jobs
    for name, payload in payloads.items():
        assert unlike_examples(name.split()[0], payload) <= NEWER, name


# What GitHub's description has, and its examples, which are older, have not.
NEWER = {"repository.has_discussions", "workflow_run.referenced_workflows"}


async def test_a_payload_that_is_not_githubs_is_seen(github: GitHubServer, client: Client) -> None:
    payload = (await told(github, client))["workflow_run completed"]
    assert of_delivery("workflow_run", "completed", payload) == []
    for place, wrong in (("id", "7"), ("status", None), ("html_url", 7)):
        spoiled = copy.deepcopy(payload)
        spoiled["workflow_run"][place] = wrong
        assert of_delivery("workflow_run", "completed", spoiled), place
    spoiled = copy.deepcopy(payload)
    del spoiled["workflow_run"]["head_sha"]
    assert of_delivery("workflow_run", "completed", spoiled)
    assert of_delivery("workflow_run", "guessed", payload) == ["GitHub describes no webhook workflow-run-guessed"]


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", f"{REPO}/actions/runs", 200, {"total_count": "1", "workflow_runs": []}),
        ("GET", f"{REPO}/actions/runs", 200, {"total_count": 1}),
        ("GET", f"{REPO}/actions/runs", 200, None),
        ("GET", f"{REPO}/actions/runs", 201, {}),
        ("GET", f"{REPO}/actions/guesses", 200, {}),
        ("POST", f"{REPO}/actions/runs/7/cancel", 204, {}),
        ("GET", f"{REPO}/actions/runs/7", 404, {"error": "none"}),
    ],
)
def test_an_answer_that_is_not_githubs_is_seen(method: str, path: str, status: int, body: Any) -> None:
    assert of_answer(method, path, status, body)


def test_answers_of_githubs_are_fine() -> None:
    assert of_answer("GET", f"{REPO}/actions/runs", 200, {"total_count": 0, "workflow_runs": []}) == []
    assert of_answer("GET", f"{REPO}/actions/runs/7", 404, {"message": "Not Found"}) == []
    assert of_answer("GET", f"{REPO}/git/ref/heads/a/b", 404, {"message": "Not Found"}) == []


JIT = "/orgs/gpu-club/actions/runners/generate-jitconfig"
GOOD = {"name": "box", "runner_group_id": 1, "labels": ["nvidia"]}


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", f"{REPO}/actions/runners", {"per_page": "many"}, None),
        ("GET", f"{REPO}/actions/runners", {"pages": "2"}, None),
        ("GET", "/orgs/gpu-club/actions/donors", {}, None),
        ("POST", JIT, {}, None),
        ("POST", JIT, {}, {**GOOD, "labels": []}),
        ("POST", JIT, {}, {**GOOD, "label": "nvidia"}),
        ("POST", JIT, {}, {"name": "box", "labels": ["nvidia"]}),
        ("POST", f"{REPO}/actions/runners/registration-token", {}, {"hours": 2}),
    ],
)
def test_a_request_that_is_not_githubs_is_seen(method: str, path: str, query: dict[str, str], body: Any) -> None:
    assert of_request(method, path, query, body)


def test_requests_of_githubs_are_fine() -> None:
    assert of_request("GET", f"{REPO}/actions/runners", {"per_page": "100", "page": "2", "name": "box"}, None) == []
    assert of_request("POST", JIT, {}, GOOD) == []
    assert of_request("POST", f"{REPO}/actions/runners/registration-token", {}, None) == []
