"""Commands in the menu of a message: registered, offered, chosen, answered; with discord.py and without."""

from __future__ import annotations

import pytest
from raw_bot import Api, connected
from sample_bot import SampleBot

from cluster_sandbox.discord import CommandError, DiscordServer, File
from cluster_sandbox.discord.control import SandboxClient
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json

REPORT: Json = {"name": "Report Message", "type": 3}


async def test_discord_py_is_given_the_message(server: DiscordServer, bot: SampleBot, ada: Acting) -> None:
    general = server.channel_id("general")
    said = await server.member("bob").say(general, "three little words", [File("a.py", b"12345")])
    assert [one["name"] for one in ada.menu(said.id, channel_id=general)] == ["Count words"]
    answer = await (await ada.context("Count words", said.id, channel_id=general)).answered()
    assert answer.content == "3 words of bob and a.py of 5 bytes" and answer.ephemeral
    assert answer.message is not None and answer.message.type == 23


async def test_other_processes_can_choose(server: DiscordServer, bot: SampleBot) -> None:
    general = server.channel_id("general")
    async with SandboxClient(server.url) as sandbox:
        said = await sandbox.say("bob", general, "two words")
        assert await sandbox.menu("ada", said["id"], channel_id=general) == ["Count words"]
        assert "Count words" not in await sandbox.commands("ada", channel_id=general)
        opened = await sandbox.context("ada", "Count words", said["id"], channel_id=general)
        assert (await sandbox.interaction(opened["id"], wait="answered"))["content"] == "2 words of bob"


async def test_what_the_gateway_sends(api: Api, server: DiscordServer, ada: Acting) -> None:
    general = server.channel_id("general")
    path = f"/applications/{server.application_id}/guilds/{server.guild_id}/commands"
    assert (await api("PUT", path, [REPORT]))[0] == 200
    said = await server.member("bob").say(general, "rude words")
    async with connected(server, api.session) as socket:
        opened = await ada.context("Report Message", said.id, channel_id=general)
        data = (await socket.event("INTERACTION_CREATE"))["data"]
    assert (data["type"], data["name"], data["target_id"]) == (3, "Report Message", str(said.id))
    assert data["resolved"]["messages"][str(said.id)]["content"] == "rude words"
    assert data["guild_id"] == str(server.guild_id) and "options" not in data
    await api.react(opened, {"type": 4, "data": {"content": "reported"}})
    assert opened.message is not None and opened.message.interaction is not None
    assert opened.message.interaction["target_message_id"] == str(said.id)


async def test_who_is_offered_what(api: Api, server: DiscordServer, ada: Acting) -> None:
    general = server.channel_id("general")
    await api.register(REPORT | {"default_member_permissions": str(1 << 5)}, {"name": "Greet", "type": 2})
    said = await ada.say(general, "hello")
    assert ada.commands(general) == [] and ada.menu(said.id, channel_id=general) == []
    with pytest.raises(CommandError, match="there is: nothing"):
        await ada.context("Report Message", said.id, channel_id=general)
    mod = server.member("mod", permissions=["MANAGE_GUILD"])
    assert [one["name"] for one in mod.menu(said.id, channel_id=general)] == ["Report Message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "", "type": 3},
        {"name": "x" * 33, "type": 3},
        {"name": "Report", "type": 3, "description": "Tells the moderators"},
        {"name": "Report", "type": 2, "options": [{"type": 3, "name": "why", "description": "d"}]},
    ],
)
async def test_definitions_that_are_refused(api: Api, wrong: Json) -> None:
    path = f"/applications/{api.server.application_id}/commands"
    assert await api.code("PUT", path, [wrong]) == (400, 50035)


async def test_fifteen_of_a_kind(api: Api) -> None:
    path = f"/applications/{api.server.application_id}/commands"
    many = [{"name": f"Report {n}", "type": 3} for n in range(16)]
    assert (await api("PUT", path, many[:15]))[0] == 200
    assert await api.code("PUT", path, many) == (400, 30032)
