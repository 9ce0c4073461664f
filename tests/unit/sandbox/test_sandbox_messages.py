"""Messages over plain HTTP: what is refused and how, what is remembered, listed, pinged."""

from __future__ import annotations

import aiohttp
import pytest
from raw_bot import Api

from cluster_sandbox.discord import DiscordServer, Policy
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json

BUTTON: Json = {"type": 2, "style": 1, "label": "Go", "custom_id": "go"}


def row(*children: Json) -> Json:
    return {"type": 1, "components": list(children)}


@pytest.fixture
def general(server: DiscordServer) -> int:
    return server.channel_id("general")


@pytest.mark.parametrize(
    ("body", "place", "code"),
    [
        ({"content": "x" * 2001}, ["content"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": 5}, ["content"], "STRING_TYPE_CONVERT"),
        ({"content": "x", "nonce": "n" * 26}, ["nonce"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": "x", "enforce_nonce": True}, ["nonce"], "BASE_TYPE_REQUIRED"),
        ({"embeds": [{"title": "t" * 257}]}, ["embeds", "0", "title"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "d"}] * 11}, ["embeds"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "d" * 4000}] * 2}, ["embeds"], "MAX_EMBED_SIZE_EXCEEDED"),
        (
            {"embeds": [{"fields": [{"name": "", "value": "v"}]}]},
            ["embeds", "0", "fields", "0", "name"],
            "BASE_TYPE_REQUIRED",
        ),
        ({"content": "x", "components": [row(BUTTON)] * 6}, ["components"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": "x", "components": [BUTTON]}, ["components", "0", "type"], "BASE_TYPE_CHOICES"),
        ({"content": "x", "components": [row(BUTTON, BUTTON)]}, ["components"], "COMPONENT_CUSTOM_ID_DUPLICATED"),
        (
            {"content": "x", "components": [row({**BUTTON, "custom_id": "c" * 101})]},
            ["components", "0", "components", "0", "custom_id"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {"content": "x", "components": [row({**BUTTON, "label": "l" * 81})]},
            ["components", "0", "components", "0", "label"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {"content": "x", "flags": 1 << 15, "components": [{"type": 10, "content": "t"}]},
            ["content"],
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
        ),
        (
            {"flags": 1 << 15, "components": [{"type": 10, "content": "t" * 2500}] * 2},
            ["components"],
            "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
        ),
        (
            {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            ["allowed_mentions"],
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        ),
        (
            {"content": "x", "message_reference": {"message_id": "12"}},
            ["message_reference"],
            "REPLIES_UNKNOWN_MESSAGE",
        ),
    ],
)
async def test_bodies_that_are_refused(api: Api, general: int, body: Json, place: list[str], code: str) -> None:
    status, answer = await api("POST", f"/channels/{general}/messages", body)
    assert (status, answer["code"], answer["message"]) == (400, 50035, "Invalid Form Body")
    node = answer["errors"]
    for part in place:
        node = node[part]
    assert node["_errors"][0]["code"] == code
    assert api.server.messages(general) == []


async def test_errors_by_number(api: Api, server: DiscordServer, ada: Acting, general: int) -> None:
    own, hers = await api.send(general), await ada.say(general, "hers")
    messages = f"/channels/{general}/messages"
    forum, voice = server.channel_id("questions"), server.channel_id("lounge")
    spoken = await api.send(voice)
    for method, path, body, expected in (
        ("POST", messages, {"content": " "}, (400, 50006)),
        ("PATCH", f"{messages}/{own['id']}", {"content": None}, (400, 50006)),
        ("PATCH", f"{messages}/{hers.id}", {"content": "mine"}, (403, 50005)),
        ("DELETE", f"{messages}/{hers.id}", None, (403, 50013)),
        ("POST", "/channels/1/messages", {"content": "x"}, (404, 10003)),
        ("GET", f"{messages}/1", None, (404, 10008)),
        ("POST", f"/channels/{forum}/messages", {"content": "x"}, (400, 50008)),
        ("POST", f"/channels/{voice}/messages/{spoken['id']}/threads", {"name": "t"}, (400, 50024)),
        ("POST", f"/channels/{voice}/threads", {"name": "t", "type": 11}, (400, 50024)),
        ("POST", f"{messages}/{own['id']}/threads", {"name": "t" * 101}, (400, 50035)),
        ("POST", f"{messages}/{own['id']}/threads", {"name": ""}, (400, 50035)),
        ("GET", f"{messages}?limit=101", None, (400, 50035)),
        ("GET", "/guilds/1", None, (404, 10004)),
        ("GET", f"/guilds/{server.guild_id}/members/1", None, (404, 10007)),
        ("GET", "/users/1", None, (404, 10013)),
        ("PUT", f"{messages}/{own['id']}/reactions/party/@me", None, (400, 10014)),
        ("GET", "/somewhere/else", None, (404, 0)),
        ("PUT", messages, {}, (405, 0)),
    ):
        assert await api.code(method, path, body) == expected, path
    assert server.record[-2].route is None and "no route GET /somewhere/else" in (server.record[-2].error or "")
    assert await api.code("GET", "/users/@me", token="Bot wrong") == (401, 0)


async def test_bad_bodies(api: Api, general: int) -> None:
    url = f"{api.server.api_url}/channels/{general}/messages"
    async with api.session.post(url, data=b"{", headers={"Content-Type": "application/json"}) as response:
        assert (response.status, (await response.json())["code"]) == (400, 50109)
    async with api.session.post(url, data=b"x", headers={"Content-Type": "text/plain"}) as response:
        assert (response.status, (await response.json())["code"]) == (400, 50035)


async def test_files(api: Api, server: DiscordServer, general: int) -> None:
    path = f"/channels/{general}/messages"
    payload = '{"content": "two", "attachments": [{"id": 0, "description": "a plot"}]}'
    status, made = await api.upload(path, {"a b.txt": b"hello", "p.png": b"png"}, payload)
    assert status == 200
    first, second = made["attachments"]
    assert first["filename"] == "a_b.txt" and first["description"] == "a plot" and first["size"] == 5
    assert second["content_type"] == "image/png"
    assert server.attachment(made["id"], 1) == b"png"
    kept = await api("PATCH", f"{path}/{made['id']}", {"attachments": [{"id": second["id"]}]})
    assert [one["filename"] for one in kept[1]["attachments"]] == ["p.png"]
    assert (await api.upload(path, {f"{n}.txt": b"x" for n in range(11)}))[0] == 400
    for url, expected in ((first["url"], 200), (first["url"].replace("hm=", "hm=0"), 404)):
        async with api.session.get(url) as response:
            assert response.status == expected
    server.clock.advance(86_401)
    async with api.session.get(first["url"]) as response:
        assert response.status == 404


async def test_files_too_large() -> None:
    policy = Policy(file_bytes=1000, request_bytes=2000)
    async with DiscordServer(policy=policy) as server, aiohttp.ClientSession() as session:
        session.headers["Authorization"] = f"Bot {server.bot_token}"
        api = Api(server, session)
        path = f"/channels/{server.channel_id('general')}/messages"
        for files in ({"a": b"x" * 1001}, {"a": b"x" * 900, "b": b"x" * 900, "c": b"x" * 900}):
            status, answer = await api.upload(path, files)
            assert (status, answer["code"]) == (413, 40005)


async def test_a_nonce_is_remembered_for_a_while(api: Api, server: DiscordServer, general: int) -> None:
    first = await api.send(general, "one", nonce="n", enforce_nonce=True)
    again = await api.send(general, "two", nonce="n", enforce_nonce=True)
    assert (again["id"], again["content"], again["nonce"]) == (first["id"], "one", "n")
    elsewhere = await api.send(server.channel_id("news"), "two", nonce="n", enforce_nonce=True)
    unforced = await api.send(general, "three", nonce="n")
    assert len({first["id"], elsewhere["id"], unforced["id"]}) == 3
    assert [event.content for event in server.events] == ["one", "two", "three"]
    server.clock.advance(170)
    assert (await api.send(general, "four", nonce="n", enforce_nonce=True))["id"] == unforced["id"]
    server.clock.advance(11)
    assert (await api.send(general, "five", nonce="n", enforce_nonce=True))["content"] == "five"
    listed = (await api("GET", f"/channels/{general}/messages"))[1]
    assert all("nonce" not in one for one in listed)


async def test_pages_of_a_channel(api: Api, server: DiscordServer, ada: Acting, general: int) -> None:
    made = [(await ada.say(general, str(n))).id for n in range(7)]

    async def page(query: str) -> list[str]:
        status, found = await api("GET", f"/channels/{general}/messages?{query}")
        assert status == 200
        return [one["content"] for one in found]

    assert await page("") == ["6", "5", "4", "3", "2", "1", "0"]
    assert await page("limit=2") == ["6", "5"]
    assert await page(f"before={made[4]}&limit=2") == ["3", "2"]
    assert await page(f"after={made[1]}&limit=2") == ["3", "2"]
    assert await page("after=0&limit=2") == ["1", "0"]
    assert await page(f"around={made[3]}&limit=3") == ["4", "3", "2"]
    server.deny(general, "READ_MESSAGE_HISTORY")
    assert await page("") == []


async def test_who_is_pinged(api: Api, server: DiscordServer, ada: Acting, general: int) -> None:
    text = f"{ada.mention} @everyone"
    none: Json = {"parse": []}
    for content, allowed, users, everyone in (
        (text, None, [str(ada.user_id)], True),
        (text, none, [], False),
        (text, {"parse": ["users"]}, [str(ada.user_id)], False),
        (text, {"parse": [], "users": [str(ada.user_id)]}, [str(ada.user_id)], False),
        (f"`{text}` ```\n{text}\n```", None, [], False),
    ):
        fields = {} if allowed is None else {"allowed_mentions": allowed}
        made = await api.send(general, content, **fields)
        assert [one["id"] for one in made["mentions"]] == users, content
        assert made["mention_everyone"] is everyone, content
        assert server.events[-1].mention_everyone is everyone
    server.clock.advance(5)
    hers = await ada.say(general, "hello")
    reply = {"message_reference": {"message_id": str(hers.id)}}
    assert len((await api.send(general, "hi", **reply))["mentions"]) == 1
    made = await api.send(general, "hi", **reply, allowed_mentions={"parse": [], "replied_user": False})
    assert made["mentions"] == [] and made["referenced_message"]["content"] == "hello"
    server.deny(general, "MENTION_EVERYONE")
    assert (await api.send(general, "@everyone"))["mention_everyone"] is False


async def test_edits_keep_history_and_age(api: Api, server: DiscordServer, general: int) -> None:
    made = await api.send(general, "one")
    path = f"/channels/{general}/messages/{made['id']}"
    status, edited = await api("PATCH", path, {"content": "two"})
    assert status == 200 and edited["edited_timestamp"] and edited["content"] == "two"
    await api("PATCH", path, {"embeds": [{"title": "t"}]})
    message = server.message(made["id"])
    assert message.content == "two" and message.embeds[0]["title"] == "t"
    assert [one.content for one in message.history] == ["one", "two", "two"]
    server.clock.advance(3601)
    assert [(await api("PATCH", path, {"content": str(n)}))[0] for n in range(3)] == [200] * 3
    status, refused = await api("PATCH", path, {"content": "too many"})
    assert (status, refused["code"]) == (429, 30046) and refused["retry_after"] == 1.0
    assert message.content == "2"
    young = await api.send(general, "young")
    assert (await api("PATCH", f"/channels/{general}/messages/{young['id']}", {"content": "x"}))[0] == 200


async def test_permissions_in_a_channel(api: Api, server: DiscordServer, general: int) -> None:
    made = await api.send(general)
    messages = f"/channels/{general}/messages"
    server.deny(general, "SEND_MESSAGES", "CREATE_PUBLIC_THREADS", "SEND_MESSAGES_IN_THREADS")
    assert await api.code("POST", messages, {"content": "x"}) == (403, 50013)
    assert await api.code("POST", f"{messages}/{made['id']}/threads", {"name": "t"}) == (403, 50013)
    server.allow(general, "CREATE_PUBLIC_THREADS")
    thread = (await api("POST", f"{messages}/{made['id']}/threads", {"name": "t"}))[1]
    assert await api.code("POST", f"/channels/{thread['id']}/messages", {"content": "x"}) == (403, 50013)
    server.deny(general, "VIEW_CHANNEL")
    assert await api.code("GET", messages) == (403, 50001)
    assert await api.code("POST", messages, {"content": "x"}) == (403, 50001)
    with pytest.raises(ValueError, match="unknown permission 'FLY'"):
        server.deny(general, "FLY")
