"""SimCord judges runs in direct messages, in channels where the bot may do little, and of members who leave."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status

pytestmark = pytest.mark.simcord(settle_timeout=30)

HELLO = ("program.py", b"print('hello')")
LONG = "import time\nprint('begun', flush=True)\ntime.sleep(120)\n"


async def test_a_run_in_direct_messages(stage: Any) -> None:
    bob = stage.env.create_user("bob")
    stage.guild.add_member(bob)
    assert {"run local", "cancel", "ping"} <= set(bob.available_commands())
    assert "resync" not in bob.available_commands()
    result = await bob.slash("run local", script=HELLO)
    assert result.ephemeral

    def texts() -> list[str]:
        return [one.content for one in bob.dm_channel.history() if not one.flags.ephemeral]

    await stage.until(lambda: any(messages.verdict_status(text) is Status.SUCCEEDED for text in texts()) or None)
    anchor, *parts = texts()
    assert anchor.startswith("**Run #1**")
    assert [text.partition("\n")[0] for text in parts] == [
        f"-# Run #1 · {part}" for part in ("status", "output 1", "verdict")
    ]
    opened = messages.OPENED_DIRECT.format(number=1, room=bob.dm_channel.id)
    await stage.until(lambda: True if result.response.content == opened else None)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"send_messages": False}, ["send_messages"]),
        ({"send_messages": False, "attach_files": False}, ["send_messages", "attach_files"]),
    ],
)
async def test_what_the_bot_lacks_is_named(stage: Any, missing: dict[str, bool], named: list[str]) -> None:
    overwrites = {stage.guild.default_role: discord.PermissionOverwrite(**missing)}
    channel = stage.guild.create_text_channel("quiet", overwrites=overwrites)
    result = await stage.ada.slash(channel, "run local", script=HELLO)
    assert result.response.content == messages.cannot_write_here(named)
    assert stage.refusals() == ["cannot_write_here"]


async def test_a_member_who_left_is_missed_by_nobody(stage: Any) -> None:
    admin = stage.member("carol", manage_guild=True)
    await stage.run(LONG)
    await stage.until(lambda: (stage.thread() and any("begun" in text for text in stage.texts())) or None)
    status = await stage.until(stage.status_message)
    stage.guild.remove_member(stage.ada)
    told = await admin.click(status, label="Cancel")
    assert told.response.content == messages.STOP_WISHED.format(number=1)
    assert await stage.until(stage.verdict) is Status.CANCELLED
