"""The real discord.py, over real sockets, against the sandbox."""

from __future__ import annotations

import asyncio

import discord
import pytest
from sample_bot import SampleBot

from cluster_sandbox.discord import CommandError, DiscordServer, File
from cluster_sandbox.discord.members import Acting

pytestmark = pytest.mark.usefixtures("pointed")


async def run_once(server: DiscordServer, ada: Acting) -> tuple[int, int]:
    """Let ada run a.py; the ids of the thread and of its status message."""
    answer = await ada.command(
        "run local",
        channel_id=server.channel_id("general"),
        options={"script": File("a.py", b"print(1)"), "arguments": "x"},
    )
    await answer.answered()
    assert answer.failed is None
    await server.wait_for(lambda event: event.content == "and a follow-up")
    thread = server.threads()[0]
    return thread.id, server.messages(thread.id)[1].id


async def test_a_run_from_command_to_verdict(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    answer = await ada.command(
        "run local",
        channel_id=server.channel_id("general"),
        options={"script": File("a.py", b"print(1)"), "arguments": "x"},
    )
    await answer.acknowledged()
    assert answer.state == "deferred"
    await answer.answered()
    await server.wait_for(lambda event: event.content == "and a follow-up" and event.ephemeral)
    anchor = server.messages(server.channel_id("general"))[0]
    thread = server.channel(anchor.id)
    assert answer.content == f"see <#{thread.id}>" and answer.ephemeral
    assert 0 <= (answer.acknowledged_after or -1) < 3
    assert thread.name == "a.py x" and thread.parent_id == server.channel_id("general")
    starter, status, lines, plot = server.messages(thread.id)
    assert int(starter.type) == 21
    assert status.content == "succeeded" and [one.content for one in status.history] == ["running", "succeeded"]
    assert lines.content == "```\nprint(1)\n```" and len(lines.edits) == 1
    assert server.attachment(plot.id, 0) == b"\x89PNG" and plot.attachments[0].filename == "plot.png"
    assert bot.problems == []
    assert all(entry.status and entry.status < 300 for entry in server.record)
