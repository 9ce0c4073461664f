#!/usr/bin/env python3
"""Verify a running bot end to end, in one of two ways; prints a line per check, and exits 0 if all are good, else 1.

  --sandbox           starts the Discord that comes with the repository and the bot on it, and does what a member does:
                      /ping, /run local and /run modal to a verdict, its log, a second time, Cancel; /run github too,
                      where act is installed; then /verify. GitHub and Modal are those that come with it.
  --message-link URL  checks a run on your own server. Give `/run` there yourself (a script can't type slash commands),
                      wait for the verdict, then copy the link of the message "Run #…", or of the run's thread. The
                      bot's token is DISCORD_TOKEN, or with --debug DISCORD_DEBUG_TOKEN, in the environment or .env;
                      DISCORD_API_URL is honoured.

Run it with the interpreter that script/demo and script/test set up: .venv/bin/python tests/discord-bot-smoke-test.py
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import discord

    from cluster_sandbox.discord import DiscordServer, Interaction, MessageEvent

T = TypeVar("T")

PATIENCE_S = 60.0
HELLO = b"import sys\nfor n in range(3):\n    print('line', n)\nprint('arguments', sys.argv[1:])\n"
LINES = ["line 0", "line 1", "line 2", "arguments ['a', 'b c']"]
# Long enough for the bot to have seen where GitHub shows it.
SLOW_HELLO = HELLO.replace(b"    print(", b"    __import__('time').sleep(1)\n    print(")
LONG = b"import time\nprint('begun')\ntime.sleep(120)\n"
COMMANDS = {"cancel", "gpus", "logs", "ping", "rerun", "run-info", "run paste", "runs"}
VERIFIED = ("### ✅", "### ⚠")
GPUS = {"github": "NVIDIA", "modal": "T4"}

_LINK = re.compile(r"https?://[^/]+/channels/\d+/(\d+)(?:/(\d+))?/?")
_JOB = re.compile(r"\[\w+ job\]\(<(https?://[^>\s]+)>\)")


class CheckFailedError(Exception):
    """What is wrong, for the line of the check that found it; without text where that line was printed already."""


async def check(name: str, work: Awaitable[T], good: Callable[[T], str] = lambda result: "") -> T:
    """Do one check and print its line; raises where it failed, as the checks that follow build on it."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            result = await work
    except TimeoutError:
        print(f"✗ {name}: nothing happened within {PATIENCE_S:.0f} s", flush=True)
        raise CheckFailedError from None
    except CheckFailedError as error:
        print(f"✗ {name}: {error}", flush=True)
        raise CheckFailedError from None
    detail = good(result)
    print(f"✓ {name}{f': {detail}' if detail else ''}", flush=True)
    return result


# --- a run, as it stands on a server ----------------------------------------------------------------------------


