"""Who may do what where: the allow-lists, admins, staging."""

from __future__ import annotations

import asyncio
import re

import pytest
from town import HOLDING, Town

from cluster_bot.discord_bot import messages
from cluster_bot.errors import StartupError
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import CommandError, Fault
from cluster_sandbox.discord.interactions import Kind

HELLO = "print('hello')"


async def test_the_guild_allow_list(town: Town) -> None:
    """Commands are registered in allowed guilds only; where one is left over elsewhere, it is refused."""
    elsewhere = town.server.add_guild("Elsewhere")
    channel = town.server.add_channel("general", guild_id=elsewhere)
    async with town.bot(discord_guilds=frozenset({elsewhere, town.server.guild_id})):
        place = await town.open(HELLO, channel=channel)
        assert await town.verdict(place) is Status.SUCCEEDED
        held, go = await town.hold(channel=channel)
    async with town.bot():
        refused = await (await town.run(HELLO, channel=channel)).answered()
        assert (refused.content.partition(";")[0], refused.ephemeral) == (
            "This bot does not run programs in this server",
            True,
        )
        pressed = await (await town.press(held)).answered()
        assert pressed.content.startswith("This bot does not run programs in this server")
        assert len(await town.runs_of(town.ada)) == 2
        go()
        assert await town.verdict(held) is Status.SUCCEEDED


async def test_without_a_guild_list_the_commands_are_everywhere(town: Town) -> None:
    channel = town.server.add_channel("general", guild_id=town.server.add_guild("Elsewhere"))
    async with town.bot(discord_guilds=frozenset()):
        for one in (town.general, channel):
            assert {"cancel", "ping", "run local", "run paste", "runs"} <= set(town.ada.commands(one))
        assert await town.verdict(await town.open(HELLO, channel=channel)) is Status.SUCCEEDED


async def test_the_user_allow_list(town: Town) -> None:
    bob = town.server.member("bob")
    async with town.bot(discord_users=frozenset({bob.user_id})):
        refused = await (await town.run(HELLO)).answered()
        assert refused.content.startswith("You are not on the list of people who may run programs here")
        assert refused.ephemeral
        assert await town.runs_of(town.ada) == []
        assert await town.verdict(await town.open(HELLO, member=bob)) is Status.SUCCEEDED
        pong = await (await town.ada.command("ping", channel_id=town.general)).answered()
        assert pong.content.startswith("Pong:")


@pytest.mark.usefixtures("bot")
async def test_ping_counts_what_is_under_way(town: Town) -> None:
    place, go = await town.hold()
    pong = await (await town.ada.command("ping", channel_id=town.general)).answered()
    assert pong.ephemeral
    assert re.fullmatch(r"Pong: \d+ ms to Discord, 1 run\(s\) under way, launchers: local\.", pong.content)
    go()
    assert await town.verdict(place) is Status.SUCCEEDED


@pytest.mark.usefixtures("bot")
async def test_resync_is_for_admins(town: Town) -> None:
    admin = town.server.member("carol", administrator=True)
    assert "resync" not in town.ada.commands(town.general)
    assert "resync" in admin.commands(town.general)

    known = town.server.service.commands.listed(town.server.guild_id)
    resync = next(one for one in known if one["name"] == "resync")
    # Server settings can offer a command to anybody, so the bot looks for itself.
    data = {"id": resync["id"], "name": "resync", "type": 1, "options": [], "guild_id": str(town.server.guild_id)}
    channel = town.server.channel(town.general)
    opened = town.server.service.interactions.open(Kind.COMMAND, town.ada.user, channel, data, command_name="resync")
    refused = await opened.answered()
    assert refused.content.startswith("Only members who may manage this server can do that")

    done = await (await admin.command("resync", channel_id=town.general)).answered()
    assert done.content == messages.RESYNCED.format(count=len(known))
    assert done.ephemeral
    assert await town.verdict(await town.open(HELLO)) is Status.SUCCEEDED


