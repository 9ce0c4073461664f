"""`tests/discord-bot-smoke-test.py` tells a good bot from a bad one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from town import PATIENCE_S, Place, Town

import warm
from cluster_bot.runs.run import Status

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "discord-bot-smoke-test.py"


async def _smoke(folder: Path, *arguments: str, **environment: str) -> tuple[int | None, str, str]:
    """Exit code, stdout, stderr, run in a folder without an .env."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT / "src"), **environment}
    pipe = asyncio.subprocess.PIPE
    script = await asyncio.create_subprocess_exec(
        warm.python(), str(SCRIPT), *arguments, cwd=folder, env=env, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await script.communicate()
    return script.returncode, out.decode(), err.decode()


async def _look(town: Town, link: str, token: str | None = None) -> tuple[int | None, str, str]:
    """The script's word on a link, against the town's server."""
    token = token or town.server.bot_token
    return await _smoke(town.folder, "--message-link", link, DISCORD_API_URL=town.server.api_url, DISCORD_TOKEN=token)


def _link(town: Town, *ids: int) -> str:
    return "/".join(["https://discord.com/channels", str(town.server.guild_id), *map(str, ids)])


async def _anchored_in(town: Town, place: Place) -> int:
    """The id of the run's anchor in the thread that it shares."""
    anchors = [one for one in town.server.messages(place.room) if one.content.startswith(f"**Run #{place.number}**")]
    return anchors[0].id


async def test_help_says_how(tmp_path: Path) -> None:
    code, out, err = await _smoke(tmp_path, "-h")
    assert (code, err) == (0, "")
    assert "--sandbox" in out
    assert "--message-link" in out


async def test_one_way_has_to_be_chosen(tmp_path: Path) -> None:
    code, _, err = await _smoke(tmp_path)
    assert code == 2
    assert "one of the arguments --sandbox --message-link is required" in err


async def test_the_sandbox_is_good(tmp_path: Path) -> None:
    code, out, err = await _smoke(tmp_path, "--sandbox")
    assert (code, err) == (0, ""), out
    *checks, last = out.splitlines()
    assert last == "All good."
    assert len(checks) == 27
    assert all(line.startswith("✓ ") for line in checks)
    linked = [line.partition(": ")[2] for line in checks if line.startswith("✓ Its job is linked")]
    assert [one.startswith(("https://modal.com/id/fc-", "http://127.0.0.1:")) for one in linked] == [True, True]


@pytest.mark.usefixtures("bot")
async def test_a_good_run_by_all_its_links(town: Town) -> None:
    place = await town.open("print('hello')\nraise SystemExit(3)")
    assert await town.verdict(place) is Status.FAILED
    in_thread = town.of(place)[1].id
    for link in (
        _link(town, town.general, place.room),
        _link(town, place.room),
        _link(town, place.room, in_thread),
    ):
        code, out, err = await _look(town, link)
        assert (code, err) == (0, ""), out
        assert "✓ It has one verdict, and everything agrees with it: ❌ **Failed**" in out


@pytest.mark.usefixtures("bot")
async def test_a_good_run_among_others_in_a_thread(town: Town) -> None:
    thread = town.server.start_thread(town.general, "talk", owner=town.ada)
    first = await town.open("print('hello')", channel=thread)
    assert await town.verdict(first) is Status.SUCCEEDED
    place, go = await town.hold(channel=thread)
    anchor = await _anchored_in(town, first)
    code, out, err = await _look(town, _link(town, thread, anchor))
    assert (code, err) == (0, ""), out
    assert f"✓ The link leads to a run: run #{first.number}" in out
    go()
    assert await town.verdict(place) is Status.SUCCEEDED


@pytest.mark.usefixtures("bot")
async def test_what_is_wrong_is_told(town: Town) -> None:
    place, go = await town.hold()
    spoken = (await town.ada.say(town.general, "hello")).id
    good = _link(town, town.general, place.room)
    for link, token, said in (
        (good, None, "there are 0 verdicts"),
        (good, "wrong", "Discord refuses the token"),
        (_link(town, town.general, 1), None, "the bot can't read it (Unknown Message)"),
        ("https://example.invalid/x", None, "a link looks like"),
        (_link(town, town.server.channel_id("news"), spoken), None, "the bot can't read it (Unknown Message)"),
    ):
        code, out, err = await _look(town, link, token)
        assert code == 1
        assert said in out + err
        assert "All good." not in out
        assert "Traceback" not in err
    code, _, err = await _smoke(town.folder, "--message-link", good)
    assert (code, err.splitlines()[0]) == (1, "Set DISCORD_TOKEN first, as for the bot.")
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    code, _, _ = await _look(town, good)
    assert code == 0
    town.delete(next(one for one in town.of(place) if "before" in one.content))
    code, out, _ = await _look(town, good)
    assert code == 1
    assert "✗ It has output: there is no output" in out
