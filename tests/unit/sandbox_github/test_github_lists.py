"""Lists as a poller reads them: filters, pages, ETags; and the rate limits that answers carry."""

from __future__ import annotations

import pytest
from github import GithubException, RateLimitExceededException
from scratch import Client

from cluster_sandbox.github import Fault, GitHubServer

DISPATCHES = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
RUNS = "/repos/{owner}/{repo}/actions/runs"


@pytest.fixture(autouse=True)
def queue_only(github: GitHubServer) -> None:
    github.hold_runners()


async def test_an_unchanged_list_is_free(github: GitHubServer, client: Client) -> None:
    await client.dispatch("a")
    status, headers, _ = await client.get("/actions/runs?event=workflow_dispatch")
    remaining = headers["x-ratelimit-remaining"]
    again = {"If-None-Match": headers["etag"]}
    status, headers, _ = await client.get("/actions/runs?event=workflow_dispatch", **again)
    assert (status, headers["x-ratelimit-remaining"]) == (304, remaining)
    await client.dispatch("b")
    status, headers, _ = await client.get("/actions/runs?event=workflow_dispatch", **again)
    assert status == 200


async def test_pages_and_filters(github: GitHubServer, client: Client) -> None:
    runs = [await client.dispatch(str(number)) for number in range(5)]
    _, headers, body = await client.get("/actions/runs?per_page=2&page=2")
    assert body["total_count"] == 5
    assert [one["display_title"] for one in body["workflow_runs"]] == ["2-1", "1-1"]
    relations = {part.split('rel="')[1][:-1] for part in headers["link"].split(", ")}
    assert relations == {"first", "prev", "next", "last"}
    titles = await client.call(lambda repository: [one.display_title for one in repository.get_workflow_runs()])
    assert titles == ["4-1", "3-1", "2-1", "1-1", "0-1"]
    github.conclude(runs[0].id, "action_required")
    for query, wanted in (
        ("status=queued", 4),
        ("status=completed", 1),
        ("status=action_required", 1),
        ("event=push", 0),
        ("created=%3E%3D2020-01-01T00:00:00Z", 5),
        ("created=%3E%3D2999-01-01", 0),
        ("created=2020-01-01..2999-01-01", 5),
    ):
        assert (await client.get(f"/actions/runs?{query}"))[2]["total_count"] == wanted, query


async def test_a_run_listed_late_is_there_by_its_id(github: GitHubServer, client: Client) -> None:
    github.hold_listing()
    run = await client.dispatch("a")
    assert (await client.get("/actions/runs"))[2]["total_count"] == 0
    assert (await client.get(f"/actions/runs/{run.id}"))[0] == 200
    github.release_listing()
    assert (await client.get("/actions/runs"))[2]["total_count"] == 1


async def test_addresses_are_those_the_client_used(github: GitHubServer, client: Client) -> None:
    run = await client.dispatch("a")
    _, _, body = await client.get(f"/actions/runs/{run.id}", Host="localhost:80")
    assert body["url"] == f"http://localhost:80/api/v3/repos/gpu-club/kernels/actions/runs/{run.id}"


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
async def test_an_answer_lost_before_or_after_the_dispatch(
    github: GitHubServer, client: Client, when: str, made: int
) -> None:
    github.faults.add(Fault(method="POST", route=DISPATCHES, when=when, status=502))  # type: ignore[arg-type]
    with pytest.raises(GithubException) as caught:
        await client.dispatch()
    assert caught.value.status == 502
    assert len(github.runs) == made
    with pytest.raises(ValueError, match="no such route"):
        github.faults.add(Fault(route="/repos/{owner}"))


async def test_the_primary_limit(github: GitHubServer, client: Client) -> None:
    github.policy.primary_limit = 1
    await client.get("/actions/runs")
    with pytest.raises(RateLimitExceededException) as caught:
        await client.call(lambda repository: repository.get_workflow_run(1).update())
    assert caught.value.headers is not None
    assert caught.value.headers["x-ratelimit-remaining"] == "0"
    limit = await client.call(lambda _: client.github.get_rate_limit())
    assert limit.rate.remaining == 0


@pytest.mark.parametrize("status", [403, 429])
async def test_limits_by_order(github: GitHubServer, client: Client, status: int) -> None:
    github.limit_primary(route=RUNS, status=status, reset_s=30)
    code, headers, body = await client.get("/actions/runs")
    assert (code, headers["x-ratelimit-remaining"]) == (status, "0")
    assert "API rate limit exceeded" in body["message"]
    github.limit_secondary(route=RUNS, status=status, retry_after_s=7)
    code, headers, body = await client.get("/actions/runs")
    assert (code, headers["retry-after"]) == (status, "7")
    assert "secondary rate limit" in body["message"]
    assert (await client.get("/actions/runs"))[0] == 200


async def test_points_by_the_minute(github: GitHubServer, client: Client) -> None:
    github.policy.points_per_minute = 6
    await client.dispatch()
    assert (await client.get("/actions/runs"))[0] == 200
    status, headers, _ = await client.get("/actions/runs")
    assert (status, headers["retry-after"]) == (403, "60")
