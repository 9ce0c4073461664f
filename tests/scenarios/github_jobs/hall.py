"""The hall: a Discord, a GitHub that executes our workflow files, and the real bot as a process between the two.

Two halls serve the whole folder, as a bot takes seconds to start: in the `live` one runners report to the bot's web
side, in the `late` one the bot has no public address and reads artifacts. Most faults are played in both, at the same
time. Programs run on machines of four kinds, chosen by the GPU that is asked for; `machines` says how they differ.

Everything waits for events of the two servers. What happened is judged by the programs' ledgers, by what Discord shows,
by GitHub's record and by the bot's database, which is read from outside.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from cluster_bot.demo.bot_process import started_bot
from cluster_bot.demo.github import NAME, OWNER, github_settings
from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import DiscordServer, File, Interaction, Message, MessageEvent
from cluster_sandbox.faults import Fault
from cluster_sandbox.github import GitHubServer, Policy, Run
from judges import Bench

from .machines import GPUS, RUNNERS, copy_repository, machine_path
from .programs import Ledger

# More than the minute after which a bot gives a dispatch up of which nothing was heard.
PATIENCE_S = 90.0
DISPATCH = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
LIST = "/repos/{owner}/{repo}/actions/runs"
ONE = "/repos/{owner}/{repo}/actions/runs/{run_id}"
_OPENED = re.compile(r"Run #(\d+) is here: <#(\d+)>")
_BLOCK = re.compile(r"```\n(.*)\n```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run shows itself, and its program's ledger."""

    number: int
    room: int
    ledger: Ledger