class Looked:
    """A run's messages, read with the bot's own token; `number` and `anchor` are None where the link led elsewhere."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self.number: int | None = None
        self.anchor: discord.Message | None = None
        self.messages: list[discord.Message] = []

    async def follow(self, link: str) -> Looked:
        """Read what `link` leads to: a run's anchor, its thread, or a message in it."""
        import discord

        found = _LINK.fullmatch(link.strip())
        if found is None:
            raise CheckFailedError("a link looks like https://discord.com/channels/SERVER/CHANNEL/MESSAGE")
        room, message = int(found[1]), int(found[2] or 0)
        try:
            if message:
                room = await self._anchor(room, message) or room
            await self._read(room)
        except discord.HTTPException as error:
            raise CheckFailedError(f"the bot can't read it ({error.text}); is it a member there?") from error
        return self

    async def _anchor(self, channel: int, message: int) -> int | None:
        """Remember the anchor if the message is one; the thread under it, None where there is none."""
        import discord

        text = await self._client.get_partial_messageable(channel).fetch_message(message)
        found = re.match(r"\*\*Run #(\d+)\*\*", text.content)
        if found is None:
            return None
        self.number, self.anchor = int(found[1]), text
        try:
            return (await self._client.fetch_channel(message)).id
        except discord.NotFound:
            return None

    async def _read(self, room: int) -> None:
        from cluster_bot.discord_bot import messages

        assert self._client.user is not None
        channel = self._client.get_partial_messageable(room)
        found = [one async for one in channel.history(limit=None, oldest_first=True)]
        ours = [one for one in found if one.author.id == self._client.user.id and one.type.value == 0]
        # In a thread of its own a run's messages are not marked; where it shares a channel, each says whose it is.
        own = [one for one in ours if not messages.is_part(one.content) and one != self.anchor]
        marked = [one for one in ours if one.content.startswith(f"-# Run #{self.number} · ")]
        self.messages = marked or own
        if not self.messages:
            raise CheckFailedError("no message of this bot's about a run is there")

    def status(self) -> str:
        """What the status message says, the first of a run."""
        from cluster_bot.discord_bot import messages

        text = self.messages[0].content.rpartition("\n")[2]
        if not any(words in text for words in messages.STATUS_WORDS.values()):
            raise CheckFailedError(f"the first message is no status: {text[:80]!r}")
        return text

    def job(self) -> str | None:
        """Where the scheduler shows it; None where the run's place is not one that has pages."""
        found = _JOB.search(self.messages[0].content)
        return found and found[1]

    def lines(self) -> list[str]:
        """The output."""
        from cluster_bot.discord_bot.chunks import lines_in

        lines = [line for one in self.messages for line in lines_in(one.content)]
        if not lines:
            raise CheckFailedError("there is no output")
        return lines

    def verdict(self) -> str:
        """The verdict; it must be the only one, not our fault, and what the status and the anchor say."""
        from cluster_bot.discord_bot import messages
        from cluster_bot.runs.run import Status

        verdicts = [one for one in self.messages if messages.verdict_status(one.content) is not None]
        if len(verdicts) != 1:
            raise CheckFailedError(f"there are {len(verdicts)} verdicts; a run that goes on has none yet")
        told = messages.verdict_status(verdicts[0].content)
        assert told is not None
        if told is Status.LOST or messages.is_our_failure(verdicts[0].content):
            raise CheckFailedError(f"the bot failed: {verdicts[0].content.splitlines()[0]}")
        words = messages.STATUS_WORDS[told]
        if words not in self.status() or self.messages[0].components:
            raise CheckFailedError("the status message says otherwise, or still has its button")
        if self.anchor is not None and words not in self.anchor.content:
            raise CheckFailedError("the message in the channel does not say how it ended")
        return words


async def check_link(token: str, link: str) -> None:
    """All checks of one run on a server."""
    import discord

    from cluster_bot.discord_bot.bot import log_in

    async def later(find: Callable[[], T]) -> T:
        return find()

    async with discord.Client(intents=discord.Intents.none()) as client:
        await check("The token is good", log_in(client, token), str)
        looked = await check("The link leads to a run", Looked(client).follow(link), _number)
        await check("It has a status", later(looked.status), str)
        await check("It has output", later(looked.lines), lambda lines: f"{len(lines)} line(s)")
        await check("It has one verdict, and everything agrees with it", later(looked.verdict), str)
        if looked.job() is not None:
            await check("Its job is linked", later(looked.job), str)


def _number(looked: Looked) -> str:
    return f"run #{looked.number}" if looked.number is not None else "a thread"


async def against_server(link: str, *, debug: bool) -> None:
    """`--message-link`: the settings say with which token, and where Discord is."""
    from cluster_bot.discord_bot.bot import point_at
    from cluster_bot.settings import Settings

    settings = Settings.read()
    token = settings.discord_debug_token if debug else settings.discord_token
    if token is None:
        raise CheckFailedError(f"Set {'DISCORD_DEBUG_TOKEN' if debug else 'DISCORD_TOKEN'} first, as for the bot.")
    if settings.discord_api_url is not None:
        await point_at(settings.discord_api_url)
    await check_link(token.get_secret_value(), link)


# --- a bot of our own -------------------------------------------------------------------------------------------


