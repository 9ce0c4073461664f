"""Members come and go, have roles, talk to the bot alone, bring it along; admins take things away."""

from __future__ import annotations

import pytest
from raw_bot import Api, connected
from sample_bot import SampleBot

from cluster_sandbox.discord import ApiError, CommandError, DiscordServer, File
from cluster_sandbox.discord.control import SandboxClient
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json

EVERYWHERE: Json = {
    "name": "ping",
    "description": "Answers",
    "contexts": [0, 1, 2],
    "integration_types": [0, 1],
}


class TestDirectMessages:
    async def test_discord_py_writes_and_is_used_there(self, server: DiscordServer, bot: SampleBot) -> None:
        ada = server.member("ada")
        user = await bot.fetch_user(ada.user_id)
        sent = await user.send("hello in private")
        assert sent.channel.id == ada.dm and [one.content for one in server.messages(ada.dm)] == ["hello in private"]
        assert "run local" in ada.commands(ada.dm)
        answer = await (await ada.command("name", channel_id=ada.dm)).answered()
        hello = await (await ada.submit(answer, {"name": "Ada"})).answered()
        assert hello.content == "hello Ada" and hello.channel.id == ada.dm
        words = await (await ada.context("Count words", sent.id, channel_id=ada.dm)).answered()
        assert words.content == f"3 words of {bot.user.name if bot.user else ''}"

    async def test_what_the_gateway_sends(self, api: Api, server: DiscordServer, ada: Acting) -> None:
        await api.register(EVERYWHERE)
        async with connected(server, api.session) as socket:
            await ada.command("ping", channel_id=ada.dm)
            seen = await socket.event("INTERACTION_CREATE")
        assert seen["context"] == 1 and seen["authorizing_integration_owners"] == {"0": "0"}
        assert seen["user"]["id"] == str(ada.user_id) and not {"member", "guild", "guild_id"} & set(seen)
        assert seen["channel"]["recipients"][0]["username"] == "ada"
        # Where the bot may of course write, but this is no guild's business.
        assert not int(seen["app_permissions"]) & 1 << 11

    async def test_closed_ones_take_nothing(self, api: Api, server: DiscordServer, ada: Acting) -> None:
        status, made = await api("POST", "/users/@me/channels", {"recipient_id": str(ada.user_id)})
        assert (status, made["type"], made["id"]) == (200, 1, str(ada.dm))
        path = f"/channels/{ada.dm}/messages"
        ada.close_dms()
        assert await api.code("POST", path, {"content": "hello"}) == (403, 50007)
        ada.close_dms(closed=False)
        assert (await api("POST", path, {"content": "hello"}))[0] == 200
        server.admin.kick(ada)
        assert await api.code("POST", path, {"content": "hello"}) == (403, 50278)
        ada.install()
        assert (await api("POST", path, {"content": "hello"}))[0] == 200

    async def test_threads_are_not_made_there(self, api: Api, ada: Acting) -> None:
        made = await api.send(ada.dm)
        path = f"/channels/{ada.dm}/messages/{made['id']}/threads"
        assert await api.code("POST", path, {"name": "thread"}) == (400, 50024)

    async def test_nobody_else_is_there(self, server: DiscordServer, ada: Acting) -> None:
        with pytest.raises(ApiError, match="Missing Access"):
            server.member("bob").commands(ada.dm)


class TestInstallations:
    async def test_where_a_command_is_offered(self, api: Api, server: DiscordServer, ada: Acting) -> None:
        strange = server.add_channel("general", guild_id=server.add_guild("Elsewhere", bot=False))
        group = server.add_group(ada, server.member("bob"))
        places = {"guild": server.channel_id("general"), "dm": ada.dm, "strange": strange, "group": group}
        plain: Json = {"name": "plain", "description": "d"}
        only_guilds: Json = {"name": "guilds", "description": "d", "contexts": [0]}
        old: Json = {"name": "old", "description": "d", "dm_permission": False}
        mine: Json = {"name": "mine", "description": "d", "contexts": [0, 2], "integration_types": [1]}
        await api.register(EVERYWHERE, plain, only_guilds, old, mine)

        def offered() -> dict[str, list[str]]:
            return {name: ada.commands(place) for name, place in places.items()}

        guild = ["guilds", "old", "ping", "plain"]
        assert offered() == {"guild": guild, "dm": ["ping", "plain"], "strange": [], "group": []}
        ada.install()
        assert offered() == {
            "guild": sorted([*guild, "mine"]),
            "dm": ["ping", "plain"],
            "strange": ["mine", "ping"],
            "group": ["mine", "ping"],
        }

    @pytest.mark.parametrize("where", ["strange", "group"])
    async def test_where_the_bot_is_not(self, api: Api, server: DiscordServer, ada: Acting, where: str) -> None:
        await api.register(EVERYWHERE)
        ada.install()
        guild = server.add_guild("Elsewhere", bot=False)
        strange = server.add_channel("general", guild_id=guild)
        place = strange if where == "strange" else server.add_group(ada)
        async with connected(server, api.session) as socket:
            said = await ada.say(place, "the bot does not hear this")
            opened = await ada.command("ping", channel_id=place)
            seen = await socket.event("INTERACTION_CREATE")
            assert all(frame["t"] != "MESSAGE_CREATE" for frame in socket.seen)
        assert seen["context"] == (0 if where == "strange" else 2)
        assert seen["authorizing_integration_owners"] == {"1": str(ada.user_id)}
        assert int(seen["app_permissions"]) & 1 << 15 and not int(seen["app_permissions"]) & 1 << 11
        assert await api.code("POST", f"/channels/{place}/messages", {"content": "x"}) == (403, 50001)
        assert await api.code("GET", f"/channels/{place}/messages/{said.id}") == (403, 50001)
        assert await api.code("GET", f"/guilds/{guild}") == (403, 50001)
        assert await api.code("PUT", f"/applications/{server.application_id}/guilds/{guild}/commands", []) == (
            403,
            50001,
        )
        await api.react(opened, {"type": 4, "data": {"content": "pong"}})
        for number in range(5):
            assert (await api("POST", api.hook(opened), {"content": f"{number}"}))[0] == 200
        assert (await api("POST", api.hook(opened), {"content": "one too many"}))[0] == 400
        assert len(server.messages(place)) == 7

    @pytest.mark.parametrize("wrong", [{"contexts": [3]}, {"contexts": []}, {"integration_types": [0, 0]}])
    async def test_definitions_that_are_refused(self, api: Api, wrong: Json) -> None:
        path = f"/applications/{api.server.application_id}/commands"
        assert await api.code("PUT", path, [EVERYWHERE | wrong]) == (400, 50035)


