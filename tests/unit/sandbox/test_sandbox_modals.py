"""Modals: what the bot may open, what a member can fill in, and what discord.py makes of it."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from raw_bot import Api, connected
from sample_bot import SampleBot

from cluster_sandbox.discord import CommandError, DiscordServer, File, Interaction
from cluster_sandbox.discord.control import SandboxClient
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json

PING: Json = {"name": "ping", "description": "Answers"}
TEXT: Json = {"type": 4, "custom_id": "text", "style": 1}
LEGACY: Json = {"type": 1, "components": [TEXT | {"label": "Text"}]}


def label(component: Json, **more: Any) -> Json:
    return {"type": 18, "label": "Label", "component": component, **more}


def menu(count: int = 2, **more: Any) -> Json:
    options = [{"label": f"Option {n}", "value": str(n)} for n in range(count)]
    return {"type": 3, "custom_id": "menu", "options": options, **more}


def upload(**more: Any) -> Json:
    return {"type": 19, "custom_id": "files", **more}


def modal(*components: Json, **more: Any) -> Json:
    return {"type": 9, "data": {"custom_id": "form", "title": "Form", "components": list(components), **more}}


async def opened(api: Api, ada: Acting, *components: Json) -> Interaction:
    """A modal of these on the member's screen."""
    await api.register(PING)
    interaction = await ada.command("ping", channel_id=api.server.channel_id("general"))
    status, answer = await api.react(interaction, modal(*components))
    assert status == 200, answer
    return interaction


async def test_discord_py_reads_every_kind_of_field(server: DiscordServer, bot: SampleBot, ada: Acting) -> None:
    files = [File("a.py", b"123"), File("b.py", b"12345")]
    for fields, said in (
        ({"about": "me", "color": "blue", "files": files}, "me, blue, a.py of 3 bytes, b.py of 5 bytes"),
        ({"about": "I", "color": ["red"]}, "I, red"),
    ):
        asked = await (await ada.command("survey", channel_id=server.channel_id("general"))).answered()
        assert (await (await ada.submit(asked, fields)).answered()).content == said


async def test_other_processes_fill_it_in(server: DiscordServer, bot: SampleBot) -> None:
    general = server.channel_id("general")
    async with SandboxClient(server.url) as sandbox:

        async def opened() -> str:
            asked = await sandbox.command("ada", "survey", channel_id=general)
            return str((await sandbox.interaction(asked["id"], wait="answered"))["id"])

        fields = {"about": "me", "color": "red", "files": [File("a.py", b"1")]}
        sent = await sandbox.submit("ada", await opened(), fields)
        assert (await sandbox.interaction(sent["id"], wait="answered"))["content"] == "me, red, a.py of 1 bytes"
        form = aiohttp.FormData(quote_fields=False)
        data = {"interaction_id": await opened(), "fields": {"about": "you", "color": "blue"}}
        form.add_field("payload_json", json.dumps(data))
        for name in ("x.cu", "y.cu"):
            form.add_field("files[files]", b"22", filename=name)
        url = f"{server.url}/sandbox/members/ada/modals"
        async with aiohttp.ClientSession() as http, http.post(url, data=form) as response:
            sent = await response.json()
        said = (await sandbox.interaction(sent["id"], wait="answered"))["content"]
        assert said == "you, blue, x.cu of 2 bytes, y.cu of 2 bytes"


async def test_what_the_gateway_sends(api: Api, server: DiscordServer, ada: Acting) -> None:
    asked = await opened(api, ada, label(TEXT), {"type": 10, "content": "A word"}, label(upload(), id=7))
    async with connected(server, api.session) as socket:
        await ada.submit(asked, {"text": "hello", "files": File("a.py", b"1")})
        data = (await socket.event("INTERACTION_CREATE"))["data"]
    text, word, files = data["components"]
    assert data["custom_id"] == "form" and text["component"]["value"] == "hello"
    assert word == {"type": 10, "id": 2} and files["id"] == 7
    (number,) = files["component"]["values"]
    assert data["resolved"]["attachments"][number]["filename"] == "a.py"