async def in_sandbox() -> None:
    """`--sandbox`: everything a member does, then the same look at the run as on a real server."""
    from cluster_bot.demo.bot_process import BotEndedError, started_bot
    from cluster_bot.discord_bot.bot import point_at
    from cluster_sandbox.discord import DiscordServer

    with tempfile.TemporaryDirectory(prefix="cluster-bot-smoke-") as folder:
        try:
            async with AsyncExitStack() as stack:
                github = await stack.enter_async_context(_github()) if _has_act() else {}
                settings = github | await stack.enter_async_context(_modal())
                server = await stack.enter_async_context(DiscordServer())
                await stack.enter_async_context(started_bot(server, Path(folder), settings))
                print("✓ The bot logs in", flush=True)
                member = Visitor(server)
                launchers = {"local": HELLO, "modal": SLOW_HELLO} | ({"github": SLOW_HELLO} if github else {})
                wanted = COMMANDS | {f"run {launcher}" for launcher in launchers}
                await check("Its commands are registered", member.commands(wanted), ", ".join)
                await check("/ping answers", member.ping(), str)
                await point_at(server.api_url)
                for launcher, program in launchers.items():
                    room = await check(f"/run {launcher} ends well", member.run(launcher, program), "thread {}".format)
                    link = f"{server.url}/channels/{server.guild_id}/{server.channel_id('general')}/{room}"
                    await check_link(server.bot_token, link)
                await check("/logs hands over the whole log", member.log(), str)
                await check("/rerun runs it again", member.again(), str)
                await check("Cancel ends a run", member.cancel(), str)
                await check("/verify finds every launcher well", member.verify(), str)
                if not github:
                    print("- /run github is not tried: act is not installed", flush=True)
        except BotEndedError as error:
            raise CheckFailedError(str(error)) from None


def _has_act() -> bool:
    """Whether the GitHub of our own can execute workflows."""
    return Path(sys.executable).with_name("act").exists() or shutil.which("act") is not None


@asynccontextmanager
async def _github() -> AsyncIterator[dict[str, str]]:
    """A GitHub with this repository in it; the bot's settings for it."""
    from cluster_bot.demo.github import demo_github, github_settings

    async with demo_github(Path(sys.executable)) as github:
        yield github_settings(github, public=True)


@asynccontextmanager
async def _modal() -> AsyncIterator[dict[str, str]]:
    """A Modal with this repository's app in it; the bot's settings for it."""
    from cluster_bot.demo.modal import demo_modal, modal_settings

    async with demo_modal(Path(sys.executable)) as modal:
        yield modal_settings(modal)


