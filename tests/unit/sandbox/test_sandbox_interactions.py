"""Interactions over plain HTTP: three seconds, fifteen minutes, one reaction; and command definitions."""

from __future__ import annotations

import aiohttp
import pytest
from raw_bot import Api, connected

from cluster_sandbox.discord import CommandError, DiscordServer, File, Interaction, NoAnswerError, Policy
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json

PING: Json = {"name": "ping", "description": "Answers"}


async def opened(api: Api, ada: Acting) -> Interaction:
    await api.register(PING)
    return await ada.command("ping", channel_id=api.server.channel_id("general"))


async def test_one_reaction_and_no_second(api: Api, ada: Acting) -> None:
    answer = await opened(api, ada)
    status, body = await api.react(answer, {"type": 4, "data": {"content": "pong"}})
    assert status == 200 and body["resource"]["message"]["content"] == "pong"
    assert body["interaction"] == {
        "id": str(answer.id),
        "type": 2,
        "response_message_id": body["resource"]["message"]["id"],
        "response_message_loading": False,
        "response_message_ephemeral": False,
    }
    assert answer.state == "answered" and answer.content == "pong"
    status, body = await api.react(answer, {"type": 4, "data": {"content": "pong"}})
    assert (status, body["code"]) == (400, 40060)


async def test_without_asking_for_the_body_there_is_none(api: Api, ada: Acting) -> None:
    answer = await opened(api, ada)
    path = f"/interactions/{answer.id}/{answer.token}/callback"
    assert await api("POST", path, {"type": 5}) == (204, None)


@pytest.mark.parametrize("kind", [1, 6, 7, 8, 10])
async def test_a_command_takes_only_its_reactions(api: Api, ada: Acting, kind: int) -> None:
    status, body = await api.react(await opened(api, ada), {"type": kind, "data": {}})
    assert (status, body["code"]) == (400, 50035)


async def test_three_seconds(api: Api, server: DiscordServer, ada: Acting) -> None:
    answer = await opened(api, ada)
    assert await api.code("PATCH", api.hook(answer) + "/messages/@original", {"content": "x"}) == (404, 10015)
    server.clock.advance(1.5)
    assert answer.state == "waiting"
    server.clock.advance(1.6)
    assert answer.failed == "The application did not respond"
    assert (await api.react(answer, {"type": 5}))[1]["code"] == 10062
    wrong = f"/interactions/{answer.id}/wrong/callback"
    assert await api.code("POST", wrong, {"type": 5}) == (404, 10062)


async def test_fifteen_minutes(api: Api, server: DiscordServer, ada: Acting) -> None:
    answer = await opened(api, ada)
    await api.react(answer, {"type": 5, "data": {"flags": 64}})
    original = api.hook(answer) + "/messages/@original"
    assert answer.state == "deferred" and server.events[-1].loading and server.events[-1].ephemeral
    server.clock.advance(890)
    assert (await api("PATCH", original, {"content": "done"}))[0] == 200
    assert answer.state == "answered" and answer.content == "done"
    server.clock.advance(11)
    for method, path in (("PATCH", original), ("GET", original), ("POST", api.hook(answer))):
        assert await api.code(method, path, {"content": "late"}) == (401, 50027)


async def test_a_deferred_answer_that_never_comes(api: Api, server: DiscordServer, ada: Acting) -> None:
    answer = await opened(api, ada)
    await api.react(answer, {"type": 5})
    server.clock.advance(901)
    assert answer.state == "failed"


async def test_follow_ups(api: Api, server: DiscordServer, ada: Acting) -> None:
    answer = await opened(api, ada)
    await api.react(answer, {"type": 5})
    hook = api.hook(answer)
    first = (await api("POST", hook, {"content": "becomes the answer"}))[1]
    assert answer.message is not None and first["id"] == str(answer.message.id) and answer.followups == []
    second = (await api("POST", hook, {"content": "private", "flags": 64}))[1]
    assert second["flags"] & 64 and answer.followups[0].ephemeral_to == ada.user_id
    one = f"{hook}/messages/{second['id']}"
    assert (await api("GET", one))[1]["content"] == "private"
    assert (await api("PATCH", one, {"content": "changed"}))[1]["content"] == "changed"
    assert await api.code("GET", f"{hook}/messages/1") == (404, 10008)
    assert (await api("DELETE", one))[0] == 204
    assert (await api("DELETE", hook + "/messages/@original"))[0] == 204
    assert await api.code("GET", hook + "/messages/@original") == (404, 10008)
    assert server.messages(server.channel_id("general")) == []


async def test_private_answers_are_not_in_the_channel(api: Api, server: DiscordServer, ada: Acting) -> None:
    general = server.channel_id("general")
    answer = await opened(api, ada)
    button = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}
    data = {"content": "secret", "flags": 64, "components": [button]}
    made = (await api.react(answer, {"type": 4, "data": data}))[1]["resource"]["message"]
    assert (await api("GET", f"/channels/{general}/messages"))[1] == []
    assert await api.code("GET", f"/channels/{general}/messages/{made['id']}") == (404, 10008)
    with pytest.raises(Exception, match="Unknown Message"):
        await server.member("eve").press(made["id"], channel_id=general, label="Go")
    pressed = await ada.press(made["id"], channel_id=general, custom_id="go")
    await api.react(pressed, {"type": 7, "data": {"content": "pressed", "components": []}})
    assert answer.content == "pressed" and pressed.state == "answered"


