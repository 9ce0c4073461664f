"""The hall: a Discord, a GitHub that executes our workflow files, and the real bot as a process between the two.

Two halls serve the whole folder, as a bot takes seconds to start: in the `live` one runners report to the bot's web
side, in the `late` one the bot has no public address and reads artifacts. Most faults are played in both, at the same
time. Programs run on machines of four kinds, chosen by the GPU that is asked for; `machines` says how they differ.

`halls` says what all halls have in common.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

import halls
from cluster_bot.demo.github import NAME, OWNER, github_settings
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import DiscordServer
from cluster_sandbox.faults import Fault
from cluster_sandbox.github import GitHubServer, Policy, Run
from halls import PATIENCE_S, Place
from judges import Bench

from .machines import GPUS, RUNNERS, copy_repository, machine_path

DISPATCH = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
LIST = "/repos/{owner}/{repo}/actions/runs"
ONE = "/repos/{owner}/{repo}/actions/runs/{run_id}"


class Hall(halls.Hall):
    """A bot at work; `live` says whether runners report to it by themselves."""

    launcher: ClassVar = "github"
    gpu: ClassVar = "NVIDIA"

    def __init__(self, server: DiscordServer, github: GitHubServer, folder: Path, *, live: bool) -> None:
        super().__init__(server, folder)
        self.github, self.live = github, live
        self.webhook = ""
        """Where the bot hears GitHub; "" where it does not."""
        self.secret = secrets.token_hex(16)
        self._struck: dict[Fault, asyncio.Event] = {}

    # --- the bot ------------------------------------------------------------------------------------------------

    async def start(self, settings: Mapping[str, str], *, told: bool = False) -> None:
        """Start the bot; `told`: GitHub tells it what happens, by a webhook."""
        login = github_settings(self.github, public=self.live)
        hook = {"GITHUB_WEBHOOK_SECRET": self.secret} if told else {}
        await self.begin({**login, "GITHUB_GPUS": GPUS, **hook, **settings})
        if told:
            self.webhook = f"{login['PUBLIC_URL']}/github/webhook"
            self.github.add_hook(self.webhook, secret=self.secret)
            await self.github.webhooks.settled()

    # --- acting -------------------------------------------------------------------------------------------------

    async def hold(self, text: str, **how: Any) -> Place:
        """A run that is with its program and waits there."""
        place = await self.open(text, **how)
        await self.job(place, lambda job: job.status == "in_progress")
        # What the program says is seen in the live hall alone; what it notes, in both.
        await self.noted(place, "begin")
        return place

    def fault(self, **order: Any) -> Fault:
        """Order a trouble of GitHub's; `struck` waits for it."""
        struck = asyncio.Event()
        fault = Fault(**order, action=lambda request: struck.set())
        self._struck[fault] = struck
        return self.github.faults.add(fault)

    async def struck(self, fault: Fault) -> None:
        """Return once the trouble has struck."""
        async with asyncio.timeout(PATIENCE_S):
            await self._struck[fault].wait()

    def jobs(self, place: Place) -> list[Run]:
        """GitHub's runs for this one, in order of dispatch."""
        run_id = self.run_row(place)[0]
        return [one for one in self.github.runs if one.inputs.get("run_id") == run_id]

    async def job(self, place: Place, fits: Callable[[Run], Any] = lambda job: True) -> Run:
        """The first of them that fits, now or later."""
        run_id = self.run_row(place)[0]
        return await self.github.wait_run(
            lambda job: job.inputs.get("run_id") == run_id and fits(job), timeout=PATIENCE_S
        )

    async def succeeds_once(self, place: Place) -> None:
        """Wait for a success; the program was executed by one job and once."""
        await self.ends(place, Status.SUCCEEDED)
        assert place.ledger.begun == len(self.jobs(place)) == 1

    # --- GitHub, asked as anybody may -----------------------------------------------------------------------------

    async def ask_github(self, path: str) -> tuple[int, bytes]:
        """GET below the repository with the bot's token; redirects are followed as GitHub's clients do."""
        address = f"{self.github.api_url}/repos/{OWNER}/{NAME}{path}"
        headers = {"Authorization": f"Bearer {self.github.token}"}
        async with aiohttp.ClientSession() as session:
            async with session.get(address, headers=headers, allow_redirects=False) as answer:
                if answer.status != 302:
                    return answer.status, await answer.read()
                place = answer.headers["Location"]
            async with session.get(place) as stored:
                return stored.status, await stored.read()

    def dispatches(self) -> int:
        """How many dispatches GitHub was sent, answered or not."""
        return sum(one.route == DISPATCH for one in self.github.requests)

    def dispatches_of(self, place: Place) -> int:
        """How many of them were for this run."""
        run_id = self.run_row(place)[0]
        sent = [one.body for one in self.github.requests if one.route == DISPATCH and one.body]
        return sum(one["inputs"]["run_id"] == run_id for one in sent)

    async def asked(self, route: str) -> None:
        """Return once the bot has asked for this and GitHub is about to answer as it does on good days."""
        watch = self.fault(route=route, when="after", status=None)
        await self.struck(watch)
        self.github.faults.pending.remove(watch)


@asynccontextmanager
async def open_hall(
    *, live: bool, told: bool = False, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Hall]:
    """A hall with its bot logged in; where GitHub has `told` it the first thing, if it shall."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-github-"))
    try:
        folder.chmod(0o711)
        (folder / "ledgers").mkdir()
        (folder / "ledgers").chmod(0o711)
        path = machine_path(folder, Path(sys.executable))
        root = await asyncio.to_thread(copy_repository, folder)
        policy = Policy(points_per_minute=100_000, lost_s=1.0)
        github = GitHubServer(
            repository=root, owner=OWNER, name=NAME, runners=RUNNERS, policy=policy, environment={"PATH": path}
        )
        async with DiscordServer() as server, github:
            hall, bench = Hall(server, github, folder, live=live), Bench(github)
            async with hall.stack:
                await hall.start(settings or {}, told=told)
                yield hall
        assert bench.verdict() == []
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