class TestMembers:
    async def test_one_leaves_and_comes_back(self, api: Api, server: DiscordServer) -> None:
        general, bob = server.channel_id("general"), server.member("bob")
        thread = server.start_thread(general, "talk", owner=bob)
        async with connected(server, api.session) as socket:
            server.admin.kick(bob)
            assert (await socket.event("THREAD_MEMBERS_UPDATE"))["removed_member_ids"] == [str(bob.user_id)]
            assert (await socket.event("GUILD_MEMBER_REMOVE"))["user"]["username"] == "bob"
        path = f"/channels/{thread}/thread-members/{bob.user_id}"
        assert await api.code("PUT", path) == (404, 10007)
        assert server.member("bob") is bob
        with pytest.raises(CommandError, match="bob is no member of Sandbox"):
            await bob.say(general, "still here")
        server.admin.rejoin(bob)
        assert (await bob.say(general, "back")).author is bob.user
        assert (await api("PUT", path))[0] == 204

    async def test_roles_come_with_what_a_member_does(self, api: Api, server: DiscordServer, ada: Acting) -> None:
        await api.register(EVERYWHERE)
        role = server.admin.give_role(ada, "researchers")
        assert server.admin.give_role(server.member("bob"), "researchers") == role
        async with connected(server, api.session) as socket:
            await ada.command("ping", channel_id=server.channel_id("general"))
            assert (await socket.event("INTERACTION_CREATE"))["member"]["roles"] == [str(role)]
            server.admin.take_role(ada, "researchers")
            assert (await socket.event("GUILD_MEMBER_UPDATE"))["roles"] == []
        with pytest.raises(ValueError, match="ada has no role 'researchers'"):
            server.admin.take_role(ada, "researchers")


class TestAdmins:
    async def test_a_thread_is_archived_locked_and_deleted(self, api: Api, server: DiscordServer) -> None:
        made = await api.send(server.channel_id("general"))
        start = f"/channels/{made['channel_id']}/messages/{made['id']}/threads"
        thread = (await api("POST", start, {"name": "run"}))[1]["id"]
        server.admin.archive(thread)
        await api.send(thread, "opens it again")
        server.admin.archive(thread, locked=True)
        assert await api.code("POST", f"/channels/{thread}/messages", {"content": "x"}) == (400, 50083)
        server.admin.change_thread(thread, archived=False, locked=False)
        said = await api.send(thread, "open again")
        server.admin.delete_message(thread, said["id"])
        assert await api.code("GET", f"/channels/{thread}/messages/{said['id']}") == (404, 10008)
        async with connected(server, api.session) as socket:
            server.admin.delete_thread(thread)
            assert (await socket.event("THREAD_DELETE"))["id"] == thread
        assert await api.code("GET", f"/channels/{thread}") == (404, 10003)
        assert (await api("GET", f"/channels/{made['channel_id']}/messages/{made['id']}"))[1]["flags"] == 0
        with pytest.raises(ValueError, match="is no thread"):
            server.admin.delete_thread(made["channel_id"])


async def test_other_processes_can_do_all_of_it(server: DiscordServer, bot: SampleBot) -> None:
    async with SandboxClient(server.url) as sandbox:
        general = await sandbox.channel_id("general")
        roles = await sandbox.roles("bob", give=["researchers"])
        assert list(roles) == ["researchers"] and await sandbox.roles("bob", take=["researchers"]) == {}
        direct = await sandbox.dm("bob", closed=True)
        assert "run local" in await sandbox.commands("bob", channel_id=direct)
        await sandbox.dm("bob", closed=False)
        await sandbox.install("bob")
        elsewhere = await sandbox.add_guild("Elsewhere", "general", bot=False)
        assert await sandbox.commands("bob", channel_id=elsewhere["channels"]["general"]) == []
        assert await sandbox.commands("bob", channel_id=await sandbox.add_group("ada", "bob")) == []
        opened = await sandbox.command(
            "bob", "run local", channel_id=general, options={"script": File("a.py", b"print()")}
        )
        await sandbox.interaction(opened["id"], wait="answered")
        (thread,) = [one["id"] for one in await sandbox.channels() if one["archived"] is not None]
        await sandbox.change_thread(thread, archived=True, locked=True)
        assert server.threads()[0].thread is not None and server.threads()[0].thread.locked
        said = await sandbox.messages(thread)
        await sandbox.delete_message(thread, said[-1]["id"])
        assert len(await sandbox.messages(thread)) == len(said) - 1
        await sandbox.delete_thread(thread)
        assert server.threads() == []
        await sandbox.leave("bob")
        with pytest.raises(Exception, match="bob is no member"):
            await sandbox.say("bob", general, "still here")
        await sandbox.rejoin("bob")
        await sandbox.say("bob", general, "back")
