"""Webhooks as a receiver gets them, what GitHub keeps of them, and the troubles a test can order."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from github import GithubException
from github.Repository import Repository
from receiver import Receiver, receiving
from scratch import Client, ended

from cluster_sandbox.github import DeliveryFault, GitHubServer

SECRET = "a long secret"
ONE_RUN = [
    *(("workflow_run", "requested"), ("workflow_job", "queued"), ("workflow_run", "in_progress")),
    *(("workflow_job", "in_progress"), ("workflow_job", "completed"), ("workflow_run", "completed")),
]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """Event and action of everything that arrived."""
    return [(one.headers["X-GitHub-Event"], json.loads(one.body).get("action")) for one in receiver.arrivals]


async def test_a_hook_hears_of_a_run_from_beginning_to_end(
    github: GitHubServer, client: Client, receiver: Receiver
) -> None:
    hook = github.add_hook(receiver.url, secret=SECRET)
    await github.webhooks.settled()
    run = await ended(await client.dispatch("a"), github)
    await github.webhooks.settled()
    assert sorted(told(receiver), key=str) == sorted([("ping", None), *ONE_RUN], key=str)
    assert [(one.event, one.action) for one in github.webhooks.deliveries.values()][1:] == ONE_RUN
    for one in receiver.arrivals:
        digest = hmac.new(SECRET.encode(), one.body, hashlib.sha256).hexdigest()
        assert one.headers["X-Hub-Signature-256"] == f"sha256={digest}"
        assert one.headers["X-GitHub-Hook-ID"] == str(hook.id)
        assert one.headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert len({one.headers["X-GitHub-Delivery"] for one in receiver.arrivals}) == 7
    bodies = [json.loads(one.body) for one in receiver.arrivals]
    (last,) = (one for one in bodies if one.get("action") == "completed" and "workflow_run" in one)
    assert last["workflow_run"]["display_title"] == run.title
    assert last["workflow_run"]["conclusion"] == "success"
    assert last["repository"]["full_name"] == github.full_name


async def test_a_cancelled_queue_and_a_startup_failure_are_told(
    github: GitHubServer, client: Client, receiver: Receiver
) -> None:
    github.hold_runners()
    github.add_hook(receiver.url)
    run = await client.dispatch("a")
    await client.call(lambda repository: repository.get_workflow_run(run.id).cancel())
    await client.dispatch("b", runs_on="{}")
    await github.webhooks.settled()
    ends = [one.payload for one in github.webhooks.deliveries.values() if one.action == "completed"]
    conclusions = [(one.get("workflow_job") or one["workflow_run"])["conclusion"] for one in ends]
    assert conclusions == ["cancelled", "cancelled", "startup_failure"]


async def test_hooks_through_pygithub(github: GitHubServer, client: Client, receiver: Receiver) -> None:
    def create(repository: Repository) -> Any:
        settings = {"url": receiver.url, "content_type": "json", "secret": SECRET}
        return repository.create_hook("web", settings, events=["workflow_run"])

    hook = await client.call(create)
    assert hook.config["secret"] == "********"
    with pytest.raises(GithubException, match="already exists"):
        await client.call(create)
    await client.call(
        lambda _: hook.edit("web", {"url": receiver.url, "content_type": "form"}, events=["workflow_job"])
    )
    github.hold_runners()
    await client.dispatch("a")
    await github.webhooks.settled()
    assert receiver.events() == ["ping", "workflow_job"]
    (payload,) = parse_qs(receiver.arrivals[1].body.decode())["payload"]
    assert json.loads(payload)["action"] == "queued"
    assert "X-Hub-Signature-256" not in receiver.arrivals[1].headers
    await client.call(lambda _: hook.delete())
    assert (await client.get("/hooks"))[2] == []


async def test_what_was_missed_can_be_sent_again(github: GitHubServer, client: Client, receiver: Receiver) -> None:
    github.hold_runners()
    hook = github.add_hook(receiver.url, secret=SECRET)
    await github.webhooks.settled()
    receiver.status = 500
    await client.dispatch("a")
    await github.webhooks.settled()
    _, headers, failed = await client.get(f"/hooks/{hook.id}/deliveries?status=failure&per_page=1")
    assert [(one["event"], one["status_code"]) for one in failed] == [("workflow_job", 500)]
    _, _, older = await client.get(headers["link"].split(">")[0].partition("/kernels")[2])
    assert [(one["event"], one["status_code"]) for one in older] == [("workflow_run", 500)]
    receiver.status = 204
    status, _, _ = await client.post(f"/hooks/{hook.id}/deliveries/{failed[0]['id']}/attempts")
    assert status == 202
    await github.webhooks.settled()
    first, again = (one for one in receiver.arrivals if one.headers["X-GitHub-Delivery"] == failed[0]["guid"])
    assert first.body == again.body
    _, _, newest = await client.get(f"/hooks/{hook.id}/deliveries?per_page=1")
    assert (newest[0]["redelivery"], newest[0]["status"], newest[0]["guid"]) == (True, "OK", failed[0]["guid"])
    _, _, whole = await client.get(f"/hooks/{hook.id}/deliveries/{newest[0]['id']}")
    assert whole["request"]["payload"]["action"] == "queued"
    github.policy.delivery_days = 0
    assert (await client.get(f"/hooks/{hook.id}/deliveries"))[2] == []


async def test_receivers_that_are_slow_or_not_there(github: GitHubServer, receiver: Receiver) -> None:
    github.policy.delivery_timeout_s = 0.05
    receiver.open.clear()
    github.add_hook(receiver.url)
    github.add_hook("http://127.0.0.1:9/")
    await github.webhooks.settled()
    assert sorted(one.status for one in github.webhooks.deliveries.values()) == [
        "failed to connect to host",
        "timed out",
    ]


async def test_redirects_are_failures(github: GitHubServer, receiver: Receiver) -> None:
    receiver.status = 302
    github.add_hook(receiver.url)
    await github.webhooks.settled()
    assert [one.status for one in github.webhooks.deliveries.values()] == ["Invalid HTTP Response: 302"]


async def test_troubles_of_delivery(github: GitHubServer, client: Client, receiver: Receiver) -> None:
    github.hold_runners()
    github.add_hook(receiver.url, secret=SECRET, events=("workflow_run",))
    await github.webhooks.settled()
    faults = github.webhooks.faults
    for fault in (
        DeliveryFault(lost=True),
        DeliveryFault(unmade=True),
        DeliveryFault(copies=2),
        DeliveryFault(signature="sha256=" + "0" * 64),
        DeliveryFault(body=lambda body: body[:-1], delay_s=0.01),
        DeliveryFault(signature=""),
    ):
        faults.append(fault)
        await client.dispatch("a")
        await github.webhooks.settled()
    _, twice, same, forged, cut, unsigned = receiver.arrivals
    assert twice == same
    assert forged.headers["X-Hub-Signature-256"] == "sha256=" + "0" * 64
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(cut.body)
    assert "X-Hub-Signature-256" not in unsigned.headers
    assert [one.status_code for one in github.webhooks.deliveries.values()] == [202, 502, 202, 202, 202, 202]


async def test_deliveries_held_and_sent_in_another_order(
    github: GitHubServer, client: Client, receiver: Receiver
) -> None:
    github.hold_runners()
    github.add_hook(receiver.url)
    await github.webhooks.settled()
    github.webhooks.hold()
    await client.dispatch("a")
    assert receiver.events() == ["ping"]
    github.webhooks.release("reversed")
    delivery = await github.webhooks.wait(lambda one: one.event == "workflow_run")
    assert delivery.succeeded
    assert [one.event for one in github.webhooks.deliveries.values()][1:] == ["workflow_run", "workflow_job"]
