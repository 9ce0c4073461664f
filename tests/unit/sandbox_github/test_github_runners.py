"""Self-hosted runners: listed where they belong, registered and removed with GitHub's rules, connected by a program."""

from __future__ import annotations

import asyncio
import json
import os
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from scratch import Client, ended, serving

from cluster_sandbox.github import GitHubServer, Runner

ORG = "/orgs/gpu-club/actions"
ENVIRONMENT = {"PATH": os.environ["PATH"], "RUNNER_ALLOW_RUNASROOT": "1"}


async def org(client: Client, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """A request below the organization."""

    def send() -> tuple[int, Any]:
        status, _, text = client.github.requester.requestJson(method, f"{ORG}{path}", input=body)
        return status, text

    status, text = await asyncio.to_thread(send)
    return status, json.loads(text) if text else None


async def unpacked(client: Client, target: Path) -> Path:
    """What GitHub hands out for Linux, as a donor unpacks it."""
    _, found = await org(client, "GET", "/runners/downloads")
    [linux] = [one for one in found if (one["os"], one["architecture"]) == ("linux", "x64")]
    async with aiohttp.ClientSession() as session, session.get(linux["download_url"]) as answer:
        archive = target / "runner.tar.gz"
        archive.write_bytes(await answer.read())
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return target


async def program(folder: Path, *command: str, **more: str) -> tuple[int, str]:
    """One of the archive's programs, to its end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**ENVIRONMENT, **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@asynccontextmanager
async def connected(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`run.sh` while the block lasts."""
    process = await asyncio.create_subprocess_exec("./run.sh", *arguments, cwd=folder, env=ENVIRONMENT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def configure(github: GitHubServer, token: str, *more: str) -> list[str]:
    where = ["--unattended", "--url", f"{github.url}/gpu-club", "--token", token, "--name", "box"]
    return ["./config.sh", *where, "--labels", "nvidia,H100", *more]


async def test_each_level_lists_its_own(folder: Path) -> None:
    of_org = Runner("theirs", ("self-hosted", "nvidia"), level="organization")
    async with serving(folder, runners=[Runner("ours"), of_org]) as client:
        assert [one["name"] for one in (await client.get("/actions/runners"))[2]["runners"]] == ["ours"]
        assert [one["name"] for one in (await org(client, "GET", "/runners"))[1]["runners"]] == ["theirs"]
        theirs = client.server.machines[1].id
        assert (await org(client, "GET", f"/runners/{theirs}"))[1]["name"] == "theirs"
        assert (await client.get(f"/actions/runners/{theirs}"))[0] == 404
        assert (await org(client, "DELETE", f"/runners/{theirs}"))[0] == 204
        assert [one.name for one in client.server.machines] == ["ours"]


async def test_a_person_has_no_runners_of_an_organization(folder: Path) -> None:
    async with serving(folder, organization=False) as client:
        assert (await client.get(""))[2]["owner"]["type"] == "User"
        assert (await org(client, "GET", "/runners"))[0] == 404
        assert (await client.post("/actions/runners/registration-token"))[0] == 201


async def test_a_registered_runner_stays(github: GitHubServer, client: Client, tmp_path: Path) -> None:
    _, token = await org(client, "POST", "/runners/registration-token")
    folder = await unpacked(client, tmp_path)
    assert await program(folder, *configure(github, token["token"]), RUNNER_ALLOW_RUNASROOT="1") == (
        0,
        "√ Runner successfully added\n√ Settings Saved.\n",
    )
    machine = github.machines[-1]
    assert (machine.labels, machine.level, machine.online) == (("self-hosted", "nvidia", "H100"), "organization", False)
    code, said = await program(folder, *configure(github, token["token"]))
    assert (code, "already configured" in said) == (1, True)
    job = await client.dispatch("a", runs_on='["self-hosted", "h100"]')
    async with connected(folder):
        await ended(job, github)
        assert github.executions[-1].runner == "box"
        await github.wait_machines(lambda _: machine.online and machine.run_id is None)
    await github.wait_machines(lambda _: not machine.online)
    _, remove = await org(client, "POST", "/runners/remove-token")
    assert (await program(folder, "./config.sh", "remove", "--token", remove["token"]))[0] == 0
    assert machine not in github.machines


async def test_a_just_in_time_runner_takes_one_job(github: GitHubServer, client: Client, tmp_path: Path) -> None:
    wanted = {"name": "once", "runner_group_id": 1, "labels": ["self-hosted", "X64", "nvidia", "once"]}
    status, made = await org(client, "POST", "/runners/generate-jitconfig", wanted)
    assert (status, made["runner"]["status"], made["runner"]["ephemeral"]) == (201, "offline", True)
    assert (await org(client, "POST", "/runners/generate-jitconfig", wanted))[0] == 409
    for wrong in ({"labels": []}, {"labels": ["a"] * 101}, {"runner_group_id": "1"}):
        assert (await org(client, "POST", "/runners/generate-jitconfig", {**wanted, "name": "x", **wrong}))[0] == 422
    other = {**wanted, "name": "x", "runner_group_id": 7}
    assert (await org(client, "POST", "/runners/generate-jitconfig", other))[0] == 404
    folder = await unpacked(client, tmp_path)
    async with connected(folder, "--jitconfig", made["encoded_jit_config"]) as process:
        await github.wait_machines(lambda machines: machines[-1].online)
        job = await client.dispatch("a", runs_on='["once"]')
        await ended(job, github)
        assert await process.wait() == 0
    assert [one.name for one in github.machines] == ["gpu-1", "gpu-2"]
    code, said = await program(folder, "./run.sh", "--jitconfig", made["encoded_jit_config"])
    assert (code, "deleted from the server" in said) == (1, True)


async def test_a_busy_runner_is_not_removed(github: GitHubServer, client: Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = await client.dispatch("a", f"until [ -e {gate} ]; do sleep 0.05; done")
    await github.wait_run(lambda run: run.status == "in_progress")
    busy = next(one for one in github.machines if one.run_id)
    status, _, said = await client.ask("DELETE", f"/actions/runners/{busy.id}")
    assert (status, "still running a job" in said["message"]) == (422, True)
    gate.touch()
    await ended(job, github)
    assert (await client.ask("DELETE", f"/actions/runners/{busy.id}"))[0] == 204


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--labels"], "expected one argument"),
        (["--label=nvidia"], "unrecognized arguments"),
        (["--runnergroup", "nobody's"], "404"),
        (["--url", "http://127.0.0.1:1/gpu-club"], "can't be reached"),
        (["--token", "mistyped"], "404"),
        (["--work", "/"], "for work"),
    ],
)
async def test_arguments_that_cannot_be(
    github: GitHubServer, client: Client, tmp_path: Path, wrong: list[str], said: str
) -> None:
    token, _ = github.world.fleet.grant("register", "organization")
    folder = await unpacked(client, tmp_path)
    code, answer = await program(folder, *configure(github, token, *wrong))
    assert code != 0
    assert said in answer
    assert len(github.machines) == 2


async def test_a_token_lasts_an_hour_and_opens_its_level(github: GitHubServer, client: Client, tmp_path: Path) -> None:
    folder = await unpacked(client, tmp_path)
    _, _, of_repository = await client.post("/actions/runners/registration-token")
    assert (await program(folder, *configure(github, of_repository["token"])))[0] == 1
    removing, _ = github.world.fleet.grant("remove", "organization")
    assert (await program(folder, *configure(github, removing)))[0] == 1
    github.policy.runner_token_s = -1.0
    expired, _ = github.world.fleet.grant("register", "organization")
    assert (await program(folder, *configure(github, expired)))[0] == 1
    if os.geteuid() == 0:
        good, _ = github.world.fleet.grant("register", "organization")
        assert await program(folder, *configure(github, good), RUNNER_ALLOW_RUNASROOT="") == (
            1,
            "Must not run with sudo\n",
        )


async def test_groups_keep_public_repositories_away(folder: Path) -> None:
    async with serving(folder, runners=[Runner("box", level="organization")]) as client:
        github = client.server
        open_one = github.add_runner_group("open", allows_public=True)
        _, listed = await org(client, "GET", "/runner-groups")
        named = [(one["name"], one["allows_public_repositories"]) for one in listed["runner_groups"]]
        assert named == [("Default", False), ("open", True)]
        github.world.private = False
        job = await client.dispatch("a")
        assert job.status == "queued"
        github.machines[0].group = open_one.id
        github.release_runners()
        await ended(job, github)


async def test_who_may_not(github: GitHubServer) -> None:
    for token in (
        github.add_classic_token(scopes=("repo", "workflow")),
        github.add_token(permissions={"administration": "write", "actions": "write"}),
    ):
        status, _ = await org(Client(github, token), "GET", "/runners")
        assert status in (403, 404)
        status, _ = await org(Client(github, token), "POST", "/runners/registration-token")
        assert status in (403, 404)
    reader = Client(github, github.add_token(permissions={"organization_self_hosted_runners": "read"}))
    assert (await org(reader, "GET", "/runners"))[0] == 200
    assert (await org(reader, "POST", "/runners/registration-token"))[0] == 403