class Visitor:
    """A member of the sandbox's guild."""

    def __init__(self, server: DiscordServer) -> None:
        self._server = server
        self._member = server.member("visitor")
        self._channel = server.channel_id("general")

    async def commands(self, wanted: set[str]) -> list[str]:
        """What the member is offered."""
        offered = self._member.commands(self._channel)
        if missing := wanted - set(offered):
            raise CheckFailedError(f"missing: {', '.join(sorted(missing))}")
        return offered

    async def ping(self) -> str:
        """The answer to /ping."""
        asked = await self._member.command("ping", channel_id=self._channel)
        answer = (await asked.answered(PATIENCE_S)).content
        if not answer.startswith("Pong"):
            raise CheckFailedError(f"it said {answer!r}")
        return answer

    async def run(self, launcher: str, program: bytes) -> int:
        """A short program with arguments, to its verdict; the thread."""
        from cluster_bot.discord_bot import messages
        from cluster_bot.discord_bot.chunks import lines_in
        from cluster_bot.runs.run import Status

        room = await self._opened(await self._give(program, "a 'b c'", launcher))
        verdict = await self._verdict(room)
        if messages.STATUS_WORDS[Status.SUCCEEDED] not in verdict:
            raise CheckFailedError(verdict)
        lines = [line for one in self._server.messages(room) for line in lines_in(one.content)]
        if lines != LINES:
            raise CheckFailedError(f"the thread shows {lines}, the program printed {LINES}")
        # The last thing a run's end changes is the message in the channel.
        ended = messages.STATUS_WORDS[Status.SUCCEEDED]
        await self._event(lambda event: event.message_id == room and ended in event.content)
        return room

    async def log(self) -> str:
        """The first run's log as a file; its name."""
        asked = await self._member.command("logs", channel_id=self._channel, options={"run": "1"})
        given = (await asked.answered(PATIENCE_S)).message
        files = given.attachments if given is not None else []
        if [one.data.decode().splitlines() for one in files] != [LINES]:
            raise CheckFailedError(f"it came with {len(files)} file(s), and not with what the program printed")
        return files[0].filename

    async def again(self) -> str:
        """The first run once more; what the verdict says."""
        from cluster_bot.discord_bot import messages
        from cluster_bot.runs.run import Status

        asked = await self._member.command("rerun", channel_id=self._channel, options={"run": "1"})
        verdict = (await self._verdict(await self._opened(asked))).splitlines()[0]
        if messages.STATUS_WORDS[Status.SUCCEEDED] not in verdict:
            raise CheckFailedError(verdict)
        return verdict

    async def cancel(self) -> str:
        """A long program, ended with its button; what the verdict says."""
        from cluster_bot.discord_bot import messages
        from cluster_bot.runs.run import Reason

        room = await self._opened(await self._give(LONG, ""))
        await self._event(lambda event: event.channel_id == room and "begun" in event.content)
        status = next(one for one in self._server.messages(room) if one.components)
        pressed = await self._member.press(status.id, channel_id=room, label=messages.CANCEL_BUTTON)
        await pressed.answered(PATIENCE_S)
        verdict = await self._verdict(room)
        if messages.REASONS[Reason.CANCELLED_BY_USER] not in verdict:
            raise CheckFailedError(verdict)
        return verdict.splitlines()[0]

    async def verify(self) -> str:
        """What an admin is told of all launchers; the head of it."""
        admin = self._server.member("admin", administrator=True)
        made = (await (await admin.command("verify", channel_id=self._channel)).answered(PATIENCE_S)).message
        told = await self._event(lambda event: made and event.message_id == made.id and event.content[:5] in VERIFIED)
        if not told.content.startswith(VERIFIED[0]):
            raise CheckFailedError(told.content)
        return told.content.splitlines()[0]

    async def _give(self, program: bytes, arguments: str, launcher: str = "local") -> Interaction:
        from cluster_sandbox.discord import File

        options: dict[str, object] = {"script": File("smoke.py", program), "arguments": arguments}
        options |= {"gpu": GPUS[launcher]} if launcher in GPUS else {}
        return await self._member.command(f"run {launcher}", channel_id=self._channel, options=options)

    async def _opened(self, asked: Interaction) -> int:
        found = re.fullmatch(r"Run #\d+ is here: <#(\d+)>", (await asked.answered(PATIENCE_S)).content)
        if found is None:
            raise CheckFailedError(f"the command was answered with {asked.content!r}")
        return int(found[1])

    async def _verdict(self, room: int) -> str:
        from cluster_bot.discord_bot import messages

        def is_verdict(event: MessageEvent) -> bool:
            return event.channel_id == room and messages.verdict_status(event.content) is not None

        return (await self._event(is_verdict)).content

    async def _event(self, fits: Callable[[MessageEvent], bool]) -> MessageEvent:
        return await self._server.wait_for(fits, PATIENCE_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--sandbox", action="store_true", help="a bot and a Discord of its own")
    which.add_argument("--message-link", metavar="URL", help="a run on your own server")
    parser.add_argument("--debug", action="store_true", help="with --message-link: the staging bot's token")
    given = parser.parse_args(arguments)
    try:
        from cluster_bot.errors import StartupError
    except ModuleNotFoundError as error:
        print(f"{error}. Run ./script/demo -h once, and this with .venv/bin/python.", file=sys.stderr)
        return 1
    try:
        asyncio.run(in_sandbox() if given.sandbox else against_server(given.message_link, debug=given.debug))
    except (CheckFailedError, StartupError) as error:
        if str(error):
            print(error, file=sys.stderr)
        print("The smoke test failed.", file=sys.stderr)
        return 1
    print("All good.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
