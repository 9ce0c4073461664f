"""A small workflow to dispatch, and the real PyGithub over a sandbox's GitHub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from github import Auth, Github
from github.Repository import Repository
from github.WorkflowRun import WorkflowRun

from cluster_sandbox.github import GitHubServer, Run
from judges import Bench

PIN = "0123456789012345678901234567890123456789"
JOB = f"""\
name: Job
run-name: ${{{{ inputs.run_id }}}}-${{{{ inputs.attempt }}}}
on:
  workflow_dispatch:
    inputs:
      run_id: {{required: true}}
      attempt: {{default: "1"}}
      script: {{default: "true"}}
      payload: {{description: kept out of records}}
      runs_on: {{default: '["self-hosted"]'}}
      minutes: {{default: "5"}}
permissions:
  contents: read
jobs:
  gpu:
    runs-on: ${{{{ fromJSON(inputs.runs_on) }}}}
    timeout-minutes: ${{{{ fromJSON(inputs.minutes) }}}}
    steps:
      - uses: actions/checkout@{PIN} # v7
      - name: Work
        id: work
        shell: bash
        env:
          SCRIPT: ${{{{ inputs.script }}}}
        run: |
          mkdir spool
          exec bash -c "$SCRIPT"
      - name: Only after success
        run: echo "went on"
      - name: Keep
        if: always()
        uses: actions/upload-artifact@{PIN}
        with:
          name: ${{{{ inputs.run_id }}}}
          path: spool
          if-no-files-found: ignore
"""


class Client:
    """PyGithub in a thread, as the bot uses it."""

    def __init__(self, server: GitHubServer, token: str = "") -> None:
        self.server = server
        self.github = Github(
            base_url=server.api_url,
            auth=Auth.Token(token or server.token),
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
            lazy=True,
            timeout=60,
        )

    @property
    def repository(self) -> Repository:
        return self.github.get_repo(self.server.full_name)

    async def call(self, work: Callable[[Repository], Any]) -> Any:
        """What `work` returns, called with the repository in a thread."""
        return await asyncio.to_thread(work, self.repository)

    async def dispatch(self, run_id: str = "a", script: str = "true", **inputs: str) -> Run:
        """Dispatch job.yml; the run as the server has it."""
        given = {"run_id": run_id, "script": script, **inputs}
        made = await self.call(
            lambda repository: repository.get_workflow("job.yml").create_dispatch(
                "main", given, throw=True, return_run_details=True
            )
        )
        return self.server.run(made.id)

    async def run(self, run_id: int) -> WorkflowRun:
        """A run with its fields: a lazy one would ask for them where the event loop has to answer."""

        def fetch(repository: Repository) -> WorkflowRun:
            run = repository.get_workflow_run(run_id)
            run.update()
            return run

        found = await self.call(fetch)
        assert isinstance(found, WorkflowRun)
        return found

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and decoded body of a request below the repository."""
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        """The same of a POST."""
        return await self.ask("POST", path, body)

    async def ask(
        self, method: str, path: str, given: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """The same of any method."""

        def send() -> tuple[int, dict[str, str], Any]:
            url = f"/repos/{self.server.full_name}{path}"
            requester = self.github.requester
            status, answered, body = requester.requestJson(method, url, headers=headers, input=given)
            return status, answered, json.loads(body) if body.startswith(("{", "[")) else body

        return await asyncio.to_thread(send)


@asynccontextmanager
async def serving(folder: Path, **options: Any) -> AsyncIterator[Client]:
    async with GitHubServer(repository=folder, **options) as running:
        bench = Bench(running)
        yield Client(running)
        assert bench.verdict() == []


async def ended(run: Run, server: GitHubServer) -> Run:
    """The run once it is completed."""
    return await server.wait_run(lambda one: one is run and one.completed, 60)
