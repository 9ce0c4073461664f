"""A stage for `/run github`: the bot's runs are jobs of a GitHub that executes our workflow files.

In one mode runners report to the bot's own web side, between its lives to nobody; in the other it has no public address
and reads artifacts. GitHub's own record says which runs were dispatched, the programs' ledger what was executed.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from cluster_runner import wire
from cluster_sandbox.discord import DiscordServer, Policy
from cluster_sandbox.faults import Action, Fault
from cluster_sandbox.github import GitHubServer, Runner
from cluster_sandbox.github import Run as Job
from cluster_sandbox.record import Request
from workflow_folder import machine_environment, workflow_folder

from .lives import Zygote
from .programs import read_ledger
from .stage import PATIENCE_S, POLICY, Stage, Submission

MACHINES = 4


class GithubStage(Stage):
    """Made by `open_github_stage`."""

    command = "run github"
    given: ClassVar = {"gpu": "NVIDIA"}
    # A hurried GitHub: what may take it a minute takes the stand-in no time. With reports, `listed_s` is a quarter.
    timing: ClassVar = {"fast_s": 0.2, "slow_s": 0.4, "listed_s": 2.0, "artifact_again_s": 0.2, "cancel_again_s": 0.5}

    def __init__(self, server: DiscordServer, zygote: Zygote, folder: Path, github: GitHubServer, public: bool) -> None:
        super().__init__(server, zygote, folder)
        self.github = github
        self.public = public
        self.hidden: set[str] = set()
        """Files whose jobs GitHub listed too late."""
        self._port = free_port() if public else 0
        self.bell = str(folder / "bell")
        os.mkfifo(self.bell)
        self._noted = asyncio.Event()
        self._heard = os.open(self.bell, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._heard, self._hear)

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._heard, 65536)
        self._noted.set()

    def launcher_settings(self) -> dict[str, str]:
        settings = {
            "GITHUB_TOKEN": self.github.token,
            "GITHUB_REPOSITORY": self.github.full_name,
            "GITHUB_API_URL": self.github.api_url,
        }
        if self.public:
            settings |= {"PUBLIC_URL": f"http://127.0.0.1:{self._port}", "WEB_PORT": str(self._port)}
        return settings

    # --- what is known ------------------------------------------------------------------------------------------

    def jobs(self, file: str) -> list[Job]:
        """The workflow runs that were dispatched for a file, by the payload that each was given, oldest first."""
        return [one for one in self.github.runs if wire.unpack(one.inputs["payload"]).main == file]

    def unknowable(self, submission: Submission) -> int | None:
        # Without a claim nobody asks GitHub twice. Either it was never asked once, or it kept the job to itself.
        if self.public or (self.jobs(submission.file) and submission.file not in self.hidden):
            return None
        return min(1, len(self.jobs(submission.file)))

    def file_of_run(self, run_id: str) -> str:
        """The file of a run, by what the bot has admitted; "" where it has not."""
        keys = {run: key for key, run in self.admitted().items()}
        asked = keys.get(run_id, "").rpartition(":")[2]
        files = (one.file for one in self.submissions if any(str(it.id) == asked for it in one.asked))
        return next(files, "")

    def runs(self, submission: Submission) -> bool:
        return submission.tag in read_ledger(self.ledger)

    async def changes(self) -> AsyncIterator[object]:
        """By the programs' own word: without an address nothing is to be seen of one that runs."""
        seen = asyncio.create_task(self._see(), name="see-discord")
        try:
            while True:
                self._noted.clear()
                yield None
                await self._noted.wait()
        finally:
            seen.cancel()

    async def _see(self) -> None:
        async for _ in self.server.watch():
            self._noted.set()

    def report_more(self) -> list[str]:
        asked = [f"  {one.method} {one.path} {one.status} {one.error or ''}" for one in self.github.requests]
        jobs = [f"  {one.title}: {one.status} {one.conclusion}" for one in self.github.runs]
        noted = [f"  {tag}: begun {one.begun}, ended {one.ended}" for tag, one in read_ledger(self.ledger).items()]
        return [*noted, "GitHub's runs:", *jobs, "GitHub was asked:", *asked[-25:]]

    # --- what happens -------------------------------------------------------------------------------------------

    def order(self, route: str, method: str, when: str, match: Callable[[Request], bool], act: Action | None) -> Fault:
        """Let GitHub do `act` at a request, and never answer it."""
        fault = Fault(method=method, route=route, match=match, action=act, drop_connection=True)
        return self.github.faults.add(replace(fault, when="before" if when == "before" else "after"))

    async def jobs_end(self) -> None:
        """Wait until GitHub has nothing left to do."""
        if self.github.runs:
            await self.github.wait_run(lambda _: all(one.completed for one in self.github.runs), PATIENCE_S)

    def kill_runner(self, submission: Submission) -> None:
        """GitHub ends what is its own."""

    async def close(self) -> None:
        await super().close()
        asyncio.get_running_loop().remove_reader(self._heard)
        os.close(self._heard)


def free_port() -> int:
    """A port nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def open_github_stage(
    zygote: Zygote,
    folder: Path,
    policy: Policy = POLICY,
    *,
    public: bool,
) -> AsyncIterator[GithubStage]:
    """A stage with nothing on it yet."""
    folder.mkdir()
    repository = workflow_folder(folder / "repository", same_user="always")
    machines = [Runner("box", ("self-hosted", "nvidia"), count=MACHINES)]
    async with (
        GitHubServer(
            repository=repository,
            runners=machines,
            environment=machine_environment(),
        ) as github,
        DiscordServer(policy=policy) as server,
    ):
        stage = GithubStage(server, zygote, folder, github, public)
        stage.ledger.touch()
        try:
            yield stage
        finally:
            await stage.close()
