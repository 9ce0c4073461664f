"""The repository's own GPU workflows run on the sandbox's GitHub, unmodified, and are stopped there."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from scratch import Client, ended, serving

from cluster_runner.wire import Event, Payload, event_from_line, pack
from cluster_sandbox.github import GitHubServer, Policy, Run, Runner

ROOT = Path(__file__).resolve().parents[3]
RUN_ID = "0123456789abcdef" * 2


async def dispatch(client: Client, file: str, program: str) -> Run:
    payload = pack(Payload(RUN_ID, 1, {"main.py": program}, "main.py", "python", 60.0))
    inputs = {"run_id": RUN_ID, "payload": payload, "runs_on": '["self-hosted"]'}
    made = await client.call(
        lambda repository: repository.get_workflow(file).create_dispatch(
            "main", inputs, throw=True, return_run_details=True
        )
    )
    return client.server.run(made.id)


def events(server: GitHubServer) -> list[Event]:
    (artifact,) = server.world.artifacts.values()
    assert artifact.name == f"{RUN_ID}-1"
    lines = zipfile.ZipFile(io.BytesIO(artifact.data)).read("events.ndjson").splitlines()
    return [event_from_line(line) for line in lines]


@pytest.mark.parametrize("file", ["nvidia_workflow.yml", "amd_workflow.yml"])
async def test_a_program_runs_and_its_spool_is_the_artifact(file: str) -> None:
    async with serving(ROOT, runners=[Runner("gpu")]) as client:
        run = await dispatch(client, file, "print('hello from the job')  # a secret comment")
        await ended(run, client.server)
        assert run.job is not None
        assert run.conclusion == "success", run.job.log_text
        assert run.title == f"{RUN_ID}-1"
        told = events(client.server)
        assert told[0].body["scheduler_run"] == str(run.id)
        assert "hello from the job\n" in [one.body.get("text") for one in told]
        assert told[-1].outcome.result == "exited"
        assert "secret comment" not in run.job.log_text
        assert run.inputs["payload"] not in run.job.log_text


async def test_a_cancelled_program_is_stopped_and_its_spool_kept() -> None:
    async with serving(ROOT, runners=[Runner("gpu")], policy=Policy(interrupt_s=60)) as client:
        run = await dispatch(client, "nvidia_workflow.yml", "import time\ntime.sleep(600)")
        await client.server.wait_run(lambda one: one.job and "Phase: run" in one.job.log_text, 60)
        await client.call(lambda repository: repository.get_workflow_run(run.id).cancel())
        await ended(run, client.server)
        assert run.job is not None
        assert run.conclusion == "cancelled", run.job.log_text
        assert events(client.server)[-1].outcome.result == "stopped"
