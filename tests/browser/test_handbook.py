"""docs/discord.md says what the bot does in Discord: its text, its tables and its pictures are made here, or compared.

`script/discord_docs.py` runs these tests with CLUSTER_DISCORD_DOCS=1, and then they write what they otherwise compare.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping

import handbook
import handbook_scenes
import pytest
import pytest_asyncio
from browsing import PROGRAMS, ROOT
from playwright.async_api import Browser

import warm
from cluster_bot.demo import bot_process
from cluster_bot.demo.github import demo_github, github_settings
from cluster_bot.demo.modal import demo_modal, modal_settings
from cluster_bot.demo.page import furnish
from cluster_bot.runs.refusals import SENTENCES, Refusal
from cluster_sandbox.discord import DiscordServer
from cluster_sandbox.discord.components import walk
from cluster_sandbox.discord.model import Json

WRITE = os.environ.get("CLUSTER_DISCORD_DOCS", "") not in ("", "0")
PAGE = ROOT / "docs" / "discord.md"
FOLDER = ROOT / "docs" / "discord"
MANIFEST = FOLDER / "pictures.json"
MOST_BYTES = 2_500_000
MEND = f"run {handbook.COMMAND}"
"""What every failure here ends with."""
REFUSALS = (Refusal.NOT_YOURS, Refusal.NOT_SHOWN_HERE, Refusal.ADMINS_ONLY)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def everything(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DiscordServer]:
    """The page and the real bot, with every launcher switched on and its commands registered for all servers."""
    if not PROGRAMS.exists():
        pytest.skip(f"{PROGRAMS.parents[1].name} is missing; script/test makes it")
    server = DiscordServer()
    folder = tmp_path_factory.mktemp("everything")
    # No programs to try: the pictures show what a server of one's own looks like.
    furnish(server, folder)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # pytest keeps them from the user that programs run as
    async with demo_github(PROGRAMS) as github, demo_modal(PROGRAMS) as modal, server:
        settings = github_settings(github, public=True) | modal_settings(modal)
        settings |= {"LOCAL_PYTHON": str(PROGRAMS), "DISCORD_GUILDS": ""}
        settings |= {"DISCORD_OPERATORS": str(server.member("admin").user_id)}
        bot_process.PYTHON = warm.python()
        async with bot_process.started_bot(server, folder, settings):
            await server.wait_command("run auto", 60)
            await server.wait_command("ping", 60)
            yield server


@pytest.fixture
def found(everything: DiscordServer) -> list[handbook.Command]:
    """What the bot has registered."""
    return handbook.commands(everything.service.commands.listed(None))


def pictures() -> dict[str, Json]:
    """The manifest: what was seen when each picture was taken."""
    return dict(json.loads(MANIFEST.read_text(encoding="utf-8"))) if MANIFEST.exists() else {}


def lines(told: Mapping[str, Json]) -> list[str]:
    """What is compared of pictures, a line each."""
    return [f"{name}: {line}" for name, one in told.items() for line in (one["of"], one["alt"], *one["text"])]


async def refused(server: DiscordServer, name: str, who: str, where: int, run: int) -> bool:
    """Whether a member is refused a command on somebody else's run."""
    opened = await server.member(who).command(name, channel_id=where, options={"run": _typed(server, name, run)})
    await opened.answered(30)
    sentences = [SENTENCES[one].format(number=run) for one in REFUSALS]
    return opened.content in sentences


def _typed(server: DiscordServer, name: str, run: int) -> int | str:
    """A run's number in the kind that the option has."""
    command = next(one for one in server.service.commands.listed(None) if one["name"] == name)
    kind = next(one["type"] for one in command["options"] if one["name"] == "run")
    return run if kind == 4 else str(run)


async def check_who_may_use_what(everything: DiscordServer, found: list[handbook.Command]) -> None:
    """Try every command that names a run as its owner, an admin, and somebody else, where it is shown and elsewhere."""
    assert set(handbook.OF_RUNS) == {one.name for one in found if one.names_a_run}
    stage = handbook_scenes.Stage(None, everything, None)  # type: ignore[arg-type]
    shown, run = await stage.ran()
    elsewhere = everything.add_channel("elsewhere")
    for name, who in handbook.OF_RUNS.items():
        assert await refused(everything, name, "friend", elsewhere, run), f"/{name} is open to all"
        assert await refused(everything, name, "friend", shown, run) == (who is handbook.Who.OWNER), name
        for entitled in ("you", "admin"):
            assert not await refused(everything, name, entitled, elsewhere, run), f"/{name} is closed to {entitled}"


def pressed(server: DiscordServer) -> set[tuple[str, str]]:
    """Every button that was shown to anybody: how its custom id begins, and its label."""
    messages = [one for place in server.service.world.messages.values() for one in place.values()]
    parts = [part for one in messages for version in one.history for part in walk(list(version.components))]
    return {(one["custom_id"].partition(":")[0], one["label"]) for one in parts if one["type"] == 2}


@pytest.mark.slow
@pytest.mark.timeout(400)  # some thirty pictures, for each of which somebody does something
async def test_each_command_looks_as_its_pictures_show(
    everything: DiscordServer, found: list[handbook.Command], browser: Browser
) -> None:
    names = [one.name for one in found]
    for name in names:
        assert name in handbook_scenes.SCENES, f"No picture scene is written for {name}; add one to handbook_scenes.py."
    surplus = sorted(set(handbook_scenes.SCENES) - set(names))
    assert not surplus, f"There are scenes for what the bot has not: {', '.join(surplus)}; take them out."
    FOLDER.mkdir(exist_ok=True)
    stage = handbook_scenes.Stage(browser, everything, FOLDER if WRITE else None)
    await handbook_scenes.all_of(stage, names)
    assert pressed(everything) == {(one.word, label) for one in handbook.BUTTONS for label in one.labels}
    if WRITE:
        for path in FOLDER.glob("*.png"):
            if path.stem not in stage.pictures:
                path.unlink()
        MANIFEST.write_text(json.dumps(stage.pictures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    changes = list(difflib.unified_diff(lines(pictures()), lines(stage.pictures), "recorded", "seen", lineterm="", n=1))
    assert not changes, "\n".join([f"The pictures in docs/discord show something else by now: {MEND}", *changes])


@pytest.mark.slow  # where another worker than that of the test above takes it, that one starts such a bot again
async def test_the_page_is_what_the_bot_registered(everything: DiscordServer, found: list[handbook.Command]) -> None:
    text = handbook.page(found, pictures())
    if WRITE:
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, f"docs/discord.md is not what the bot registers: {MEND}"
    shown = {one["of"] for one in pictures().values()}
    missing = [one.shown for one in found if one.name not in shown]
    assert not missing, f"There is no picture of {', '.join(missing)}: {MEND}"
    # One bot for this too, as each worker that runs tests of this file starts its own.
    await check_who_may_use_what(everything, found)


def test_every_picture_is_there_and_is_the_one_that_was_taken() -> None:
    told = pictures()
    files = {path.stem: path.read_bytes() for path in FOLDER.glob("*.png")}
    assert {name: hashlib.sha256(data).hexdigest() for name, data in files.items()} == {
        name: one["sha256"] for name, one in told.items()
    }, f"The pictures are not those of the manifest: {MEND}"
    assert sum(map(len, files.values())) < MOST_BYTES
