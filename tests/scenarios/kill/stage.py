"""A stage: one Discord, one data folder, the lives of the bot that follow each other on it, and what was submitted.

It waits for what the Discord server saw and for processes to end, never for time but in `kill_at`. `judge.py` judges.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster_bot.discord_bot import messages
from cluster_bot.launchers.local_process import Doorbell
from cluster_sandbox.discord import Acting, DiscordServer, File, Interaction, Message, Policy

from .lives import Life, Zygote
from .programs import Program, read_ledger

PATIENCE_S = 60.0
PASSED_ON = ("PATH", "HOME", "LANG", "PYTHONPATH")
# The numbers that make a test slow or a busy machine fail are wide; all else is as on the real service.
POLICY = Policy(ack_s=60.0, message_bucket=(50, 1.0), edit_bucket=(50, 1.0), default_bucket=(100, 1.0))
OVER_NONCES_S = POLICY.nonce_memory_s + 20
OVER_TOKENS_S = POLICY.token_life_s + 20
OVER_AN_HOUR_S = POLICY.old_edit_s + 20


@dataclass(eq=False)
class Submission:
    """One program that a member wants to be run, once, however often they have to ask."""

    tag: str
    program: Program
    asked: list[Interaction] = field(default_factory=list)
    accepted: Interaction | None = None
    runner_killed: bool = False

    @property
    def file(self) -> str:
        return f"{self.tag}.py"


class Stage:
    """Made by `open_stage`; here `/run local`, and `github_stage.py` has the other."""

    command = "run local"
    given: Mapping[str, object] = {}
    """What is given with the command, beside the program."""
    timing: Mapping[str, float] = {}
    """Of the GitHub launcher, where there is one."""
    bell = ""
    """A FIFO that programs ring, "" for none."""

    def __init__(self, server: DiscordServer, zygote: Zygote, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.ledger = folder / "ledger"
        self.member: Acting = server.member("ada")
        self.channel = server.channel_id("general")
        self.submissions: list[Submission] = []
        self.lives: list[Life] = []
        self._zygote = zygote
        self._pressing: asyncio.Task[None] | None = None

    # --- the bot ------------------------------------------------------------------------------------------------

    @property
    def life(self) -> Life:
        """The newest life."""
        return self.lives[-1]

    async def start(self, *wires: dict[str, Any], python: str | None = None, cold: bool = False) -> Life:
        """A new life; the last one must be over.

        `python` is the interpreter it takes for its runners, its own if None; `cold`: the command itself, nothing
        imported before.
        """
        self.server.gateway.disconnect_hard()
        environment = {name: value for name, value in os.environ.items() if name in PASSED_ON}
        environment |= {
            "DISCORD_TOKEN": self.server.bot_token,
            "DISCORD_API_URL": self.server.api_url,
            "DISCORD_GUILDS": str(self.server.guild_id),
            "DATA_DIR": str(self.folder / "data"),
            **self.launcher_settings(),
            "LIVE_RUNS_PER_MEMBER": "20",
            "OUTCOME_GRACE_S": "0.5",
        }
        order = {"folder": str(self.folder), "environment": environment, "wires": wires, "python": python, "cold": cold}
        order["timing"] = self.timing
        self.lives.append(await self._zygote.start(self.folder / "bot.log", order))
        return self.life

    def launcher_settings(self) -> dict[str, str]:
        """The bot's settings for its launcher."""
        return {
            "LOCAL_ENABLED": "true",
            "LOCAL_PYTHON": sys.executable,
            "LOCAL_SAME_USER": "always",
            # The ledger lies outside what a program in a sandbox can write to.
            "LOCAL_SANDBOX": "none",
        }

    async def ready(self) -> bool:
        """Wait until the newest life has logged in; False where it died before."""
        return await self._unless_dead(self.server.gateway.wait_ready(PATIENCE_S))

    async def up_again(self) -> None:
        """Wait until the newest life is ready, and ask it for what its predecessors never heard of."""
        assert await self.ready(), f"the bot died too early:\n{self.report()}"
        await self.ask_again()
        await self.press_again()

    async def end_well(self) -> None:
        """One more life, which is let live until everything is over."""
        await self.start()
        await self.up_again()
        await self.all_over()
        await self.deploy()

    async def death(self, *, downtime_s: float = 0.0, exit_code: int = -signal.SIGKILL) -> None:
        """Wait for the death of the newest life, then let `downtime_s` pass by the server's clock."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.life.died.wait()
        except TimeoutError:
            raise AssertionError(f"the bot did not die:\n{self.report()}") from None
        await self._stop_pressing()
        assert self.life.exit_code == exit_code, f"the bot ended with {self.life.exit_code}:\n{self.report()}"
        self._note_accepted()
        if downtime_s:
            self.server.clock.advance(downtime_s)

    async def deploy(self) -> None:
        """End the newest life as an admin does, with SIGTERM."""
        self.life.kill(signal.SIGTERM)
        await self.death(exit_code=0)

    def kill_at(self, delay_s: float) -> None:
        """Kill the newest life in so many seconds, if it lives that long."""
        asyncio.get_running_loop().call_later(delay_s, self.life.kill)

    async def _unless_dead(self, waiting: Any) -> bool:
        """Whether `waiting` came to its end before the newest life did."""
        awaited = asyncio.ensure_future(waiting)
        death = asyncio.create_task(self.life.died.wait(), name="death")
        try:
            await asyncio.wait({awaited, death}, return_when=asyncio.FIRST_COMPLETED)
            if awaited.done():
                awaited.result()
            return awaited.done()
        finally:
            awaited.cancel()
            death.cancel()
            await asyncio.wait({awaited, death})

    # --- members ------------------------------------------------------------------------------------------------

    async def submit(self, tag: str, program: Program) -> Submission:
        """Give `/run` with a program, now and again in later lives until it is accepted (see `ask_again`)."""
        submission = Submission(tag, program)
        self.submissions.append(submission)
        await self._ask(submission)
        return submission

    async def ask_again(self) -> None:
        """Give `/run` again for what no life has accepted, as a member would; the bot must be ready."""
        self._note_accepted()
        for submission in self.submissions:
            if submission.accepted is None:
                await self._ask(submission)

    async def _ask(self, submission: Submission) -> None:
        text = submission.program.source(submission.tag, self.ledger, self.bell)
        options = {"script": File(submission.file, text.encode()), **self.given}
        asked = await self.member.command(self.command, channel_id=self.channel, options=options)
        submission.asked.append(asked)
        if _is_cancelled(submission) and self._pressing is None:
            self._pressing = asyncio.create_task(self._press_cancel(), name="presser")

    async def press_again(self) -> None:
        """In a new life: press Cancel again where the button is still there."""
        await self._stop_pressing()
        if any(map(_is_cancelled, self.submissions)):
            self._pressing = asyncio.create_task(self._press_cancel(), name="presser")

    async def _press_cancel(self) -> None:
        """Press Cancel of each program that stays, once a life, as soon as it is known to run."""
        pressed: set[str] = set()
        async for _ in self.changes():
            for submission in self.submissions:
                room = self.room(submission)
                if not _is_cancelled(submission) or submission.tag in pressed or not self.runs(submission):
                    continue
                status = room[0]
                if status.components and self.server.gateway.connections:
                    pressed.add(submission.tag)
                    await self.member.press(status.id, channel_id=status.channel_id, label=messages.CANCEL_BUTTON)

    def changes(self) -> AsyncIterator[object]:
        """Something, each time that a program may be known to run since."""
        return self.server.watch()

    def runs(self, submission: Submission) -> bool:
        """Whether its program is known to run: its first line is to be seen."""
        return len(self.room(submission)) > 1

    def unknowable(self, submission: Submission) -> int | None:
        """How often at most it was executed, where no bot can know after its deaths if it was; None where one can."""
        return None

    async def _stop_pressing(self) -> None:
        if self._pressing is not None:
            self._pressing.cancel()
            await asyncio.wait({self._pressing})
            self._pressing = None

    def admitted(self) -> dict[str, str]:
        """What the bot has admitted, by its own database: ids of runs by the command that asked for them."""
        path = self.folder / "data" / "cluster-bot.sqlite3"
        if path.exists():
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
                    return dict(database.execute("SELECT origin_key, id FROM runs"))
        return {}

    def _note_accepted(self) -> None:
        """What was asked of a life that died may be nobody's."""
        admitted = self.admitted()
        for submission in self.submissions:
            for asked in submission.asked:
                if f"discord:{asked.id}" in admitted:
                    submission.accepted = asked

    # --- what is to be seen -------------------------------------------------------------------------------------

    async def until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until `reached`, looking after every visible change; fails where the bot dies or nothing comes."""

        async def watch() -> None:
            async for _ in self.server.watch(len(self.server.events)):
                if reached():
                    return

        if reached():
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                if not await self._unless_dead(watch()):
                    raise AssertionError(f"the bot died before {what}:\n{self.report()}")
        except TimeoutError:
            raise AssertionError(f"waited in vain until {what}:\n{self.report()}") from None

    async def all_over(self) -> None:
        """Wait until every submission has had its last word."""
        await self.until(lambda: all(self.over(one) for one in self.submissions), "every run was over")

    def over(self, submission: Submission) -> bool:
        """Whether the anchor, which is written last, tells the end; the verdict, where no anchor can be edited."""
        anchors, room = self.anchors(submission), self.room(submission)
        late = [one for one in room if messages.is_status(one.content) and not _tells_the_end(one.content)]
        if anchors and self.frozen(anchors[0]):
            return bool(room and messages.verdict_status(room[-1].content)) and all(map(self.frozen, late))
        return any(_tells_the_end(one.content) for one in anchors)

    def frozen(self, message: Message) -> bool:
        """Whether this server takes no edit of the message any more, because it is older than an hour."""
        old = self.server.clock.now() - message.created_at >= self.server.policy.old_edit_s
        return old and self.server.policy.old_edits == 0

    def anchors(self, submission: Submission) -> list[Message]:
        """Its messages in the channel."""
        return [one for one in self.channel_messages() if f"`{submission.file}`" in one.content]

    def channel_messages(self) -> list[Message]:
        """Everything of the bot's that all members see in the channel."""
        return [one for one in self.server.messages(self.channel) if one.author.id == self.server.bot_user_id]

    def room(self, submission: Submission) -> list[Message]:
        """The bot's messages in its thread, oldest first."""
        anchors = self.anchors(submission)
        threads = [one.id for one in self.server.threads(parent_id=self.channel) if anchors and one.id == anchors[0].id]
        found = self.server.messages(threads[0]) if threads else []
        return [one for one in found if one.author.id == self.server.bot_user_id and int(one.type) in (0, 19)]

    def file_of(self, channel_id: int) -> str:
        """The file whose run a thread belongs to; "" for any other channel."""
        name = self.server.channel(channel_id).name
        return name.partition(" ")[2] if self.server.channel(channel_id).thread else ""

    def report(self) -> str:
        """What a person needs to understand a failure."""
        events = [f"  {one.seq} {one.event} {one.channel_id} {one.content[:90]!r}" for one in self.server.events]
        log = self.life.log.read_text("utf-8", "replace").splitlines() if self.lives and self.life.log.exists() else []
        runners = [f"{one.tag}: {self._runners(one)}{' killed' * one.runner_killed}" for one in self.submissions]
        runners += self.report_more()
        return "\n".join(["what people saw:", *events[-40:], "runners:", *runners, "the bot's log:", *log[-40:]])

    def report_more(self) -> list[str]:
        """What there is to say of the launcher's side."""
        return []

    # --- the end ------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Leave no process behind."""
        await self._stop_pressing()
        for life in self.lives:
            life.kill()
            await life.died.wait()
        for submission in self.submissions:
            self.kill_runner(submission)

    def kill_runner(self, submission: Submission) -> None:
        """SIGKILL the runner of a submission, where one lives; its program dies with it."""
        for pid in self._runners(submission):
            submission.runner_killed = True
            with contextlib.suppress(ProcessLookupError):  # its keeper is one too, and may have gone with it
                os.kill(pid, signal.SIGKILL)

    def spools(self) -> list[Path]:
        """The folders of attempts that are still there."""
        return sorted((self.folder / "data" / "local").glob("*-*"))

    async def program_begins(self, submission: Submission) -> None:
        """Wait in the dead bot's place until the program has noted its begin: its runner rings as it prints."""
        rung = asyncio.Event()
        bell = Doorbell(self.folder / "data" / "local", lambda run: rung.set())
        try:
            async with asyncio.timeout(PATIENCE_S):
                while submission.tag not in read_ledger(self.ledger):
                    await rung.wait()
                    rung.clear()
        finally:
            bell.close()

    async def runner_ends(self, submission: Submission) -> None:
        """Wait until no runner of the submission lives; the bot need not live either."""
        for pid in self._runners(submission):
            ended = asyncio.Event()
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            asyncio.get_running_loop().add_reader(fd, ended.set)
            try:
                await ended.wait()
            finally:
                asyncio.get_running_loop().remove_reader(fd)
                os.close(fd)

    def _runners(self, submission: Submission) -> list[int]:
        """The runner processes below this stage's data folder that have the submission's file."""
        root = str(self.folder / "data" / "local")
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            except OSError:
                continue
            spool = next((word for word in command if word.startswith(root)), None)
            if spool is not None and "--spool" in command and self._is_of(spool, submission):
                found.append(int(entry.name))
        return found

    @staticmethod
    def _is_of(spool: str, submission: Submission) -> bool:
        try:
            return f'"{submission.file}"' in Path(spool, "payload.json").read_text("utf-8")
        except OSError:
            return False


def _is_cancelled(submission: Submission) -> bool:
    return submission.program.stays and submission.program.cancelled


def _tells_the_end(text: str) -> bool:
    return any(words in text for status, words in messages.STATUS_WORDS.items() if status.final)


@asynccontextmanager
async def open_stage(zygote: Zygote, folder: Path, policy: Policy = POLICY) -> AsyncIterator[Stage]:
    """A stage with nothing on it yet."""
    folder.mkdir()
    async with DiscordServer(policy=policy) as server:
        stage = Stage(server, zygote, folder)
        stage.ledger.touch()
        try:
            yield stage
        finally:
            await stage.close()
