"""A dispatched workflow file is executed, and its run, job, steps, log and artifact look as on GitHub."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import aiohttp
import pytest
from scratch import Client, ended, serving

from cluster_sandbox.github import GitHubServer, Runner

MASKED = """
x=s3cr; echo ::add-mask::${x}et; echo said ${x}et; echo ::error::bad
echo id $GITHUB_RUN_ID; echo "token: ${ACTIONS_RUNTIME_TOKEN-none}"
"""


async def test_a_run_from_dispatch_to_artifact(github: GitHubServer, client: Client) -> None:
    run = await ended(await client.dispatch("abc", "echo hello > spool/out.txt"), github)
    seen = await client.run(run.id)
    assert (seen.display_title, seen.name, seen.path) == ("abc-1", "Job", ".github/workflows/job.yml")
    assert (seen.status, seen.conclusion, seen.event, seen.head_branch) == (
        "completed",
        "success",
        "workflow_dispatch",
        "main",
    )
    (job,) = await client.call(lambda repository: list(repository.get_workflow_run(run.id).jobs()))
    assert [(one.number, one.name, one.status, one.conclusion) for one in job.steps] == [
        (1, "Set up job", "completed", "success"),
        (2, "Run actions/checkout@0123456789012345678901234567890123456789", "completed", "success"),
        (3, "Work", "completed", "success"),
        (4, "Only after success", "completed", "success"),
        (5, "Keep", "completed", "success"),
        (6, "Complete job", "completed", "success"),
    ]
    assert all(one.started_at and one.completed_at for one in job.steps)
    (artifact,) = await client.call(lambda repository: list(repository.get_artifacts(name="abc")))
    data = await download(client, f"/actions/artifacts/{artifact.id}/zip")
    assert artifact.digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert zipfile.ZipFile(io.BytesIO(data)).read("out.txt") == b"hello\n"
    (execution,) = github.executions
    assert (execution.run_id, execution.runner, execution.ended is not None) == (run.id, "gpu-1", True)


async def download(client: Client, path: str) -> bytes:
    """What the address behind a redirect gives, fetched without a token from another port."""
    status, headers, _ = await client.get(path)
    assert status == 302
    assert headers["location"].startswith(client.server.storage_url)
    async with aiohttp.ClientSession() as session, session.get(headers["location"]) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_the_log_is_there_once_the_job_is_done(github: GitHubServer, client: Client) -> None:
    github.hold_runners()
    run = await client.dispatch("abc", MASKED)
    assert run.job is not None
    status, _, body = await client.get(f"/actions/jobs/{run.job.id}/logs")
    assert (status, "BlobNotFound" in body) == (404, True)
    github.release_runners()
    await ended(run, github)
    text = (await download(client, f"/actions/jobs/{run.job.id}/logs")).decode()
    lines = [line.partition("Z ")[2] for line in text.splitlines()]
    assert "said ***" in lines
    assert "##[error]bad" in lines
    assert f"id {run.id}" in lines
    # act would give `run:` steps the artifact service's token.
    assert "token: none" in lines
    assert "s3cret" not in text
    assert run.token not in text


async def test_the_log_shows_what_a_step_was_given(github: GitHubServer, client: Client) -> None:
    """GitHub prints `env:` and `with:` before any mask: a secret that is passed so must be found by tests."""
    run = await ended(await client.dispatch("abc", "echo a secret script"), github)
    assert run.job is not None
    assert "  SCRIPT: echo a secret script" in run.job.log_text


async def test_a_failing_step_ends_the_job_but_not_what_is_always_done(github: GitHubServer, client: Client) -> None:
    run = await ended(await client.dispatch("abc", "touch spool/x; exit 3"), github)
    assert run.job is not None
    assert run.conclusion == "failure"
    assert [step.conclusion for step in run.job.steps[2:5]] == ["failure", "skipped", "success"]
    assert "##[error]Process completed with exit code 3." in run.job.log_text
    assert len(github.world.artifacts) == 1


async def test_runs_wait_for_a_machine_with_their_labels(folder: Path) -> None:
    async with serving(folder, runners=[Runner("plain")]) as client:
        run = await client.dispatch("a", runs_on='["self-hosted", "NVIDIA"]')
        other = await ended(await client.dispatch("b"), client.server)
        assert (run.status, other.conclusion) == ("queued", "success")
        client.server.add_runner(Runner("late", ("self-hosted", "nvidia")))
        await ended(run, client.server)
        assert [one.runner for one in client.server.executions] == ["plain", "late"]


async def test_jobs_run_at_once_and_do_not_meet(github: GitHubServer, client: Client, tmp_path: Path) -> None:
    """Each of two jobs waits for the other in a pipe, and finds its own workspace as it was checked out."""
    pipe = tmp_path / "pipe"
    first = await client.dispatch("a", f"mkfifo {pipe}; ls -A; echo x > {pipe}")
    second = await client.dispatch("b", f"until [ -p {pipe} ]; do :; done; read x < {pipe}; [ $x = x ]")
    assert (await ended(first, github)).conclusion == "success"
    assert (await ended(second, github)).conclusion == "success"
    assert {one.runner for one in github.executions} == {"gpu-1", "gpu-2"}


async def test_a_runner_is_busy_while_it_works(github: GitHubServer, client: Client, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    run = await client.dispatch("a", f"mkfifo {pipe}; echo at work; read x < {pipe}")
    await github.wait_run(lambda one: one.job and "Z at work" in one.job.log_text)
    busy = await client.call(lambda repository: [one.busy for one in repository.get_self_hosted_runners()])
    (job,) = await client.call(lambda repository: list(repository.get_workflow_run(run.id).jobs()))
    assert busy == [True, False]
    assert [one.status for one in job.steps[:4]] == ["completed", "completed", "in_progress", "queued"]
    pipe.write_text("go\n")
    assert (await ended(run, github)).conclusion == "success"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("- uses: somebody/else@v1", "no stand-in for somebody/else@v1"),
        ("[]", "no list of steps"),
        ("- run: 'true'\n    services: {}", "`services` of a job"),
    ],
)
async def test_what_cannot_be_executed_like_github_is_not(folder: Path, steps: str, reason: str) -> None:
    text = f"on: workflow_dispatch\njobs:\n  one:\n    runs-on: self-hosted\n    steps:\n    {steps}\n"
    (folder / ".github/workflows/bad.yml").write_text(text.replace("steps:\n    []", "steps: []"))
    async with serving(folder) as client:
        await client.call(lambda repository: repository.get_workflow("bad.yml").create_dispatch("main", throw=True))
        (run,) = client.server.runs
        assert (run.status, run.conclusion) == ("completed", "startup_failure")
        assert reason in (run.failure or "")
        assert client.server.executions == []


async def test_the_page_escapes_and_shows_the_run(github: GitHubServer, client: Client) -> None:
    run = await ended(await client.dispatch("<b>abc</b>", "echo '<i>hello</i>'"), github)
    seen = await client.run(run.id)
    async with aiohttp.ClientSession() as session, session.get(seen.html_url) as answer:
        text = await answer.text()
    assert "&lt;b&gt;abc&lt;/b&gt;-1" in text
    assert "&lt;i&gt;hello&lt;/i&gt;" in text
    assert "<b>abc" not in text
