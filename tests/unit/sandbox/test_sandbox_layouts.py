"""Components of version two: what may be sent, what comes back, and that their buttons can be pressed."""

from __future__ import annotations

import io
import json
from typing import Any

import discord
import pytest
from raw_bot import Api
from sample_bot import CancelButton, SampleBot

from cluster_sandbox.discord import DiscordServer
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json

V2 = 1 << 15


def text(content: str = "hello") -> Json:
    return {"type": 10, "content": content}


def button(custom_id: str = "go") -> Json:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": custom_id}


def box(*components: Json, **more: Any) -> Json:
    return {"type": 17, "components": list(components), **more}


def section(*components: Json, **more: Any) -> Json:
    return {"type": 9, "components": list(components), **more}


def gallery(*urls: str) -> Json:
    return {"type": 12, "items": [{"media": {"url": url}} for url in urls]}


PICTURE = "https://example.com/a.png"


class Report(discord.ui.LayoutView):
    """One of each, as discord.py makes them."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
        row.add_item(CancelButton(7))
        thumbnail: discord.ui.Thumbnail[Any] = discord.ui.Thumbnail("attachment://plot.png")
        log: discord.ui.File[Any] = discord.ui.File("attachment://log.txt")
        parts: list[discord.ui.Item[Any]] = [
            discord.ui.Section("all well", accessory=thumbnail),
            discord.ui.Separator(),
            discord.ui.MediaGallery(discord.MediaGalleryItem("attachment://plot.png")),
            log,
            row,
        ]
        self.add_item(discord.ui.Container(*parts, accent_color=0x00FF00))


async def test_discord_py_sends_and_reads_one_of_each(server: DiscordServer, bot: SampleBot, ada: Acting) -> None:
    general = server.channel_id("general")
    channel = bot.get_channel(general)
    assert isinstance(channel, discord.TextChannel)
    files = [discord.File(io.BytesIO(b"x"), name) for name in ("plot.png", "log.txt")]
    sent = await channel.send(view=Report(), files=files)
    (container,) = sent.components
    assert isinstance(container, discord.Container)
    kinds = [one.type.name for one in container.children]
    assert kinds == ["section", "separator", "media_gallery", "file", "action_row"]
    shown = container.children[3]
    assert isinstance(shown, discord.FileComponent) and (shown.name, shown.size) == ("log.txt", 1)
    assert shown.media.url.startswith(server.cdn_url)
    heard = await bot.hear()
    assert heard.id == sent.id and len(heard.components) == 1
    answer = await ada.press(sent.id, channel_id=general, label="Cancel")
    assert (await answer.answered()).content == "cancelling 7"


async def test_what_may_be_sent(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    await api.send(general, "", flags=V2, components=[text("x" * 4000)])
    sections = [
        section(text("a"), text("b"), text("c"), accessory=button()),
        section(text("d"), accessory={"type": 11, "media": {"url": PICTURE}}),
    ]
    await api.send(general, "", flags=V2, components=[*sections, gallery(PICTURE), {"type": 14, "spacing": 2}])
    many = [box(*[text(str(n)) for n in range(39)])]
    made = await api.send(general, "", flags=V2, components=many)
    ids = [one["id"] for one in made["components"][0]["components"]]
    assert len(set(ids)) == 39 and made["flags"] & V2


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": "both", "components": [text()]},
        {"embeds": [{"title": "both"}], "components": [text()]},
        {"components": [button()]},
        {"components": [text("")]},
        {"components": [text("x" * 2001), box(text("x" * 2000))]},
        {"components": [box(*[text(str(n)) for n in range(40)])]},
        {"components": [box()]},
        {"components": [box(box(text()))]},
        {"components": [box(text(), accent_color=1 << 24)]},
        {"components": [section(text())]},
        {"components": [section(*[text()] * 4, accessory=button())]},
        {"components": [section(button("a"), accessory=button())]},
        {"components": [section(text(), accessory=text())]},
        {"components": [gallery()]},
        {"components": [gallery(*[PICTURE] * 11)]},
        {"components": [gallery("ftp://example.com/a.png")]},
        {"components": [gallery("attachment://missing.png")]},
        {"components": [{"type": 13, "file": {"url": PICTURE}}]},
        {"components": [{"type": 13}]},
        {"components": [{"type": 14, "spacing": 3}]},
        {"components": [{"type": 1, "components": []}]},
        {"components": [{"type": 1, "components": [button()]}, section(text(), accessory=button())]},
        {"components": ["text"]},
    ],
)
async def test_what_may_not_be_sent(api: Api, server: DiscordServer, wrong: Json) -> None:
    path = f"/channels/{server.channel_id('general')}/messages"
    assert await api.code("POST", path, {"flags": V2, **wrong}) == (400, 50035)


async def test_layouts_need_the_flag(api: Api, server: DiscordServer) -> None:
    path = f"/channels/{server.channel_id('general')}/messages"
    assert await api.code("POST", path, {"components": [text()]}) == (400, 50035)


async def test_the_flag_comes_with_an_edit_and_stays(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    made = await api.send(general, "before")
    path = f"/channels/{general}/messages/{made['id']}"
    assert await api.code("PATCH", path, {"flags": V2, "components": [text()]}) == (400, 50035)
    assert (await api("GET", path))[1]["content"] == "before"
    status, changed = await api("PATCH", path, {"flags": V2, "components": [text()], "content": None})
    assert status == 200 and changed["flags"] & V2 and changed["content"] == ""
    status, changed = await api("PATCH", path, {"flags": 0, "components": [text("still")]})
    assert status == 200 and changed["flags"] & V2
    assert await api.code("PATCH", path, {"content": "back"}) == (400, 50035)
    assert await api.code("PATCH", path, {"components": []}) == (400, 50006)


async def test_a_file_that_is_shown_cannot_be_taken_away(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    shown = {"flags": V2, "components": [{"type": 13, "file": {"url": "attachment://a.txt"}}]}
    status, made = await api.upload(f"/channels/{general}/messages", {"a.txt": b"1"}, json.dumps(shown))
    assert status == 200 and made["components"][0]["name"] == "a.txt"
    path = f"/channels/{general}/messages/{made['id']}"
    assert await api.code("PATCH", path, {"attachments": []}) == (400, 50035)
    kept = {"attachments": [], "components": [text("gone")]}
    status, changed = await api("PATCH", path, kept)
    assert status == 200 and changed["attachments"] == []
