"""Somebody who does what docs/admin.md says, to the letter, with the sandbox's servers in the place of the real ones.

What a person does by clicking is done through the sandbox's control: the button must be named in the step's text for
that. Three settings are given by the environment, as no reader needs them: the two servers' addresses, and a free port.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shlex
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import discord

import warm
from cluster_bot import app
from cluster_bot.discord_bot import messages
from cluster_sandbox.discord import DiscordServer, File, MessageEvent
from cluster_sandbox.github import GitHubServer, Runner

from .text import Block, Step, shown

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
# Commands of the text that the walk does not give, and why.
NOT_GIVEN = {"./script/demo -h": "it sets up .venv, which this test runs in"}
# By shell: each command's first call is of the one that is installed.
_FIRST = """
if mkdir "$(dirname "$0")/$1-was-called" 2>/dev/null; then
    exec {command} "$@"
fi
"""
# GitHub's words for a fine-grained token's rights, and its API's.
RIGHTS = {
    "Actions": "actions",
    "Administration": "administration",
    "Contents": "contents",
    "Pull requests": "pull_requests",
    "Webhooks": "repository_hooks",
    "Workflows": "workflows",
}
LEVELS = {"Read-only": "read", "Read and write": "write"}
EVENTS = {"Workflow jobs": "workflow_job", "Workflow runs": "workflow_run"}


class Walker:
    """Walks one step after the other; `done` names what was really done, for the test to compare with the text."""

    def __init__(
        self, folder: Path, server: DiscordServer, github: GitHubServer, port: int, *, app_instead: bool
    ) -> None:
        self.folder, self.server, self.github, self.port = folder, server, github, port
        self.app_instead = app_instead
        self.stack = AsyncExitStack()
        self.given = {
            "TOKEN-OF-STEP-1": server.bot_token,
            "123456789012345678": str(server.guild_id),
            "SECRET-OF-STEP-8": secrets.token_hex(32),
            "https://bot.example.org": f"http://127.0.0.1:{port}",
            "gpu-club/kernels": github.full_name,
        }
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "DISCORD_API_URL": server.api_url,
            "GITHUB_API_URL": github.api_url,
            "WEB_PORT": str(port),
        }
        self.checkout = folder / "cluster-bot"
        self.output: list[str] = []
        self.program: File | None = None
        self.gpu = ""
        self.typed = ""
        self._bot: Process | None = None

    def begin(self) -> None:
        """The checkout, of which the text needs what is set up and what is copied.

        One of the two ways is walked with the command that is installed, as far as it is told something for the first
        time. The rest is walked with the same without the wait.
        """
        self.checkout.mkdir()
        command = self.checkout / ".venv" / "bin" / "cluster-bot"
        command.parent.mkdir(parents=True)
        installed = "" if self.app_instead else _FIRST.format(command=Path(sys.prefix) / "bin" / "cluster-bot")
        command.write_text(f'#!/bin/sh\n{installed}exec {warm.python()} -m cluster_bot "$@"\n')
        command.chmod(0o755)
        shutil.copy(ROOT / ".env.example", self.checkout)

    async def walk(self, step: Step) -> None:
        """All of a step."""
        either = any(block.kind.startswith("app") for block in step.blocks)
        left = {"form", "ini"} if self.app_instead else {"appform", "appini"}
        for block in step.blocks:
            if either and block.kind in left:
                continue
            do: Callable[[Step, Block], object] = getattr(self, f"_{block.kind}")
            result = do(step, block)
            if asyncio.iscoroutine(result):
                await result

    def _mine(self, text: str) -> str:
        for theirs, ours in self.given.items():
            text = text.replace(theirs, ours)
        return text

    # --- what is typed ------------------------------------------------------------------------------------------

    async def _sh(self, step: Step, block: Block) -> None:
        self.output = []
        for line in block.lines:
            if line not in NOT_GIVEN:
                await self._give(self._mine(line))

    async def _give(self, command: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", command),
            cwd=self.checkout,
            env=self.environment,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, _ = await process.communicate(f"{self.typed}\n".encode())
        self.output += out.decode().splitlines()
        assert process.returncode == 0, f"{command}\n{out.decode()}"

    def _text(self, step: Step, block: Block) -> None:
        for line in block.lines:
            assert shown(self._mine(line), self.output), f"step {step.number} promises {line!r}:\n" + "\n".join(
                self.output
            )
        if any(line.endswith("/pull/1") for line in block.lines):
            assert "press *Merge pull request*" in step.text
            self._merge()

    def _ini(self, step: Step, block: Block) -> None:
        with (self.checkout / ".env").open("a", encoding="utf-8") as env:
            env.write(self._mine(block.text))

    # --- what is clicked ----------------------------------------------------------------------------------------

    def _address(self, step: Step, block: Block) -> None:
        found = re.search(r"permissions=(\d+)", block.text)
        assert found
        asked = {name.replace("_", " ").title() for name, value in discord.Permissions(int(found[1])) if value}
        # The library has other words for two of them.
        asked = {{"Read Messages": "View Channels"}.get(one, one) for one in asked}
        named = {" ".join(one.split()) for one in re.findall(r"\*([A-Z][^*]+)\*", step.text)}
        assert {one.replace("In", "in") for one in asked} <= named

    def _form(self, step: Step, block: Block) -> None:
        fields = {name: self._mine(value) for name, value in block.fields.items()}
        if "Payload URL" in fields:
            assert fields["Content type"] == "application/json"
            events = [EVENTS[one] for one in fields["Events"].split(", ")]
            self.github.add_hook(fields["Payload URL"], secret=fields["Secret"], events=events)
            return
        assert fields.pop("Repository access") == f"Only select repositories, {self.github.full_name}"
        token = self.github.add_token(permissions=_rights(fields))
        self.typed = self.given[f"TOKEN-OF-STEP-{step.number}"] = token

    def _appform(self, step: Step, block: Block) -> None:
        app_made = self.github.add_app(permissions=_rights(block.fields))
        assert "install it for this repository alone" in " ".join(step.text.split())
        key = self.checkout / "cluster-bot.private-key.pem"
        key.write_text(app_made.private_key, encoding="ascii")
        self.given["APP-ID"] = str(app_made.id)

    def _appini(self, step: Step, block: Block) -> None:
        self._ini(step, block)

    def _merge(self) -> None:
        self.github.merge(1)

    def _runner(self, step: Step, block: Block) -> None:
        words = shlex.split(self._mine(block.text))
        labels = words[words.index("--labels") + 1].split(",")
        assert words[words.index("--url") + 1].endswith(f"/{self.github.full_name}")
        self.github.add_runner(Runner("gpu-box", ("self-hosted", *labels)))

    def _proxy(self, step: Step, block: Block) -> None:
        """Left out: PUBLIC_URL leads to the bot's own port here."""
        assert block.text.rstrip().endswith(f":{app.WEB_PORT}")

    # --- the service, and a member ------------------------------------------------------------------------------

    async def _systemd(self, step: Step, block: Block) -> None:
        """Do what systemd would with this unit."""
        unit = dict(line.split("=", 1) for line in block.lines if "=" in line and not line.startswith("#"))
        folder, command = (unit[name].replace("%h", str(self.folder)) for name in ("WorkingDirectory", "ExecStart"))
        logins = self.server.gateway.logins
        with (self.folder / "journal").open("wb") as journal:
            self._bot = await asyncio.create_subprocess_exec(
                *shlex.split(command),
                cwd=folder,
                env=self.environment,
                stdout=journal,
                stderr=journal,
                start_new_session=True,
            )
        self.stack.push_async_callback(self._stop)
        await self.server.gateway.wait_ready(PATIENCE_S, logins=logins + 1)
        assert "press *Redeliver* at the ping" in " ".join(step.text.split())
        ping = await self.github.webhooks.wait(lambda one: one.event == "ping", PATIENCE_S)
        assert ping.status_code == 502, "the bot was not there yet"
        self.github.webhooks.redeliver(ping)
        again = await self.github.webhooks.wait(lambda one: one.redelivery, PATIENCE_S)
        assert 200 <= (again.status_code or 0) < 300

    async def _stop(self) -> None:
        assert self._bot is not None
        self._bot.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await self._bot.wait()

    def _python(self, step: Step, block: Block) -> None:
        found = re.search(r"Save this as `([\w.]+)`", step.text)
        assert found
        self.program = File(found[1], block.text.encode())

    async def _option(self, step: Step, block: Block) -> None:
        assert self.program is not None
        ada = self.server.member("ada")
        general = self.server.channel_id("general")
        (self.gpu,) = block.lines
        offered = await ada.autocomplete("run github", channel_id=general, focused="gpu", value=self.gpu)
        assert self.gpu in [one["name"] for one in offered]
        await ada.command("run github", channel_id=general, options={"script": self.program, "gpu": self.gpu})

    async def _verdict(self, step: Step, block: Block) -> None:
        def told(event: MessageEvent) -> bool:
            return event.event == "create" and messages.verdict_status(event.content) is not None

        verdict = await self.server.wait_for(told, PATIENCE_S)
        assert block.text.strip() in verdict.content.replace("**", ""), verdict.content
        said = [one.content for one in self.server.messages(verdict.channel_id)]
        assert any("hello from" in one for one in said)


def _rights(fields: Mapping[str, str]) -> dict[str, str]:
    """The rights of a form in the words of GitHub's API; the first it gives to everybody by itself."""
    return {"metadata": "read", **{RIGHTS[name]: LEVELS[level] for name, level in fields.items()}}
