"""The control API through its client, as another process uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from raw_bot import Api
from sample_bot import SampleBot

from cluster_sandbox.discord import DiscordServer, File
from cluster_sandbox.discord.control import SandboxClient, SandboxError


@pytest.fixture
async def sandbox(server: DiscordServer) -> AsyncIterator[SandboxClient]:
    async with SandboxClient(server.url) as client:
        yield client


async def test_a_run_and_a_press(sandbox: SandboxClient, server: DiscordServer, bot: SampleBot) -> None:
    assert (await sandbox.gateway(wait=10))["ready"]
    await sandbox.wait_command("run local")
    with pytest.raises(TimeoutError, match="no command /walk"):
        await sandbox.wait_command("walk", 0.01)
    general = await sandbox.channel_id("general")
    assert "run local" in await sandbox.commands("ada", channel_id=general)
    options = {"script": File("a.py", b"print(1)")}
    sent = await sandbox.command("ada", "run local", channel_id=general, options=options)
    acknowledged = await sandbox.interaction(sent["id"], wait="acknowledged")
    assert acknowledged["state"] in ("deferred", "answered") and acknowledged["acknowledged_after"] < 3
    answer = await sandbox.interaction(sent["id"], wait="answered")
    assert answer["state"] == "answered" and answer["ephemeral"]
    last = await sandbox.wait_for(lambda event: event["content"] == "and a follow-up")
    assert [event["seq"] for event in await sandbox.events(after=last["seq"] - 1)] == [last["seq"]]
    thread = next(one for one in await sandbox.channels() if one["archived"] is False)
    _, status, lines, plot = await sandbox.messages(thread["id"])
    assert lines["history"][0]["content"] == "```\n1\n```" and "print(1)" in lines["content"]
    assert await sandbox.attachment(plot["id"]) == b"\x89PNG"
    pressed = await sandbox.press("ada", status["id"], channel_id=thread["id"], label="Cancel")
    assert (await sandbox.interaction(pressed["id"], wait="answered"))["content"] == "cancelling 7"
    choices = await sandbox.autocomplete("ada", "cancel", channel_id=general, focused="run", value="2")
    assert choices == [{"name": "run 2", "value": "2"}]
    opened = await sandbox.command("ada", "name", channel_id=general)
    assert (await sandbox.interaction(opened["id"], wait="answered"))["modal"]["title"] == "Name"
    hello = await sandbox.submit("ada", opened["id"], {"name": "Ada"})
    assert (await sandbox.interaction(hello["id"], wait="answered"))["content"] == "hello Ada"
    record = await sandbox.record()
    assert {entry["status"] for entry in record} <= {200, 201, 204}
    assert await sandbox.record(after=len(record)) == []


async def test_refusals_are_sentences(sandbox: SandboxClient, server: DiscordServer) -> None:
    general = await sandbox.channel_id("general")
    with pytest.raises(SandboxError, match="no command /run; registered: none"):
        await sandbox.command("ada", "run", channel_id=general)
    with pytest.raises(SandboxError, match="Unknown Channel") as refused:
        await sandbox.say("ada", 1, "x")
    assert refused.value.status == 404
    with pytest.raises(SandboxError, match="no interaction 5"):
        await sandbox.interaction(5)
    with pytest.raises(SandboxError, match="a fault has no speed"):
        await sandbox.add_fault(speed=1)
    with pytest.raises(KeyError):
        await sandbox.channel_id("nowhere")
    url = f"{server.url}/sandbox/members/ada/says"
    async with aiohttp.ClientSession() as session, session.post(url, json={}) as response:
        assert response.status == 400 and "channel_id" in (await response.json())["error"]


async def test_arranging(sandbox: SandboxClient, server: DiscordServer, api: Api) -> None:
    about = await sandbox.about()
    assert about["bot_token"] == server.bot_token and about["api_url"] == server.api_url
    place = await sandbox.add_channel("more")
    await sandbox.deny(place, "SEND_MESSAGES")
    assert await api.code("POST", f"/channels/{place}/messages", {"content": "x"}) == (403, 50013)
    await sandbox.allow(place, "SEND_MESSAGES")
    await sandbox.add_fault(method="POST", route="/channels/{channel_id}/messages", status=500)
    assert (await api("POST", f"/channels/{place}/messages", {"content": "x"}))[0] == 500
    await sandbox.add_fault(times=None)
    await sandbox.clear_faults()
    await api.send(place)
    before = server.clock.now()
    assert await sandbox.advance(60) >= before + 60
    assert await sandbox.gateway() == {
        "ready": False,
        "connections": 0,
        "sessions": 0,
        "logins": 0,
    }
    await sandbox.drop()
    await sandbox.drop(hard=True)
    member = await sandbox.member("root", administrator=True)
    assert member["user_id"] == str(server.member("root").user_id)
    thread = await sandbox.start_thread("ada", place, "talk")
    post = await sandbox.start_post("ada", await sandbox.channel_id("questions"), "title", "text")
    assert [(await sandbox.messages(one))[-1:] != [] for one in (thread, post)] == [False, True]
    said = await sandbox.say("ada", thread, "hello")
    assert said["author"] == "ada" and (await sandbox.messages(thread))[0]["content"] == "hello"


async def test_waiting_for_what_does_not_come(sandbox: SandboxClient, api: Api) -> None:
    assert await sandbox.events(wait=0.05) == []
    with pytest.raises(TimeoutError):
        await sandbox.wait_for(lambda event: False, timeout=0.05)
    await api.register({"name": "ping", "description": "d"})
    sent = await sandbox.command("ada", "ping", channel_id=await sandbox.channel_id("general"))
    answer = await sandbox.interaction(sent["id"], wait="answered", timeout=0.05)
    assert answer["state"] == "waiting" and answer["message"] is None


async def test_a_multipart_command(server: DiscordServer, api: Api) -> None:
    script = {"type": 11, "name": "script", "description": "d", "required": True}
    await api.register({"name": "run", "description": "d", "options": [script]})
    form = aiohttp.FormData(quote_fields=False)
    general = server.channel_id("general")
    form.add_field("payload_json", f'{{"command": "run", "channel_id": "{general}"}}')
    form.add_field("files[script]", b"print(1)", filename="a.py")
    async with api.session.post(f"{server.url}/sandbox/members/ada/commands", data=form) as response:
        assert response.status == 200 and (await response.json())["state"] == "waiting"


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
async def test_pages_from_elsewhere_are_kept_out(
    server: DiscordServer, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with http.get(f"{server.url}/sandbox", headers=headers) as response:
        assert response.status == 403 and "bot_token" not in await response.json()
