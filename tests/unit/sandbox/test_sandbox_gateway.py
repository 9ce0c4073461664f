"""The gateway spoken to directly: logins, refusals, intents, resuming."""

from __future__ import annotations

import aiohttp
import pytest
from raw_bot import Socket, connected

from cluster_sandbox.discord import DiscordServer, Policy
from cluster_sandbox.discord.members import Acting

MESSAGE_CONTENT = 1 << 15
GUILD_MESSAGES = 1 << 9


async def test_ready_and_the_guild(server: DiscordServer, ada: Acting, http: aiohttp.ClientSession) -> None:
    thread_id = server.start_thread(server.channel_id("general"), "talk", owner=ada)
    socket = await Socket.connect(http, server)
    ready = await socket.identify(server)
    assert ready["resume_gateway_url"] == server.gateway_url and ready["shard"] == [0, 1]
    assert ready["guilds"] == [{"id": str(server.guild_id), "unavailable": True}]
    assert ready["application"]["id"] == str(server.application_id)
    guild = await socket.event("GUILD_CREATE")
    assert {one["name"]: one["type"] for one in guild["channels"]} == {
        "general": 0,
        "news": 5,
        "questions": 15,
        "lounge": 2,
    }
    assert [one["id"] for one in guild["threads"]] == [str(thread_id)]
    assert {one["user"]["username"] for one in guild["members"]} == {"owner", "Cluster Bot", "ada"}
    await socket.send(1, 1)
    assert (await socket.receive())["op"] == 11
    await socket.send(8, {"guild_id": str(server.guild_id), "query": "a", "limit": 0, "nonce": "x"})
    chunk = await socket.event("GUILD_MEMBERS_CHUNK")
    assert [one["user"]["username"] for one in chunk["members"]] == ["ada"] and chunk["nonce"] == "x"
    assert server.gateway.ready.is_set() and server.gateway.connections == 1
    await socket.ws.close()


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (['{"op": 2, "d": {"token": "wrong", "intents": 0}}'], 4004),
        (['{"op": 6, "d": {"token": "wrong", "session_id": "x", "seq": 1}}'], 4004),
        (['{"op": 3, "d": {}}'], 4003),
        (["nonsense"], 4002),
        (['{"op": 1, "d": null}'] * 121, 4008),
    ],
)
async def test_closing_codes(server: DiscordServer, http: aiohttp.ClientSession, frames: list[str], code: int) -> None:
    socket = await Socket.connect(http, server)
    for frame in frames:
        await socket.ws.send_str(frame)
    assert await socket.close_code() == code
    assert not server.gateway.ready.is_set()


async def test_closing_codes_of_a_login(http: aiohttp.ClientSession) -> None:
    async with DiscordServer(policy=Policy(disallowed_intents=MESSAGE_CONTENT)) as server:
        socket = await Socket.connect(http, server)
        await socket.send(2, {"token": server.bot_token, "intents": MESSAGE_CONTENT})
        assert await socket.close_code() == 4014
        again = await Socket.connect(http, server)
        await again.identify(server, intents=0)
        await again.send(2, {"token": server.bot_token, "intents": 0})
        assert await again.close_code() == 4005


async def test_intents_decide_what_is_sent(server: DiscordServer, ada: Acting, http: aiohttp.ClientSession) -> None:
    blind, deaf = await Socket.connect(http, server), await Socket.connect(http, server)
    await blind.identify(server, intents=GUILD_MESSAGES)
    await deaf.identify(server, intents=0)
    general = server.channel_id("general")
    await ada.say(general, "unseen")
    assert (await blind.event("MESSAGE_CREATE"))["content"] == ""
    await ada.say(general, f"<@{server.bot_user_id}> seen")
    assert (await blind.event("MESSAGE_CREATE"))["content"].endswith("seen")
    await deaf.send(1, None)
    while (await deaf.receive())["op"] != 11:
        pass
    assert [one["t"] for one in deaf.seen if one["t"]] == ["READY", "GUILD_CREATE"]
    for socket in (blind, deaf):
        await socket.ws.close()


async def test_resuming(server: DiscordServer, ada: Acting, http: aiohttp.ClientSession) -> None:
    socket = await Socket.connect(http, server)
    session_id = (await socket.identify(server))["session_id"]
    await socket.event("GUILD_CREATE")
    await socket.ws.close(code=4000)
    await ada.say(server.channel_id("general"), "missed")
    resume = {"token": server.bot_token, "session_id": session_id, "seq": 2}
    back = await Socket.connect(http, server)
    await back.send(6, resume)
    missed = await back.receive()
    assert (missed["t"], missed["s"], missed["d"]["content"]) == ("MESSAGE_CREATE", 3, "missed")
    assert (await back.receive())["t"] == "RESUMED"
    await back.ws.close(code=4000)
    late = await Socket.connect(http, server)
    server.clock.advance(200)
    await late.send(6, resume)
    assert await late.receive() == {"op": 9, "d": False, "s": None, "t": None}
    await late.identify(server)
    await late.ws.close(code=1000)
    gone = await Socket.connect(http, server)
    await gone.send(6, {**resume, "session_id": "unknown"})
    assert (await gone.receive())["op"] == 9
    await gone.ws.close()


async def test_changes_are_announced(server: DiscordServer, ada: Acting, http: aiohttp.ClientSession) -> None:
    async with connected(server, http) as socket:
        server.add_channel("more")
        assert (await socket.event("CHANNEL_CREATE"))["name"] == "more"
        server.deny(server.channel_id("more"), "SEND_MESSAGES")
        changed = await socket.event("CHANNEL_UPDATE")
        assert changed["permission_overwrites"][0]["deny"] == str(1 << 11)
        server.member("eve")
        assert (await socket.event("GUILD_MEMBER_ADD"))["user"]["username"] == "eve"
        second = server.add_guild("Second")
        assert (await socket.event("GUILD_CREATE"))["id"] == str(second)
        place = server.add_channel("there", guild_id=second)
        await ada.say(place, "over here")
        assert (await socket.event("MESSAGE_CREATE"))["guild_id"] == str(second)
