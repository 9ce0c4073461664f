"""A repository folder with a workflow of its own, a GitHub over it, and the real PyGithub pointed there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from scratch import JOB, Client

from cluster_sandbox.github import GitHubServer, Policy, Runner
from judges import Bench


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    workflows = tmp_path / "repository" / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "job.yml").write_text(JOB, encoding="utf-8")
    return tmp_path / "repository"


@pytest.fixture
def policy() -> Policy:
    return Policy()


@pytest.fixture
async def github(folder: Path, policy: Policy) -> AsyncIterator[GitHubServer]:
    async with GitHubServer(repository=folder, policy=policy, runners=[Runner("gpu", count=2)]) as running:
        bench = Bench(running)
        yield running
        assert bench.verdict() == []


@pytest.fixture
def client(github: GitHubServer) -> Client:
    return Client(github)
