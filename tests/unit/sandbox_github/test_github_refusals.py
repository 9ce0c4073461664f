"""What GitHub refuses is refused, in its words and with its status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from github import BadCredentialsException, GithubException, UnknownObjectException
from github.Repository import Repository
from scratch import Client, serving

from cluster_sandbox.github import GitHubServer


def dispatch(repository: Repository, inputs: dict[str, Any], ref: str = "main", file: str = "job.yml") -> None:
    repository.get_workflow(file).create_dispatch(ref, inputs, throw=True)


@pytest.mark.parametrize(
    ("inputs", "ref", "words"),
    [
        ({"run_id": "a", "colour": "red"}, "main", 'Unexpected inputs provided: ["colour"]'),
        ({}, "main", "Required input 'run_id' not provided"),
        ({"run_id": "a"}, "elsewhere", "No ref found for: elsewhere"),
        ({"run_id": "a", "payload": "x" * 65_536}, "main", "inputs are too large."),
    ],
)
async def test_a_dispatch_github_refuses(
    github: GitHubServer, client: Client, inputs: dict[str, Any], ref: str, words: str
) -> None:
    with pytest.raises(GithubException) as caught:
        await client.call(lambda repository: dispatch(repository, inputs, ref))
    assert caught.value.status == 422
    assert caught.value.data["message"] == words
    assert github.runs == []


async def test_the_largest_inputs_are_taken(github: GitHubServer, client: Client) -> None:
    github.hold_runners()
    payload = "ü" * (65_535 - len('{"run_id":"a","payload":""}'))
    await client.call(lambda repository: dispatch(repository, {"run_id": "a", "payload": payload}))
    assert github.runs[0].inputs["payload"] == payload
    assert github.requests[0].body["inputs"]["payload"] == "***"


async def test_unknown_things_are_not_found(client: Client) -> None:
    with pytest.raises(UnknownObjectException):
        await client.call(lambda repository: dispatch(repository, {}, file="none.yml"))
    for path in ("/actions/runs/1", "/actions/jobs/1", "/actions/artifacts/1", "/actions/runs/x", "/nothing"):
        assert (await client.get(path))[0] == 404


async def test_tokens_open_only_what_they_may(github: GitHubServer) -> None:
    with pytest.raises(BadCredentialsException):
        await Client(github, "wrong").call(lambda repository: repository.get_workflow_run(1).update())
    reader = Client(github, github.add_token(write=False))
    assert (await reader.get("/actions/runs"))[0] == 200
    with pytest.raises(GithubException) as caught:
        await reader.dispatch()
    assert caught.value.status == 403
    assert caught.value.data["message"] == "Resource not accessible by personal access token"
    assert github.runs == []


async def test_files_that_cannot_be_dispatched(folder: Path) -> None:
    workflows = folder / ".github" / "workflows"
    inputs = "".join(f"      i{number}: {{}}\n" for number in range(26))
    (workflows / "many.yml").write_text(f"on:\n  workflow_dispatch:\n    inputs:\n{inputs}jobs: {{}}\n")
    (workflows / "push.yml").write_text("on: push\njobs: {}\n")
    (workflows / "broken.yml").write_text("on: [workflow_dispatch\n")
    async with serving(folder) as client:
        for file, words in (("many.yml", "up to 25"), ("push.yml", "does not have"), ("broken.yml", "failed to parse")):
            with pytest.raises(GithubException, match=words) as caught:
                await client.call(lambda repository, file=file: dispatch(repository, {}, file=file))  # type: ignore[misc]
            assert caught.value.status == 422


async def test_without_run_details_the_answer_is_empty(github: GitHubServer, client: Client) -> None:
    github.hold_runners()
    await client.call(lambda repository: dispatch(repository, {"run_id": "a"}))
    assert github.requests[0].status == 204
    assert [run.title for run in github.runs] == ["a-1"]
