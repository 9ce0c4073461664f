"""The demo's world: a Discord on loopback, the real bot as a process of its own, and a member who acts.

Called by `cluster-bot demo`. The exit code says who failed: 0 nobody, 1 the program (or what was asked for), 2 we.
Everything lives in a folder that is gone afterwards.
"""

import asyncio
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from cluster_bot.demo.bot_process import READY_S, BotEndedError, BotProcess, started_bot
from cluster_bot.demo.page import server_with_page
from cluster_bot.demo.screen import Screen
from cluster_bot.discord_bot import messages
from cluster_bot.errors import StartupError
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import Acting, CommandError, DiscordServer, File, Interaction

MEMBER = "you"

PAGE = """Open {url} in a browser: a Discord of your own, with the bot in it.
Ctrl+C ends the demo."""

GOOD, PROGRAM_FAILED, WE_FAILED = 0, 1, 2
# What a run asks for where nothing was said; the local launcher has but its own machine.
_GPUS = {"github": "NVIDIA", "modal": "T4", "auto": "T4"}
_EXIT_CODES = {Status.SUCCEEDED: GOOD, Status.LOST: WE_FAILED}


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asked for; `once` is a program's file, None for the page."""

    once: Path | None
    launcher: str = "local"
    arguments: str = ""
    time_limit_s: int | None = None
    as_json: bool = False
    save: Path | None = None
    programs_python: Path | None = None
    gpu: str | None = None
    public_url: bool = True

    def wants(self, launcher: str) -> bool:
        """The page offers every launcher; one run needs only its own, but `auto` needs all there are to choose from."""
        return self.once is None or self.launcher in (launcher, "auto")


async def run_demo(options: DemoOptions) -> int:
    """Run the demo to its end; the exit code. Raises StartupError where there is nothing to run."""
    if options.once is not None and not options.once.is_file():
        raise StartupError(f"There is no file {options.once}; name a program, such as examples/numpy_matmul.py.")
    if options.save is not None:
        try:
            options.save.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartupError(f"Files can't be saved in {options.save} ({error.strerror}); name a folder.") from None
    with tempfile.TemporaryDirectory(prefix="cluster-bot-demo-") as folder:
        python = (options.programs_python or Path(sys.executable)).absolute()
        try:
            async with AsyncExitStack() as stack:
                settings = {"LOCAL_PYTHON": str(python)}
                if options.wants("github"):
                    from cluster_bot.demo.github import demo_github, github_settings

                    github = await stack.enter_async_context(demo_github(python))
                    settings |= github_settings(github, public=options.public_url)
                if options.wants("modal"):
                    from cluster_bot.demo.modal import demo_modal, modal_settings

                    settings |= modal_settings(await stack.enter_async_context(demo_modal(python)))
                server = await stack.enter_async_context(
                    server_with_page() if options.once is None else DiscordServer()
                )
                bot = await stack.enter_async_context(started_bot(server, Path(folder), settings))
                demo = _Demo(server, bot, options)
                return await (demo.keep_open() if options.once is None else demo.once(options.once))
        except BotEndedError as error:
            raise StartupError(str(error)) from None


class _Demo:
    """One member in one channel, and a screen on which everything they would see appears."""

    def __init__(self, server: DiscordServer, bot: BotProcess, options: DemoOptions) -> None:
        self._server = server
        self._bot = bot
        self._options = options
        self._member: Acting = server.member(MEMBER)
        self._channel = server.channel_id("general")
        self._screen = Screen(server, as_json=options.as_json, save=options.save)

    async def once(self, program: Path) -> int:
        """Give `/run` with one file and follow its thread to the verdict."""
        try:
            asked = await self._give_run(program, self._options.launcher, self._options.arguments)
        except CommandError as error:
            raise StartupError(f"`/run {self._options.launcher}` can't be given: {error}") from None
        work = {
            asyncio.create_task(self._verdict(), name="verdict"),
            asyncio.create_task(self._silence(asked), name="silence"),
            asyncio.create_task(self._death(), name="bot-death"),
        }
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in work:
                task.cancel()

    async def _give_run(self, program: Path, launcher: str, arguments: str) -> Interaction:
        content = await asyncio.to_thread(program.read_bytes)
        given: dict[str, object] = {"script": File(program.name, content)}
        if arguments:
            given["arguments"] = arguments
        if self._options.time_limit_s is not None:
            given["time_limit"] = self._options.time_limit_s
        words = [MEMBER + ":", "/run", launcher, program.name, arguments]
        gpu = self._options.gpu or _GPUS.get(launcher)
        if gpu is not None:
            given["gpu"] = gpu
            words.insert(4, gpu)
        self._screen.say(" ".join(filter(None, words)))
        return await self._member.command(f"run {launcher}", channel_id=self._channel, options=given)

    async def _verdict(self) -> int:
        """Show what happens until a verdict or a refusal; the exit code it means."""
        async for event in self._server.watch():
            self._screen.show(event)
            if event.author_id != self._server.bot_user_id or not event.content:
                continue
            if event.ephemeral and not messages.is_opened(event.content):
                return PROGRAM_FAILED
            told = messages.verdict_status(event.content) if event.event == "create" else None
            if told is not None:
                self._screen.end()
                return WE_FAILED if messages.is_our_failure(event.content) else _EXIT_CODES.get(told, PROGRAM_FAILED)
        return WE_FAILED

    async def _silence(self, asked: Interaction) -> int:
        """Ends only where the bot does not react to the command in Discord's three seconds."""
        await asked.acknowledged(READY_S)
        if asked.failed is None:
            await asyncio.get_running_loop().create_future()
        self._screen.say(f"Discord: {asked.content}")
        return WE_FAILED

    async def _death(self) -> int:
        await self._bot.wait()
        raise BotEndedError("The bot ended by itself.")

    async def keep_open(self) -> int:
        """Name the page and be there until Ctrl+C; with `--json` or `--save`, show what happens meanwhile."""
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        self._screen.say(PAGE.format(url=self._server.url))
        work = [
            asyncio.create_task(told.wait(), name="told-to-end"),
            asyncio.create_task(self._death(), name="bot-death"),
        ]
        if self._options.as_json or self._options.save is not None:
            work.append(asyncio.create_task(self._show_all(), name="screen"))
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            # Ctrl+C reaches the bot as well, whose end is then nothing to complain of.
            if not told.is_set():
                done.pop().result()
        finally:
            for task in work:
                task.cancel()
        return GOOD

    async def _show_all(self) -> bool:
        async for event in self._server.watch():
            self._screen.show(event)
        return True