@pytest.mark.parametrize(
    "wrong",
    [
        modal(),
        modal(*[label(TEXT | {"custom_id": str(n)}) for n in range(6)]),
        modal(label(TEXT), title="x" * 46),
        modal(label(TEXT), title=""),
        modal(label(TEXT), custom_id=""),
        modal(TEXT),
        modal({"type": 1, "components": [TEXT]}),
        modal({"type": 1, "components": [menu()]}),
        modal({"type": 1, "components": [TEXT | {"label": "x" * 46}]}),
        modal(label(TEXT), label(TEXT)),
        modal(label(TEXT, label="x" * 46)),
        modal(label(TEXT, description="x" * 101)),
        modal(label(TEXT | {"label": "twice"})),
        modal(label(TEXT | {"style": 3})),
        modal(label(TEXT | {"custom_id": ""})),
        modal(label(TEXT | {"min_length": 9, "max_length": 8})),
        modal(label(TEXT | {"max_length": 4001})),
        modal(label(TEXT | {"value": "x" * 4001})),
        modal(label(menu(26))),
        modal(label(menu(0))),
        modal(label(menu(disabled=True))),
        modal(label(menu(min_values=0))),
        modal(label(upload(max_values=11))),
        modal(label(upload(min_values=0, required=True))),
        modal(label({"type": 2, "style": 1, "label": "Go", "custom_id": "go"})),
        modal({"type": 18, "label": "Empty"}),
        modal({"type": 10, "content": ""}, label(TEXT)),
    ],
)
async def test_modals_that_are_refused(api: Api, ada: Acting, wrong: Json) -> None:
    await api.register(PING)
    interaction = await ada.command("ping", channel_id=api.server.channel_id("general"))
    status, body = await api.react(interaction, wrong)
    assert (status, body["code"]) == (400, 50035)
    assert (await api.react(interaction, modal(LEGACY, label(menu()))))[0] == 200


@pytest.mark.parametrize(
    ("component", "value", "refusal"),
    [
        (TEXT, "", "takes 1 to 4000 characters"),
        (TEXT | {"max_length": 3}, "four", "takes 1 to 3 characters"),
        (TEXT | {"min_length": 3, "required": False}, "no", "takes 3 to 4000 characters"),
        (TEXT, File("a.py", b""), "takes a text"),
        (menu(), [], "takes 1 to 1 values"),
        (menu(), ["0", "1"], "takes 1 to 1 values"),
        (menu(), "2", "takes one of"),
        (upload(), [], "takes 1 to 1 values"),
        (upload(max_values=2, min_values=2), File("a.py", b""), "takes 2 to 2 values"),
        (upload(), "a.py", "takes files"),
    ],
)
async def test_what_the_client_would_not_send(api: Api, ada: Acting, component: Json, value: Any, refusal: str) -> None:
    asked = await opened(api, ada, label(component))
    with pytest.raises(CommandError, match=refusal):
        await ada.submit(asked, {component["custom_id"]: value})
    with pytest.raises(CommandError, match="has no field 'other'"):
        await ada.submit(asked, {"other": "x"})
    with pytest.raises(CommandError, match="no modal for bob"):
        await api.server.member("bob").submit(asked, {})


async def test_what_is_not_named_stays_as_it_was_sent(api: Api, server: DiscordServer, ada: Acting) -> None:
    options = [{"label": "A", "value": "a"}, {"label": "B", "value": "b", "default": True}]
    parts = [
        label(TEXT | {"value": "said before"}),
        label(menu() | {"options": options}),
        label(upload(required=False)),
    ]
    asked = await opened(api, ada, *parts)
    async with connected(server, api.session) as socket:
        await ada.submit(asked, {})
        data = (await socket.event("INTERACTION_CREATE"))["data"]
    text, chosen, files = [one["component"] for one in data["components"]]
    assert (text["value"], chosen["values"], files["values"]) == ("said before", ["b"], [])
    assert "resolved" not in data


async def test_a_menu_under_a_message_takes_what_it_offers(api: Api, server: DiscordServer, ada: Acting) -> None:
    general = server.channel_id("general")
    made = await api.send(general, "choose", components=[{"type": 1, "components": [menu(3, max_values=2)]}])
    for values, refusal in (([], "1 to 2"), (["0", "1", "2"], "1 to 2"), (["7"], "one of"), (["0", "0"], "each value")):
        with pytest.raises(CommandError, match=refusal):
            await ada.press(made["id"], channel_id=general, custom_id="menu", values=values)
    async with connected(server, api.session) as socket:
        await ada.press(made["id"], channel_id=general, custom_id="menu", values=["2", "0"])
        assert (await socket.event("INTERACTION_CREATE"))["data"]["values"] == ["2", "0"]
