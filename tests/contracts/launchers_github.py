"""The launcher contract's way to play GitHub, with a public address for the runners and without.

With one, runners claim and report to a real web server over a real store, and what the bot has heard is read from that
store. Without one, the launcher looks when anything has changed at GitHub, and has its artifact at the end.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Self

from launchers import PATIENCE_S, Harness

from cluster_bot.hints import LocalHints
from cluster_bot.launchers.github_actions import GithubActions, GithubApi, Reporting, Timing
from cluster_bot.runs.ports import Launcher, SpoolSource, Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Handle, Member, Origin, Run, Sighting, Status
from cluster_bot.store import SqlStore
from cluster_bot.web import Tokens, WebServer
from cluster_runner.wire import Event
from cluster_sandbox.faults import Fault
from cluster_sandbox.github import GitHubServer, Runner
from cluster_sandbox.github import Run as WorkflowRun
from workflow_folder import machine_environment, workflow_folder

# No look is put off, and nothing is waited for that the stand-in does at once.
TIMING = Timing(fast_s=0.0, slow_s=0.0, listed_s=0.0, cancel_again_s=0.0, artifact_again_s=0.0, last_words_s=0.0)


class GithubAlone(Harness):
    """GitHub for a bot that nobody can reach: no claim, and everything at the end."""

    launcher_name = "github"
    gpu = "NVIDIA"
    traits: Sequence[str] = ("queues",)
    odd_handles = ('{"run": true}', '{"run": "7"}', '{"run": -1}', '{"run": 7}')

    def __init__(self, home: Path, github: GitHubServer, group: asyncio.TaskGroup) -> None:
        super().__init__()
        self._home = home
        self._github = github
        self._group = group
        self._bots = count(1)
        self._watches: list[asyncio.Task[None]] = []
        self._reporting: Reporting | None = None
        self.outside = home / "outside"
        self.outside.mkdir()
        self.outside.chmod(0o777)

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Self]:
        # Programs of another user must be able to pass.
        home = Path(tempfile.mkdtemp(prefix="cluster-launcher-"))
        home.chmod(0o711)
        repository = workflow_folder(home / "repository")
        machines = [Runner("box", ("self-hosted", "nvidia"), count=4)]
        try:
            async with (
                GitHubServer(repository=repository, runners=machines, environment=machine_environment()) as github,
                AsyncExitStack() as stack,
                asyncio.TaskGroup() as group,
            ):
                harness = cls(home, github, group)
                await harness._open(stack)
                yield harness
                for watch in harness._watches:
                    watch.cancel()
        finally:
            await asyncio.to_thread(shutil.rmtree, home)

    async def _open(self, stack: AsyncExitStack) -> None:
        """Nothing listens here."""

    def launcher(self) -> GithubActions:
        github = self._github
        api = GithubApi(github.token, github.full_name, base_url=github.api_url)
        root = self._home / f"spools-{next(self._bots)}"
        return GithubActions(api, root, ref="main", reporting=self._reporting, timing=TIMING)

    def listen(self, launcher: Launcher, hear: Callable[[str], None], wake: Callable[[], None]) -> None:
        async def watch() -> None:
            pulse = self._github.world.pulse
            while True:
                await pulse.after(pulse.version)
                wake()

        self._watches.append(self._group.create_task(watch(), name="watch-github"))

    async def events(self, launcher: Launcher, run: Run, after: int) -> Sequence[Event]:
        assert isinstance(launcher, SpoolSource)
        handle = self.as_saved(run).handle or await launcher.find(run)
        if not isinstance(handle, Handle) or (await launcher.poll([handle]))[handle].sighting is not Sighting.FINISHED:
            return []
        return await launcher.fetch(replace(run, handle=handle), after)

    def half_started(self, run: Run) -> None:
        """Before GitHub accepted there is nothing but our own wish."""

    @contextmanager
    def busy(self) -> Iterator[None]:
        self._github.hold_runners()
        try:
            yield
        finally:
            self._github.release_runners()

    async def ended(self, run: Run) -> None:
        await self._github.wait_run(lambda _: all(one.completed for one in self._titled(run)), PATIENCE_S)

    def kill_runner(self, run: Run) -> None:
        (one,) = self._titled(run)
        self._github.lose(one.id)

    @contextmanager
    def outage(self) -> Iterator[None]:
        def is_asked(request: object) -> bool:
            # Uploads of jobs go another way at GitHub.
            return not str(getattr(request, "route", "")).startswith("/sandbox/")

        fault = self._github.faults.add(Fault(times=None, drop_connection=True, match=is_asked))
        try:
            yield
        finally:
            fault.times = 0

    def _titled(self, run: Run) -> list[WorkflowRun]:
        return [one for one in self._github.runs if one.title == f"{run.id}-{run.attempt}"]


class GithubReporting(GithubAlone):
    """GitHub for a bot with a public address."""

    traits = ("claims", "live", "news", "denies", "queues")

    async def _open(self, stack: AsyncExitStack) -> None:
        self._store = await SqlStore.open(f"sqlite:///{self._home / 'bot.sqlite3'}")
        stack.push_async_callback(self._store.close)
        self._hints = LocalHints()
        tokens = Tokens(b"k" * 32)

        async def ready() -> str:
            return ""

        server = WebServer(self._store, tokens, wishes=LocalHints(), news=self._hints, ready=ready, port=0)
        await stack.enter_async_context(server)
        self._reporting = Reporting(f"http://127.0.0.1:{server.port}", tokens.mint)

    def listen(self, launcher: Launcher, hear: Callable[[str], None], wake: Callable[[], None]) -> None:
        self._hints.listen(hear)
        self._hints.listen(lambda _: wake())

    async def run(self, text: str, *, id: str | None = None, attempt: int = 1, time_limit_s: int = 50) -> Run:
        wanted = await super().run(text, id=id, attempt=attempt, time_limit_s=time_limit_s)
        if id is None:
            key = f"key-{next(self._bots)}"
            asked = Submission(wanted.spec, Member("1", "ada"), Origin(key, {}))
            run = (await self._store.admit(asked, Limits(1000, 1000), time.time())).run
        else:
            run = await self._store.load(id)
        # The wish is on record, as it is whenever `start` is called.
        saved = await self._store.save(replace(run, status=Status.STARTING, attempt=attempt))
        return replace(saved, spec=wanted.spec)

    async def events(self, launcher: Launcher, run: Run, after: int) -> Sequence[Event]:
        return await self._store.events(run.id, run.attempt, after)