async def test_a_press_taken_without_a_word(api: Api, server: DiscordServer, ada: Acting) -> None:
    general = server.channel_id("general")
    button = {"type": 2, "style": 1, "label": "Go", "custom_id": "go"}
    made = await api.send(general, "press", components=[{"type": 1, "components": [button]}])
    pressed = await ada.press(made["id"], channel_id=general, label="Go")
    assert (await api.react(pressed, {"type": 6}))[0] == 200
    await pressed.acknowledged()
    server.clock.advance(901)
    assert pressed.state == "deferred" and pressed.failed is None


async def test_what_the_gateway_sends(api: Api, server: DiscordServer, ada: Acting) -> None:
    general = server.channel_id("general")
    script = {"type": 11, "name": "script", "description": "d", "required": True}
    gpu = {"type": 3, "name": "gpu", "description": "d", "choices": [{"name": "H100", "value": "h100"}]}
    limit = {"type": 4, "name": "limit", "description": "d", "min_value": 1, "max_value": 60}
    local = {"type": 1, "name": "local", "description": "d", "options": [script, gpu, limit]}
    path = f"/applications/{server.application_id}/guilds/{server.guild_id}/commands"
    status, _ = await api("PUT", path, [{"name": "run", "description": "d", "options": [local]}])
    assert status == 200
    async with connected(server, api.session) as socket:
        options = {"script": File("a.py", b"1"), "gpu": "h100", "limit": 5}
        sent = await ada.command("run local", channel_id=general, options=options)
        data = await socket.event("INTERACTION_CREATE")
    assert data["id"] == str(sent.id) and data["attachment_size_limit"] == 10 * 1024 * 1024
    assert data["member"]["permissions"] and data["channel"]["id"] == str(general) and data["version"] == 1
    assert data["data"]["guild_id"] == str(server.guild_id)
    options = data["data"]["options"][0]["options"]
    assert [(one["name"], one["type"]) for one in options] == [("script", 11), ("gpu", 3), ("limit", 4)]
    stored = data["data"]["resolved"]["attachments"][options[0]["value"]]
    assert stored["filename"] == "a.py" and stored["size"] == 1 and stored["ephemeral"]
    async with api.session.get(stored["url"]) as response:
        assert await response.read() == b"1"
    good = {"script": File("a.py", b"1")}
    for bad in ({"gpu": "a100"}, {"limit": 61}, {"limit": "5"}, {"limit": True}):
        with pytest.raises(CommandError):
            await ada.command("run local", channel_id=general, options={**good, **bad})


async def test_commands_for_those_who_may(api: Api, server: DiscordServer, ada: Acting) -> None:
    await api.register({**PING, "default_member_permissions": str(1 << 5)})
    general = server.channel_id("general")
    assert ada.commands(general) == [] and server.member("root", administrator=True).commands(general) == ["ping"]
    assert server.member("mod", permissions=["MANAGE_GUILD"]).commands(general) == ["ping"]
    with pytest.raises(CommandError, match="no command /ping"):
        await ada.command("ping", channel_id=general)


@pytest.mark.parametrize(
    "definition",
    [
        {"name": "Ping", "description": "d"},
        {"name": "p ng", "description": "d"},
        {"name": "p" * 33, "description": "d"},
        {"name": "ping", "description": ""},
        {"name": "ping", "description": "d" * 101},
        {
            "name": "ping",
            "description": "d",
            "options": [{"type": 3, "name": f"o{n}", "description": "d"} for n in range(26)],
        },
        {
            "name": "ping",
            "description": "d",
            "options": [
                {
                    "type": 3,
                    "name": "o",
                    "description": "d",
                    "choices": [{"name": str(n), "value": str(n)} for n in range(26)],
                }
            ],
        },
        {
            "name": "ping",
            "description": "d",
            "options": [
                {"type": 3, "name": "o", "description": "d"},
                {"type": 3, "name": "p", "description": "d", "required": True},
            ],
        },
        {"name": "ping", "description": "d", "options": [{"type": 3, "name": "o", "description": "d"}] * 2},
        {"name": "ping", "description": "d", "options": [{"type": 99, "name": "o", "description": "d"}]},
    ],
)
async def test_definitions_that_are_refused(api: Api, server: DiscordServer, definition: Json) -> None:
    path = f"/applications/{server.application_id}/commands"
    assert await api.code("PUT", path, [PING, definition]) == (400, 50035)
    assert await api.code("POST", path, definition) == (400, 50035)
    assert (await api("GET", path))[1] == []


async def test_the_life_of_a_command(api: Api, server: DiscordServer) -> None:
    path = f"/applications/{server.application_id}/commands"
    status, made = await api("POST", path, PING)
    assert status == 201 and made["type"] == 1
    one = f"{path}/{made['id']}"
    assert (await api("PATCH", one, {"description": "new"}))[1]["description"] == "new"
    await api.register({**PING, "description": "newer"})
    assert (await api("GET", one))[1]["description"] == "newer"
    assert (await api("DELETE", one))[0] == 204
    assert await api.code("GET", one) == (404, 10063)
    assert await api.code("PUT", path, [PING, PING]) == (400, 50035)
    assert await api.code("GET", "/applications/1/commands") == (404, 10002)


async def test_autocomplete_without_an_answer(http: aiohttp.ClientSession) -> None:
    async with DiscordServer(policy=Policy(ack_s=0.05)) as server:
        http.headers["Authorization"] = f"Bot {server.bot_token}"
        option = {"type": 3, "name": "run", "description": "d", "autocomplete": True}
        await Api(server, http).register({"name": "cancel", "description": "d", "options": [option]})
        general = server.channel_id("general")
        with pytest.raises(NoAnswerError, match="Loading options failed"):
            await server.member("ada").autocomplete("cancel", channel_id=general, focused="run")
        with pytest.raises(CommandError, match="has no option 'ran'; it has: run"):
            await server.member("ada").autocomplete("cancel", channel_id=general, focused="ran")
