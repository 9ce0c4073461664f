"""GitHub Apps and what tokens may, with PyGithub's own authentication."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from github import Auth, Github, GithubException, GithubIntegration
from receiver import Receiver, receiving
from scratch import Client

from cluster_sandbox.github import App, GitHubServer

QUICK: dict[str, Any] = {"retry": None, "seconds_between_requests": 0, "seconds_between_writes": 0}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


def integration(github: GitHubServer, app: App) -> GithubIntegration:
    return GithubIntegration(auth=Auth.AppAuth(app.id, app.private_key), base_url=github.api_url, **QUICK)


async def ask(github: GitHubServer, claims: dict[str, Any], key: str, algorithm: str = "RS256") -> Any:
    """What GET /app answers to a token of these claims."""
    text = jwt.encode(claims, key, algorithm=algorithm)

    def get() -> Any:
        client = Github(base_url=github.api_url, auth=Auth.Token(text), **QUICK)
        return client.requester.requestJson("GET", "/app")

    status, _, body = await asyncio.to_thread(get)
    return status, body


async def test_an_installation_dispatches(github: GitHubServer) -> None:
    github.hold_runners()
    app = github.add_app()

    def work() -> str:
        found = integration(github, app)
        assert found.get_app().slug == "cluster-bot"
        installation = found.get_repo_installation("gpu-club", "kernels")
        assert [one.id for one in found.get_installations()] == [installation.id]
        auth = Auth.AppAuth(app.id, app.private_key).get_installation_auth(installation.id, {"actions": "write"})
        client = Github(base_url=github.api_url, auth=auth, **QUICK)
        repository = client.get_repo(github.full_name)
        repository.get_workflow("job.yml").create_dispatch("main", {"run_id": "a"}, throw=True)
        assert client.get_rate_limit().rate.remaining == 5_000 - 3
        return auth.token

    text = await asyncio.to_thread(work)
    assert text.startswith("ghs_")
    assert len(github.runs) == 1
    github.expire_token(text)
    assert (await Client(github, text).get("/actions/runs"))[0] == 401


async def test_a_token_may_what_was_asked_for_alone(github: GitHubServer) -> None:
    app = github.add_app(permissions={"actions": "write"})

    def work(permissions: dict[str, str]) -> str:
        found = integration(github, app)
        installation = found.get_repo_installation("gpu-club", "kernels")
        return found.get_access_token(installation.id, permissions).token

    reader = Client(github, await asyncio.to_thread(work, {"actions": "read"}))
    with pytest.raises(GithubException, match="Resource not accessible by integration"):
        await reader.dispatch()
    with pytest.raises(GithubException, match="not granted to this installation"):
        await asyncio.to_thread(work, {"contents": "write"})


async def test_json_web_tokens_that_open_nothing(github: GitHubServer) -> None:
    app, now = github.add_app(), int(time.time())
    good = {"iat": now - 60, "exp": now + 300, "iss": str(app.id)}
    assert (await ask(github, good, app.private_key))[0] == 200
    assert (await ask(github, {**good, "iss": app.client_id}, app.private_key))[0] == 200
    for claims, words in (
        ({**good, "exp": now - 10}, "future time at which the assertion expires"),
        ({**good, "exp": now + 900}, "too far in the future"),
        ({**good, "iat": now + 100}, "'Issued at' claim"),
        ({**good, "iss": "1"}, "Integration"),
    ):
        status, body = await ask(github, claims, app.private_key)
        assert (status, words in body) == (401, True), body
    other = github.add_app(slug="other", install=False)
    for key, algorithm in ((other.private_key, "RS256"), ("k" * 32, "HS256")):
        status, body = await ask(github, good, key, algorithm)
        assert (status, "could not be decoded" in body) == (401, True)
    github.policy.clock_ahead_s = -120
    assert "'Issued at' claim" in (await ask(github, good, app.private_key))[1]


async def test_an_app_that_is_not_installed(github: GitHubServer) -> None:
    app = github.add_app(install=False)

    def work() -> Any:
        return integration(github, app).get_repo_installation("gpu-club", "kernels")

    with pytest.raises(GithubException) as caught:
        await asyncio.to_thread(work)
    assert caught.value.status == 404
    github.install_app(app)
    text = github.installation_token(app)
    assert (await Client(github, text).get("/actions/runs"))[0] == 200
    github.uninstall_app(app)
    assert (await Client(github, text).get("/actions/runs"))[0] == 401


async def test_the_webhook_of_an_app(github: GitHubServer, receiver: Receiver) -> None:
    github.hold_runners()
    app = github.add_app(webhook=receiver.url, secret="s", events=("workflow_job",))
    client = Client(github, github.installation_token(app))
    await client.dispatch("a")
    await github.webhooks.settled()
    (arrival,) = receiver.arrivals
    assert arrival.headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert b'"installation"' in arrival.body

    def again() -> Any:
        requester = Github(base_url=github.api_url, auth=Auth.AppAuth(app.id, app.private_key), **QUICK).requester
        _, deliveries = requester.requestJsonAndCheck("GET", "/app/hook/deliveries")
        return requester.requestJson("POST", f"/app/hook/deliveries/{deliveries[0]['id']}/attempts")

    assert (await asyncio.to_thread(again))[0] == 202
    await github.webhooks.settled()
    assert len(receiver.arrivals) == 2


async def test_permissions_of_other_tokens(github: GitHubServer, client: Client) -> None:
    narrow = Client(github, github.add_token(permissions={"actions": "write"}))
    status, headers, _ = await narrow.get("/hooks")
    assert (status, headers["x-accepted-github-permissions"]) == (403, "repository_hooks=read")
    assert (await narrow.get("/actions/runs"))[0] == 200
    classic = Client(github, github.add_classic_token(scopes=("workflow",)))
    status, headers, _ = await classic.get("/actions/runs")
    assert (status, headers["x-oauth-scopes"], headers["x-accepted-oauth-scopes"]) == (404, "workflow", "repo")
    late = Client(github, github.add_token(expires_at=time.time() - 1))
    assert (await late.get("/actions/runs"))[0] == 401
    same = Client(github, github.add_token(login="cluster-bot"))
    await client.get("/actions/runs")
    _, headers, _ = await same.get("/actions/runs")
    assert headers["x-ratelimit-used"] == "2"
