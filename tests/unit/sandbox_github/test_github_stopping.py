"""Cancels, time limits and dead machines end jobs as GitHub ends them, and nothing survives."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from scratch import Client, ended, serving

from cluster_sandbox.github import GitHubServer, Policy, Run
from cluster_sandbox.github.execution import KEEPER

DEAF = 'trap "" INT TERM; echo ready; exec sleep 600'
TO_TERM = "trap '' INT; trap 'echo terminated; exit 8' TERM; echo ready; mkfifo p; read x < p & wait $!; wait $!"


@pytest.fixture
def policy() -> Policy:
    return Policy(interrupt_s=0.3, terminate_s=0.2, lost_s=0.1)


async def ready(run: Run, server: GitHubServer) -> None:
    await server.wait_run(lambda one: one is run and one.job and "Z ready" in one.job.log_text, 60)


def conclusions(run: Run) -> list[str | None]:
    assert run.job is not None
    return [step.conclusion for step in run.job.steps]


async def test_a_queued_run_is_cancelled_at_once(github: GitHubServer, client: Client) -> None:
    github.hold_runners()
    run = await client.dispatch()
    assert await client.call(lambda repository: repository.get_workflow_run(run.id).cancel())
    assert (run.status, run.conclusion) == ("completed", "cancelled")
    github.release_runners()
    assert github.executions == []
    status, _, body = await asyncio.to_thread(
        client.github.requester.requestJson, "POST", f"/repos/gpu-club/kernels/actions/runs/{run.id}/cancel"
    )
    assert (status, "completed" in body) == (409, True)


async def test_a_cancel_interrupts_the_step(folder: Path) -> None:
    """SIGINT first; a step that handles it has time, steps that always run still do, others do not."""
    async with serving(folder, policy=Policy(interrupt_s=60)) as client:
        script = "touch spool/x; trap 'echo interrupted; exit 0' INT; echo ready; mkfifo p; read x < p & wait $!"
        run = await client.dispatch("a", script)
        await ready(run, client.server)
        assert await client.call(lambda repository: repository.get_workflow_run(run.id).cancel())
        await ended(run, client.server)
        assert run.conclusion == "cancelled"
        assert run.job is not None
        assert "Z interrupted" in run.job.log_text
        assert "went on" not in run.job.log_text
        assert conclusions(run)[2:5] == ["cancelled", "skipped", "success"]
        assert [one.name for one in client.server.world.artifacts.values()] == ["a"]


async def test_a_step_deaf_to_sigint_gets_sigterm(github: GitHubServer, client: Client) -> None:
    github.policy.terminate_s = 60
    run = await client.dispatch("a", TO_TERM)
    await ready(run, github)
    await client.call(lambda repository: repository.get_workflow_run(run.id).cancel())
    await ended(run, github)
    assert run.job is not None
    assert "Z terminated" in run.job.log_text
    assert run.conclusion == "cancelled"


async def test_a_deaf_step_is_killed(github: GitHubServer, client: Client) -> None:
    run = await client.dispatch("a", f"touch spool/x; {DEAF}")
    await ready(run, github)
    await client.call(lambda repository: repository.get_workflow_run(run.id).cancel())
    await ended(run, github)
    assert (run.conclusion, len(github.world.artifacts)) == ("cancelled", 1)


async def test_a_cancelled_job_that_goes_on_is_ended_by_force(folder: Path) -> None:
    async with serving(folder, policy=Policy(interrupt_s=60, cancel_s=0.2)) as client:
        run = await client.dispatch("a", DEAF)
        await ready(run, client.server)
        await client.call(lambda repository: repository.get_workflow_run(run.id).cancel())
        await ended(run, client.server)
        assert run.conclusion == "cancelled"


async def test_force_cancel_waits_for_nothing(folder: Path) -> None:
    async with serving(folder, policy=Policy(interrupt_s=60)) as client:
        run = await client.dispatch("a", f"touch spool/x; {DEAF}")
        await ready(run, client.server)
        url = f"/repos/gpu-club/kernels/actions/runs/{run.id}/force-cancel"
        assert (await asyncio.to_thread(client.github.requester.requestJson, "POST", url))[0] == 202
        await ended(run, client.server)
        assert (run.conclusion, len(client.server.world.artifacts)) == ("cancelled", 0)


@pytest.mark.parametrize("conclusion", ["timed_out", "cancelled"])
async def test_a_job_over_its_time_is_stopped(folder: Path, conclusion: str) -> None:
    policy = Policy(minute_s=1, interrupt_s=0.2, terminate_s=0.2, timeout_conclusion=conclusion)
    async with serving(folder, policy=policy) as client:
        run = await ended(await client.dispatch("a", DEAF, minutes="0.5"), client.server)
        assert run.conclusion == conclusion
        assert run.job is not None
        assert "has exceeded the maximum execution time of 0.5 minutes." in run.job.log_text


async def test_a_dead_runner_is_noticed_late(github: GitHubServer, client: Client) -> None:
    github.policy.lost_s = 60
    run = await client.dispatch("a", DEAF)
    await ready(run, github)
    github.kill_runner(run.id)
    await github.wait_run(lambda one: one is run and github.executions[0].ended is not None)
    assert run.status == "in_progress"
    states = await client.call(lambda repository: [one.status for one in repository.get_self_hosted_runners()])
    assert states == ["offline", "online"]
    github.lose(run.id)
    await ended(run, github)
    assert (run.conclusion, "lost communication" in (run.failure or "")) == ("failure", True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", ["end", "stop"])
async def test_nothing_of_a_job_survives(folder: Path, tmp_path: Path, how: str) -> None:
    """A daemon in a session of its own goes when the job ends, and with the server."""
    pid_file = tmp_path / "pid"
    script = f"setsid bash -c 'echo $$ > {pid_file}; mv {pid_file} {pid_file}.done; {DEAF}' &\n"
    script += f"until [ -f {pid_file}.done ]; do :; done; " + ("true" if how == "end" else DEAF)
    async with serving(folder) as client:
        run = await client.dispatch("a", script)
        if how == "end":
            await ended(run, client.server)
            assert not alive(int(Path(f"{pid_file}.done").read_text()))
        else:
            await ready(run, client.server)
    assert not alive(int(Path(f"{pid_file}.done").read_text()))


async def test_jobs_end_with_a_server_that_is_killed() -> None:
    """The keeper ends everything when its pipe to the server closes, which the kernel does for a killed server."""
    script = f"setsid bash -c '{DEAF}' & echo $!; {DEAF}"
    keeper = await asyncio.create_subprocess_exec(
        sys.executable, str(KEEPER), "bash", "-c", script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert keeper.stdin is not None and keeper.stdout is not None
    daemon = int(await keeper.stdout.readline())
    keeper.stdin.close()
    assert await keeper.wait() == 137
    assert not alive(daemon)
