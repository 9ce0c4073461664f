"""SimCord as an independent judge of the Discord side: it is not ours, and knows nothing of our own sandbox."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status

# A command takes milliseconds, but the machine may be busy with something else.
pytestmark = pytest.mark.simcord(settle_timeout=30)

ANSWERED, DEFERRED = 4, 5
LINES = "import sys\nfor n in range(5):\n    print('line', n)\nprint('to stderr', file=sys.stderr)\n"
LONG = "import time\nprint('begun', flush=True)\ntime.sleep(120)\n"


async def _running(stage: Any) -> Any:
    """Give `/run local` with a long program; the status message once its first line is there."""
    result = await stage.run(LONG)
    await stage.until(lambda: (stage.thread() and any("begun" in text for text in stage.texts())) or None)
    return result, await stage.until(stage.status_message)


async def test_run_local_to_a_verdict(stage: Any) -> None:
    result = await stage.run(LINES)
    assert (stage.reactions(), result.ephemeral) == ([DEFERRED], True)
    assert await stage.until(stage.verdict) is Status.SUCCEEDED
    await stage.until(lambda: True if stage.status_message() is None else None)

    thread = stage.thread()
    assert thread.name == "#1 program.py"
    assert result.response.content == messages.OPENED.format(number=1, room=thread.id)

    status, *output, verdict = stage.texts()
    assert status.startswith(messages.STATUS_WORDS[Status.SUCCEEDED])
    assert verdict.startswith(f"{messages.STATUS_WORDS[Status.SUCCEEDED]}: the program ended with exit code 0.")
    shown = re.findall(r"^(line \d|to stderr)$", "\n".join(output), re.MULTILINE)
    assert sorted(shown) == [*(f"line {n}" for n in range(5)), "to stderr"]
    assert [line for line in shown if line != "to stderr"] == [f"line {n}" for n in range(5)]

    anchor = await stage.until(
        lambda: next((one for one in stage.channel.history() if "**Succeeded**" in one.content), None)
    )
    assert anchor.content.startswith("**Run #1**")
    assert anchor.id == thread.id


async def test_the_cancel_button(stage: Any) -> None:
    _, status = await _running(stage)
    pressed = await stage.ada.click(status, label="Cancel")
    assert pressed.ephemeral
    assert pressed.response.content == messages.STOP_WISHED.format(number=1)
    assert await stage.until(stage.verdict) is Status.CANCELLED
    assert messages.REASONS["cancelled_by_user"] in stage.texts()[-1]


async def test_somebody_else_may_not_cancel(stage: Any) -> None:
    _, status = await _running(stage)
    bob = stage.member("bob")
    for refused in (
        await bob.click(status, label="Cancel"),
        await bob.slash(stage.channel, "cancel", run="1"),
    ):
        assert refused.ephemeral
        assert "belongs to somebody else" in refused.response.content
    assert stage.refusals() == ["not_yours"]
    assert stage.verdict() is None
    admin = stage.member("carol", manage_guild=True)
    await admin.click(status, label="Cancel")
    assert await stage.until(stage.verdict) is Status.CANCELLED
    assert messages.REASONS["cancelled_by_admin"] in stage.texts()[-1]


async def test_slash_cancel_offers_the_run_and_stops_it(stage: Any) -> None:
    await _running(stage)
    offered = await stage.ada.autocomplete(stage.channel, "cancel", "run", "")
    assert [(one["name"], one["value"]) for one in offered] == [("#1 program.py · running · local", "1")]
    told = await stage.ada.slash(stage.channel, "cancel", run="1")
    assert told.response.content == messages.STOP_WISHED.format(number=1)
    assert await stage.until(stage.verdict) is Status.CANCELLED
    again = await stage.ada.slash(stage.channel, "cancel", run="1")
    assert "already over" in again.response.content
    assert stage.refusals() == ["already_over"]


async def test_ping(stage: Any) -> None:
    answer = await stage.ada.slash(stage.channel, "ping")
    assert answer.ephemeral
    assert re.fullmatch(r"Pong: \d+ ms to Discord, 0 run\(s\) under way, launchers: local\.", answer.response.content)


@pytest.mark.parametrize(
    ("name", "script", "said"),
    [
        ("notes.txt", "print(1)", "its name must end in"),
        ("a.py", "x" * (1024 * 1024 + 1), "attach something smaller"),
    ],
)
async def test_what_the_name_or_size_forbids_is_refused_without_a_deferral(
    stage: Any, name: str, script: str, said: str
) -> None:
    result = await stage.run(script, name)
    assert (stage.reactions(), result.ephemeral) == ([ANSWERED], True)
    assert said in result.response.content
    assert len(stage.refusals()) == 1
    assert all(one.flags.ephemeral for one in stage.channel.history())
    assert await stage.house.store.of_member(str(stage.ada.id), 10) == []


async def test_a_button_of_an_earlier_life_works(stage: Any) -> None:
    _, status = await _running(stage)
    await stage.env.restart_bot(stage.house.bot())
    pressed = await stage.ada.click(status, label="Cancel")
    assert pressed.response.content == messages.STOP_WISHED.format(number=1)
    assert await stage.until(stage.verdict) is Status.CANCELLED