class Hall:
    """A bot at work; `live` says whether runners report to it by themselves."""

    def __init__(self, server: DiscordServer, github: GitHubServer, folder: Path, *, live: bool) -> None:
        self.server, self.github, self.folder, self.live = server, github, folder, live
        self.data = folder / "data"
        self.ada = server.member("ada")
        self.general = server.channel_id("general")
        self.stack = AsyncExitStack()
        self.webhook = ""
        """Where the bot hears GitHub; "" where it does not."""
        self.secret = secrets.token_hex(16)
        self._settings: dict[str, str] = {}
        self._ledgers = itertools.count(1)
        self._struck: dict[Fault, asyncio.Event] = {}

    # --- the bot ------------------------------------------------------------------------------------------------

    async def start(self, settings: Mapping[str, str], *, told: bool = False) -> None:
        """Start the bot; `told`: GitHub tells it what happens, by a webhook."""
        self._settings = {
            **github_settings(self.github, public=self.live),
            "LOCAL_ENABLED": "false",
            "LIVE_RUNS_PER_MEMBER": "50",
            "OUTCOME_GRACE_S": "2",
            "GITHUB_GPUS": GPUS,
            **({"GITHUB_WEBHOOK_SECRET": self.secret} if told else {}),
            **settings,
        }
        await self._begin()
        if told:
            self.webhook = f"{self._settings['PUBLIC_URL']}/github/webhook"
            self.github.add_hook(self.webhook, secret=self.secret)
            await self.github.webhooks.settled()

    async def restart(self, meanwhile: Callable[[], Any] = lambda: None) -> None:
        """Stop the bot as a deploy would, do something, and start it again."""
        await self.stack.aclose()
        meanwhile()
        await self._begin()

    async def _begin(self) -> None:
        logins = self.server.gateway.logins
        await self.stack.enter_async_context(started_bot(self.server, self.folder, self._settings))
        await self.server.gateway.wait_ready(PATIENCE_S, logins=logins + 1)

    # --- acting -------------------------------------------------------------------------------------------------

    def ledger(self) -> Ledger:
        """A new ledger."""
        return Ledger(self.folder / "ledgers" / f"{next(self._ledgers)}").make()

    async def give(
        self,
        text: str,
        *,
        name: str = "program.py",
        arguments: str = "",
        gpu: str = "NVIDIA",
        time_limit_s: int | None = None,
    ) -> Interaction:
        """Give `/run github`; the interaction, not answered yet."""
        options: dict[str, Any] = {"script": File(name, text.encode()), "gpu": gpu}
        options |= {"arguments": arguments} if arguments else {}
        options |= {} if time_limit_s is None else {"time_limit": time_limit_s}
        return await self.ada.command("run github", channel_id=self.general, options=options)

    async def open(self, text: str, *, more: str = "", **how: Any) -> Place:
        """Give `/run github` with a ledger as the first argument, and wait for the private word where the run is."""
        ledger = self.ledger()
        asked = await self.give(text, arguments=f"{ledger.path} {more}".strip(), **how)
        answered = await asked.answered(PATIENCE_S)
        found = _OPENED.fullmatch(answered.content)
        assert found, answered.content
        return Place(int(found[1]), int(found[2]), ledger)

    async def hold(self, text: str, **how: Any) -> Place:
        """A run that is with its program and waits there."""
        place = await self.open(text, **how)
        await self.job(place, lambda job: job.status == "in_progress")
        # What the program says is seen in the live hall alone; what it notes, in both.
        await self.noted(place, "begin")
        return place

    async def cancel(self, place: Place) -> None:
        """Press the button."""
        status = next(one for one in self.shown(place) if one.components)
        pressed = await self.ada.press(status.id, channel_id=place.room, label=messages.CANCEL_BUTTON)
        await pressed.answered(PATIENCE_S)

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

    # --- looking ------------------------------------------------------------------------------------------------

    def shown(self, place: Place) -> list[Message]:
        """The run's messages, oldest first."""
        bot = self.server.bot_user_id
        return [one for one in self.server.messages(place.room) if one.author.id == bot and int(one.type) == 0]

    def lines(self, place: Place) -> list[str]:
        """The output as it stands there now."""
        blocks = [_BLOCK.search(one.content) for one in self.shown(place)]
        return [line for block in blocks if block for line in block[1].split("\n")]

    async def event(self, place: Place, fits: Callable[[MessageEvent], Any]) -> MessageEvent:
        """The first thing that became visible in the run's thread, or will, and fits."""
        return await self.server.wait_for(lambda event: event.channel_id == place.room and fits(event), PATIENCE_S)

    async def says(self, place: Place, words: str) -> MessageEvent:
        """The event by which these words became visible."""
        return await self.event(place, lambda event: words in plain(event.content))

    async def verdict(self, place: Place) -> tuple[Status, str]:
        """The run's one verdict, once it is given, and its words."""

        def told(event: MessageEvent) -> bool:
            return event.event == "create" and messages.verdict_status(event.content) is not None

        await self.event(place, told)
        verdicts = [one for one in self.shown(place) if messages.verdict_status(one.content) is not None]
        assert len(verdicts) == 1
        status = messages.verdict_status(verdicts[0].content)
        assert status is not None
        return status, verdicts[0].content

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

    async def noted(self, place: Place, what: str) -> None:
        """Return once the program has noted this."""
        await changed(place.ledger.path, lambda: what in place.ledger.notes())

    async def ends(self, place: Place, status: Status, *words: str) -> None:
        """Wait for this verdict, in these words."""
        told, text = await self.verdict(place)
        assert told is status, text
        for one in words:
            assert one in plain(text)

    async def succeeds_once(self, place: Place) -> None:
        """Wait for a success; the program was executed by one job and once."""
        await self.ends(place, Status.SUCCEEDED)
        assert place.ledger.begun == len(self.jobs(place)) == 1

    # --- the bot's database, from outside -------------------------------------------------------------------------

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the bot's database."""
        address = f"file:{self.data / 'cluster-bot.sqlite3'}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=30)) as database:
            return database.execute(statement, values).fetchall()

    def run_row(self, place: Place) -> tuple[str, str, int]:
        """Id, status and attempt of a run."""
        (row,) = self.query("SELECT id, status, attempt FROM runs WHERE number = ?", place.number)
        return row

    def logged(self, place: Place) -> list[str]:
        """The lines that the bot has."""
        rows = self.query(
            "SELECT body FROM events WHERE run_id = ? AND kind = 'log' ORDER BY attempt, number", self.run_row(place)[0]
        )
        return "".join(json.loads(body)["text"] for (body,) in rows).splitlines()

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


def plain(text: str) -> str:
    """What people read, without the marks that keep it from being markup."""
    return text.replace("\\", "")


async def changed(path: Path, fits: Callable[[], bool]) -> None:
    """Return once `fits()`, asked again after each change of the file."""
    tail = await asyncio.create_subprocess_exec(
        *("tail", "--follow", "--lines=+1", "--sleep-interval=0.05", str(path)), stdout=asyncio.subprocess.PIPE
    )
    assert tail.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not fits():
                await tail.stdout.readline()
    finally:
        tail.kill()
        await tail.wait()


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
