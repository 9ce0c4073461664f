"""Concurrency groups: one run at a time in each, who comes later waits, replaces or cancels as its file says."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from scratch import JOB, Client, ended

from cluster_sandbox.github import GitHubServer, Run

GROUPS = "/actions/concurrency_groups"


def with_concurrency(folder: Path, text: str, *, of_job: bool = False) -> None:
    """Give the workflow such a `concurrency`, or its job."""
    place, margin = ("    timeout-minutes:", "    ") if of_job else ("permissions:", "")
    added = "".join(f"{margin}{line}\n" for line in f"concurrency:\n{text}".splitlines())
    (folder / ".github" / "workflows" / "job.yml").write_text(JOB.replace(place, added + place), "utf-8")


async def three(client: Client) -> list[Run]:
    return [await client.dispatch(name) for name in ("a", "b", "c")]


def states(runs: list[Run]) -> list[str]:
    return [one.conclusion or one.status for one in runs]


@pytest.mark.parametrize("of_job", [False, True], ids=["of-the-workflow", "of-the-job"])
async def test_all_wait_in_order(folder: Path, github: GitHubServer, client: Client, of_job: bool) -> None:
    with_concurrency(folder, "  group: GPU/${{ inputs.attempt }}\n  queue: max", of_job=of_job)
    github.hold_runners()
    runs = await three(client)
    assert states(runs) == ["queued", "pending", "pending"]
    assert [(await client.run(one.id)).status for one in runs] == states(runs)

    _, _, listed = await client.get(GROUPS)
    assert [one["group_name"] for one in listed["concurrency_groups"]] == ["GPU/1"]
    status, _, group = await client.get(f"{GROUPS}/gpu%2F1")
    assert (status, group["total_count"]) == (200, 3)
    assert [(one["run_id"], one["status"]) for one in group["group_members"]] == [
        (runs[0].id, "in_progress"),
        (runs[1].id, "pending"),
        (runs[2].id, "pending"),
    ]
    assert all(("job_id" in one) == of_job for one in group["group_members"])

    _, _, own = await client.get(f"/actions/runs/{runs[2].id}/concurrency_groups")
    (member,) = own["concurrency_groups"][0]["group_members"]
    assert (member["run_id"], member["position"]) == (runs[2].id, 2)
    job = runs[1].job
    assert job is not None
    ahead = f"ahead_of_job={job.id}" if of_job else f"ahead_of_run={runs[1].id}"
    _, _, before = await client.get(f"{GROUPS}/GPU%2F1?{ahead}")
    assert [one["run_id"] for one in before["group_members"]] == [runs[0].id, runs[1].id]
    assert (await client.get(f"{GROUPS}/GPU%2F1?ahead_of_run=1"))[0] == 422

    github.release_runners()
    for run in runs:
        assert (await ended(run, github)).conclusion == "success"
    executed = sorted(github.executions, key=lambda one: one.started)
    assert [one.run_id for one in executed] == [one.id for one in runs]
    for earlier, later in itertools.pairwise(executed):
        assert earlier.ended is not None
        assert earlier.ended <= later.started
    assert (await client.get(f"{GROUPS}/GPU%2F1"))[0] == 404
    _, _, own = await client.get(f"/actions/runs/{runs[2].id}/concurrency_groups")
    assert own["concurrency_groups"][0]["group_members"] == []


async def test_who_waits_is_replaced(folder: Path, github: GitHubServer, client: Client) -> None:
    with_concurrency(folder, "  group: gpu")
    github.hold_runners()
    runs = await three(client)
    assert states(runs) == ["queued", "cancelled", "pending"]
    github.release_runners()
    assert (await ended(runs[2], github)).conclusion == "success"


async def test_who_runs_is_cancelled(folder: Path, github: GitHubServer, client: Client) -> None:
    with_concurrency(folder, "  group: gpu\n  cancel-in-progress: true")
    first = await client.dispatch("a", "sleep 60")
    await github.wait_run(lambda one: one is first and one.status == "in_progress")
    second = await client.dispatch("b")
    assert (await ended(first, github)).conclusion == "cancelled"
    assert (await ended(second, github)).conclusion == "success"


async def test_who_waits_can_be_cancelled_and_the_next_one_moves_up(
    folder: Path, github: GitHubServer, client: Client
) -> None:
    with_concurrency(folder, "  group: gpu\n  queue: max")
    github.hold_runners()
    runs = await three(client)
    assert (await client.post(f"/actions/runs/{runs[1].id}/cancel"))[0] == 202
    assert states(runs) == ["queued", "cancelled", "pending"]
    assert (await client.post(f"/actions/runs/{runs[0].id}/cancel"))[0] == 202
    assert states(runs) == ["cancelled", "cancelled", "queued"]


async def test_groups_of_other_names_do_not_meet(folder: Path, github: GitHubServer, client: Client) -> None:
    with_concurrency(folder, "  group: ${{ inputs.run_id }}")
    github.hold_runners()
    assert states(await three(client)) == ["queued"] * 3


async def test_who_would_wait_for_itself_is_cancelled(folder: Path, github: GitHubServer, client: Client) -> None:
    with_concurrency(folder, "  group: gpu")
    file = folder / ".github" / "workflows" / "job.yml"
    file.write_text(
        file.read_text("utf-8").replace("    timeout-minutes:", "    concurrency: GPU\n    timeout-minutes:")
    )
    run = await client.dispatch("a")
    assert (run.status, run.conclusion) == ("completed", "cancelled")
    assert (await client.get(f"{GROUPS}/gpu"))[0] == 404


@pytest.mark.parametrize("text", ["  group: ''", "  group: gpu\n  queue: some", "  group: ${{ secrets.x }}"])
async def test_what_is_no_group_does_not_start(folder: Path, github: GitHubServer, client: Client, text: str) -> None:
    with_concurrency(folder, text)
    run = await client.dispatch("a")
    assert (run.status, run.conclusion) == ("completed", "startup_failure")
