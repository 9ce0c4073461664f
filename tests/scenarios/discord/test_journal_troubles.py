"""The journal's channels when something is wrong with one of them: nothing is lost or doubled, nothing else waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from town import Town

from cluster_bot.runs.orders import Entry
from cluster_sandbox.discord import Acting
from cluster_sandbox.faults import Fault

CREATE = {"method": "POST", "route": "/channels/{channel_id}/messages"}


@pytest.fixture
def boss(town: Town) -> Acting:
    return town.server.member("owner", administrator=True)


async def order(town: Town, boss: Acting, command: str, /, **options: Any) -> None:
    """An order, which must be taken."""
    place = options.pop("place", town.general)
    answered = await (await boss.command(f"admin {command}", channel_id=place, options=options)).answered()
    assert answered.content.startswith("Done: "), answered.content


def said(town: Town, channel: int) -> list[str]:
    """The first lines of what the journal shows there."""
    return [one.content.splitlines()[0] for one in town.server.messages(channel)]


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    "trouble",
    [{"when": "after", "drop_connection": True}, {"when": "before", "drop_connection": True}, {"status": 401}],
    ids=["dropped after", "dropped before", "401"],
)
async def test_an_entry_that_cannot_be_shown_now_is_shown_later(
    town: Town, boss: Acting, trouble: dict[str, Any]
) -> None:
    log = town.server.add_channel("admins")
    await order(town, boss, "log", channel=log)
    await town.event(lambda event: event.channel_id == log and "journal be shown" in event.content)
    struck = asyncio.Event()
    town.server.faults.add(
        Fault(**CREATE, **trouble, action=lambda request: struck.set(), match=lambda request: str(log) in request.path)
    )
    await order(town, boss, "pause", why="one")
    await struck.wait()
    await order(town, boss, "resume")
    await town.event(lambda event: event.channel_id == log and "resumed" in event.content)
    assert said(town, log)[-2:] == ["**owner** paused everything (one)", "**owner** resumed everything"]


async def test_one_channel_that_takes_nothing_keeps_no_other_waiting(town: Town, boss: Acting) -> None:
    mine = town.server.add_channel("admins")
    other = town.server.add_guild("Another", "general")
    theirs = town.server.channel_id("general", guild_id=other)
    boss.join(town.server.service.world.guilds[other])
    town.server.admin.give_role(boss, "owners", ["ADMINISTRATOR"], guild_id=other)
    async with town.bot(discord_guilds=frozenset({town.server.guild_id, other})):
        town.server.faults.add(Fault(**CREATE, status=400, times=None, match=lambda request: str(mine) in request.path))
        await order(town, boss, "log", channel=mine)
        await order(town, boss, "log", channel=theirs, place=theirs)
        await order(town, boss, "pause", place=theirs)
        await town.event(lambda event: event.channel_id == theirs and "**owner** paused" in event.content)


async def test_numbers_that_were_given_before_hide_nothing(town: Town, boss: Acting) -> None:
    """As after a restore from a backup, which counts on from where it was."""
    log = town.server.add_channel("admins")
    async with town.bot():
        await order(town, boss, "log", channel=log)
        await order(town, boss, "pause", why="before")
        await town.event(lambda event: event.channel_id == log and "(before)" in event.content)
    async with town.bot(data_dir=town.folder / "restored"):
        await order(town, boss, "log", channel=log)
        await order(town, boss, "pause", why="after")
        await town.event(lambda event: event.channel_id == log and "(after)" in event.content)
        marks = [one.content.splitlines()[-1] for one in town.server.messages(log)]
        assert marks.count("-# journal 2") == 2


async def test_a_database_that_is_away_for_a_moment_ends_nothing(town: Town, boss: Acting) -> None:
    log = town.server.add_channel("admins")
    async with town.bot() as parts:
        await order(town, boss, "log", channel=log)
        await town.event(lambda event: event.channel_id == log and "journal be shown" in event.content)
        book, failed = parts.store.book, []
        unshown = book.unshown

        async def away(limit: int) -> list[Entry]:
            failed.append(limit)
            raise OSError("the database is away")

        book.unshown = away  # type: ignore[method-assign]
        await order(town, boss, "pause", why="one")
        book.unshown = unshown  # type: ignore[method-assign]
        assert failed
        await order(town, boss, "resume")
        await town.event(lambda event: event.channel_id == log and "resumed" in event.content)
        assert said(town, log)[-2:] == ["**owner** paused everything (one)", "**owner** resumed everything"]