@pytest.mark.usefixtures("bot")
async def test_cancel_is_for_the_owner_and_admins(town: Town) -> None:
    bob, admin = town.server.member("bob"), town.server.member("carol", administrator=True)
    place, _ = await town.hold()
    pressed = await (await town.press(place, bob)).answered()
    typed = await (await bob.command("cancel", channel_id=town.general, options={"run": place.number})).answered()
    for refused in (pressed, typed):
        assert refused.content.startswith(f"Run #{place.number} belongs to somebody else")
        assert refused.ephemeral
    assert await bob.autocomplete("cancel", channel_id=town.general, focused="run") == []
    offered = await admin.autocomplete("cancel", channel_id=town.general, focused="run", value="#1")
    assert offered == [{"name": f"#{place.number} program.py · running · local", "value": str(place.number)}]
    told = await (await town.press(place, admin)).answered()
    assert told.content == messages.STOP_WISHED.format(number=place.number)
    assert await town.verdict(place) is Status.CANCELLED
    assert "an admin cancelled it" in town.of(place)[-1].content
    unknown = await (await admin.command("cancel", channel_id=town.general, options={"run": 77})).answered()
    assert unknown.content.startswith("There is no run #77")


async def test_staging_says_so_and_stays_in_its_guild(town: Town) -> None:
    staging = town.server.add_guild("Staging")
    channel = town.server.add_channel("general", guild_id=staging)
    named: asyncio.Queue[str] = asyncio.Queue()
    town.server.faults.add(
        Fault(
            method="PATCH",
            route="/guilds/{guild_id}/members/@me",
            when="after",
            status=None,
            times=None,
            action=lambda request: named.put_nowait(request.body["nick"]),
        )
    )
    debug = {"discord_debug_token": town.server.bot_token, "discord_debug_cluster_staging_id": staging}
    async with town.bot(debug=True, discord_token="not this one", **debug):
        assert await asyncio.wait_for(named.get(), 60) == "Cluster Bot (Staging)"
        with pytest.raises(CommandError):
            await town.run(HELLO)
        assert "run local" in town.ada.commands(channel)
        assert await town.verdict(await town.open(HELLO, channel=channel)) is Status.SUCCEEDED
    bot = town.server.bot_user_id
    assert town.server.service.world.guilds[staging].members[bot].nick == "Cluster Bot (Staging)"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"discord_token": None}, "DISCORD_TOKEN is not set"),
        ({"discord_token": "wrong"}, "Discord refuses the token"),
        ({"discord_api_url": "http://127.0.0.1:9/api/v10"}, "No Discord answers at"),
        ({"debug": True}, "--debug needs DISCORD_DEBUG_TOKEN and DISCORD_DEBUG_CLUSTER_STAGING_ID"),
    ],
)
async def test_a_start_that_fails_says_why(town: Town, settings: dict[str, object], said: str) -> None:
    with pytest.raises(StartupError, match=re.escape(said)):
        async with town.bot(**settings):
            pass


async def test_two_bots_on_one_folder_are_one_too_many(town: Town) -> None:
    async with town.bot():
        with pytest.raises(StartupError, match="Another bot is using the data folder"):
            async with town.bot():
                pass


async def test_a_run_outlives_the_bot(town: Town) -> None:
    gate = town.folder / "go"
    async with town.bot():
        place = await town.open(HOLDING, arguments=str(gate))
        await town.line(place, "before")
    gate.touch()
    async with town.bot():
        assert await town.verdict(place) is Status.SUCCEEDED
        assert town.lines(place) == ["before", "after"]


async def test_an_admins_word_ends_at_the_border_of_their_server(town: Town) -> None:
    """Who invites the bot to a server of their own rules over nobody else's runs."""
    elsewhere = town.server.add_guild("Elsewhere")
    channel = town.server.add_channel("general", guild_id=elsewhere)
    chief = town.server.member("chief", administrator=True)
    async with town.bot(discord_guilds=frozenset({elsewhere, town.server.guild_id})):
        held, go = await town.hold(channel=channel)
        refused = await chief.command("cancel", channel_id=town.general, options={"run": held.number})
        assert "belongs to somebody else" in (await refused.answered()).content
        choices = await chief.autocomplete("cancel", channel_id=town.general, focused="run")
        assert choices == []
        go()
        assert await town.verdict(held) is Status.SUCCEEDED
