"""Threads over plain HTTP: the three ways to start one, system messages, archives, members."""

from __future__ import annotations

import aiohttp
from raw_bot import Api

from cluster_sandbox.discord import DiscordServer, Policy
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json


async def start(api: Api, channel_id: int | str, name: str = "t") -> Json:
    anchor = await api.send(channel_id, "anchor")
    status, thread = await api("POST", f"/channels/{channel_id}/messages/{anchor['id']}/threads", {"name": name})
    assert status == 201
    return dict(thread)


async def test_a_thread_from_a_message(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    thread = await start(api, general)
    anchor = (await api("GET", f"/channels/{general}/messages/{thread['id']}"))[1]
    assert anchor["thread"]["id"] == thread["id"] and anchor["flags"] & 32 and thread["type"] == 11
    path = f"/channels/{general}/messages/{thread['id']}/threads"
    assert await api.code("POST", path, {"name": "again"}) == (400, 160004)
    await api.send(thread["id"], "line")
    listed = (await api("GET", f"/channels/{thread['id']}/messages"))[1]
    assert [one["type"] for one in listed] == [0, 21]
    assert listed[1]["referenced_message"]["content"] == "anchor"
    starter = f"/channels/{thread['id']}/messages/{listed[1]['id']}"
    assert await api.code("DELETE", starter) == (403, 50021)
    assert [one["type"] for one in (await api("GET", f"/channels/{general}/messages"))[1]] == [0]
    kinds = [(event.event, event.type) for event in server.events]
    assert kinds == [("create", 0), ("thread", 0), ("create", 21), ("create", 0)]
    assert server.events[1].thread_id == int(thread["id"]) and server.events[1].content == "t"


async def test_a_thread_beside_the_messages(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    status, private = await api("POST", f"/channels/{general}/threads", {"name": "hidden"})
    assert status == 201 and private["type"] == 12 and server.messages(general) == []
    public = (await api("POST", f"/channels/{general}/threads", {"name": "seen", "type": 11}))[1]
    created = server.messages(general)[0]
    assert int(created.type) == 18 and created.content == "seen"
    assert created.reference is not None and created.reference["channel_id"] == public["id"]
    news = server.channel_id("news")
    assert await api.code("POST", f"/channels/{news}/threads", {"name": "t", "type": 11}) == (400, 50024)
    assert (await start(api, news))["type"] == 10


async def test_a_forum_post(api: Api, server: DiscordServer) -> None:
    path = f"/channels/{server.channel_id('questions')}/threads"
    status, made = await api("POST", path, {"name": "post", "message": {"content": "text"}})
    assert status == 201 and made["id"] == made["message"]["id"] and made["type"] == 11
    assert await api.code("POST", path, {"name": "post", "message": {}}) == (400, 50006)
    assert await api.code("POST", path, {"name": "post"}) == (400, 50035)
    edited = await api("PATCH", f"/channels/{made['id']}/messages/{made['id']}", {"content": "better"})
    assert edited[1]["content"] == "better"


async def test_archives(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    thread = await start(api, general)
    line = await api.send(thread["id"], "line")
    path = f"/channels/{thread['id']}"
    assert (await api("PATCH", path, {"archived": True}))[1]["thread_metadata"]["archived"]
    edit = ("PATCH", f"{path}/messages/{line['id']}", {"content": "x"})
    assert await api.code(*edit) == (400, 50083)
    archived = (await api("GET", f"/channels/{general}/threads/archived/public"))[1]
    assert [one["id"] for one in archived["threads"]] == [thread["id"]] and not archived["has_more"]
    await api.send(thread["id"], "wakes it")
    assert not (await api("GET", path))[1]["thread_metadata"]["archived"]
    assert (await api(*edit))[0] == 200
    assert await api.code("PATCH", path, {"locked": True}) == (403, 50013)
    server.grant("MANAGE_THREADS")
    assert (await api("PATCH", path, {"archived": True, "locked": True}))[0] == 200
    assert await api.code("POST", f"{path}/messages", {"content": "x"}) == (400, 50083)


async def test_a_quiet_thread_archives_itself(api: Api, server: DiscordServer) -> None:
    thread = await start(api, server.channel_id("general"))
    active = f"/guilds/{server.guild_id}/threads/active"
    assert [one["id"] for one in (await api("GET", active))[1]["threads"]] == [thread["id"]]
    server.clock.advance(4320 * 60 - 60)
    await api.send(thread["id"], "still here")
    server.clock.advance(4320 * 60 - 60)
    assert len((await api("GET", active))[1]["threads"]) == 1
    server.clock.advance(61)
    assert (await api("GET", active))[1] == {"threads": [], "members": []}


async def test_members_of_a_thread(api: Api, server: DiscordServer, ada: Acting) -> None:
    thread = await start(api, server.channel_id("general"))
    members = f"/channels/{thread['id']}/thread-members"
    assert await api.code("GET", f"{members}/{ada.user_id}") == (404, 10007)
    assert (await api("PUT", f"{members}/{ada.user_id}"))[0] == 204
    assert (await api("GET", f"{members}/{ada.user_id}"))[1]["user_id"] == str(ada.user_id)
    assert len((await api("GET", members))[1]) == 2
    assert await api.code("DELETE", f"{members}/{ada.user_id}") == (403, 50013)
    assert (await api("DELETE", f"{members}/@me"))[0] == 204
    assert len((await api("GET", members))[1]) == 1


async def test_there_is_an_end_to_threads_and_to_renaming() -> None:
    async with DiscordServer(policy=Policy(max_active_threads=1)) as server, aiohttp.ClientSession() as session:
        session.headers["Authorization"] = f"Bot {server.bot_token}"
        api = Api(server, session)
        thread = await start(api, server.channel_id("general"))
        body = {"name": "t", "type": 11}
        path = f"/channels/{server.channel_id('general')}/threads"
        assert await api.code("POST", path, body) == (400, 160006)
        names = [(await api("PATCH", f"/channels/{thread['id']}", {"name": f"n{n}"}))[0] for n in range(3)]
        assert names == [200, 200, 429]
        assert server.channel(thread["id"]).name == "n1"
