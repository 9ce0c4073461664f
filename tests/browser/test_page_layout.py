"""Menus in messages, messages laid out as a whole, colours, several files, direct messages: the page without a bot."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from browsing import PHONE, TOO_LATE_S, Alone, Visit
from playwright.async_api import expect

from cluster_sandbox.discord.interactions import Reaction
from cluster_sandbox.discord.limits import Upload
from cluster_sandbox.discord.model import Json

LAYOUT = 1 << 15
ESCAPE = "\x1b["
# Discord's, of old Solarized's: text 30-37, then ground 40-47.
TEXT = ("#4f545c", "#dc322f", "#859900", "#b58900", "#268bd2", "#d33682", "#2aa198", "#ffffff")
GROUND = ("#002b36", "#cb4b16", "#586e75", "#657b83", "#839496", "#6c71c4", "#93a1a1", "#fdf6e3")


def png() -> bytes:
    """A picture of one point."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\x20\x80\xff")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def words(text: str) -> Json:
    return {"type": 10, "content": text}


def button(label: str, **more: Any) -> Json:
    return {"type": 2, "style": 2, "label": label, "custom_id": label.lower(), **more}


def menu(name: str, most: int) -> Json:
    options = [{"label": one, "value": one.lower(), "description": f"a {one}"} for one in ("T4", "L4", "H100")]
    bounds = {"min_values": 1, "max_values": most}
    return {"type": 3, "custom_id": name, "placeholder": f"Choose for {name}", "options": options, **bounds}


RUNS: Json = {
    "type": 17,
    "accent_color": 0x4FD1BD,
    "components": [
        words("### Your runs"),
        {"type": 14, "divider": True, "spacing": 1},
        {"type": 9, "components": [words("**#12** running")], "accessory": button("Again")},
        {
            "type": 9,
            "components": [words("**#11** done")],
            "accessory": {"type": 11, "media": {"url": "attachment://a.png"}, "description": "Its plot"},
        },
        {"type": 12, "items": [{"media": {"url": "attachment://a.png"}}]},
        {"type": 13, "file": {"url": "attachment://log.txt"}},
        {"type": 1, "components": [menu("one", 1)]},
        {"type": 1, "components": [menu("two", 2)]},
        {"type": 1, "components": [button("Previous", disabled=True), button("Next", style=1)]},
    ],
}


async def test_a_message_that_is_laid_out(alone: Alone, visit: Visit) -> None:
    service, general = alone.server.service, alone.server.channel_id("general")
    files = {0: Upload("a.png", png(), ""), 1: Upload("log.txt", b"hello", "")}
    data: Json = {"components": [RUNS], "flags": LAYOUT, "attachments": [{"id": 0}, {"id": 1}]}
    place = service.world.channel(general)
    message = service.messaging.create(place, service.world.bot, data, files)
    you = await visit(alone.server, "general")
    shown = you.message("Your runs")
    await expect(shown.get_by_role("heading", name="Your runs")).to_be_visible()
    await expect(shown.locator(".accent rect")).to_have_attribute("fill", "#4fd1bd")
    await expect(shown.locator(".section", has_text="#12").get_by_role("button", name="Again")).to_be_visible()
    await expect(shown.get_by_role("img", name="Its plot")).to_be_visible()
    await expect(shown.locator(".gallery img")).to_have_attribute("alt", "a.png")
    await expect(shown.get_by_role("link", name="log.txt 5 B")).to_be_visible()
    await expect(shown.locator(".separator.line")).to_have_count(1)
    await expect(shown.get_by_role("button", name="Previous")).to_be_disabled()
    # One choice is sent as it is made, several by a button.
    await shown.get_by_role("combobox", name="Choose for one").select_option("L4 – a L4")
    chosen = await alone.asked()
    assert (chosen.data["custom_id"], chosen.data["values"]) == ("one", ["l4"])
    await expect(shown.get_by_role("combobox", name="Choose for one")).to_be_disabled()
    alone.bot_answers(chosen, Reaction.DEFER_UPDATE)
    await expect(shown.get_by_role("combobox", name="Choose for one")).to_be_enabled()
    await shown.get_by_text("Choose for two").click()
    for name in ("T4", "L4", "H100"):
        await shown.get_by_label(f"{name} – a {name}").check()
    await shown.get_by_role("button", name="Choose").click()
    await expect(you.page.get_by_role("alert")).to_have_text("Choose at most 2.")
    await shown.get_by_label("L4 – a L4").uncheck()
    await shown.get_by_role("button", name="Choose").click()
    chosen = await alone.asked()
    assert chosen.data["values"] == ["t4", "h100"]
    alone.server.clock.advance(TOO_LATE_S + 1)
    await expect(shown).to_contain_text("This interaction failed")
    await shown.get_by_role("button", name="Next").click()
    fresh = {**RUNS, "components": [words("### Page two"), {"type": 1, "components": [button("Previous")]}]}
    alone.bot_answers(await alone.asked(), Reaction.UPDATE, components=[fresh], flags=LAYOUT)
    await expect(you.message("Page two").get_by_role("button", name="Previous")).to_be_enabled()
    await expect(you.message("Page two")).to_contain_text("(edited)")
    assert message.content == ""


async def test_terminal_colours_are_discords_and_fit_a_phone(alone: Alone, visit: Visit) -> None:
    lines = [f"{ESCAPE}{n + 30}mtext{n}{ESCAPE}0m {ESCAPE}{n + 40}mground{n}{ESCAPE}0m" for n in range(8)]
    lines += [f"{ESCAPE}1;4mboth{ESCAPE}0m {ESCAPE}2Jcleared", "wide " * 60]
    alone.bot_says("general", "```ansi\n" + "\n".join(lines) + "\n```")
    you = await visit(alone.server, "general", viewport=PHONE, has_touch=True)
    code = you.message("text0").locator("code")
    seen = "(all, name) => all.map(one => getComputedStyle(one)[name])"
    for kind, name, wanted in (("text", "color", TEXT), ("ground", "backgroundColor", GROUND)):
        colours = [tuple(int(one[at : at + 2], 16) for at in (1, 3, 5)) for one in wanted]
        spans = code.locator("span", has_text=kind)
        assert await spans.evaluate_all(seen, name) == [f"rgb{one}" for one in colours]
    both = code.get_by_text("both", exact=True)
    assert await both.evaluate_all(seen, "fontWeight") == ["700"]
    assert await both.evaluate_all(seen, "textDecorationLine") == ["underline"]
    await expect(code).to_contain_text("both cleared")
    assert await code.evaluate("code => code.parentElement.scrollWidth <= code.parentElement.clientWidth")


async def test_several_files_go_into_several_options(alone: Alone, visit: Visit) -> None:
    names = ("script", "file2", "file3")
    options = [{"type": 11, "name": one, "description": "a file", "required": one == "script"} for one in names]
    alone.server.service.commands.overwrite(
        None, [{"name": "run", "description": "Run", "type": 1, "options": options}]
    )
    you = await visit(alone.server, "general")
    form = await you.begin("/run")
    files: list[Any] = [{"name": f"{n}.py", "mimeType": "text/plain", "buffer": b"1"} for n in range(4)]
    chooser = form.locator("input[type=file]").first
    await chooser.set_input_files(files[:2])
    for option, shown in zip(names, ("0.py", "1.py", "choose or drop a file"), strict=True):
        await expect(form.get_by_role("button", name=f"{option}: {shown}")).to_be_visible()
    drop = "names => { const t = new DataTransfer(); for (const n of names) t.items.add(new File(['1'], n)); return t }"
    dropped = await you.page.evaluate_handle(drop, ["2.py", "3.py"])
    await you.page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    await expect(form.get_by_role("button", name="file3: 2.py")).to_be_visible()
    await expect(form.get_by_role("alert")).to_have_text("/run takes at most 3 files.")
    await form.get_by_role("button", name="Remove the file of file2").click()
    await expect(form.get_by_role("alert")).to_have_text("")
    await form.get_by_role("button", name="Send command").click()
    sent = await alone.asked()
    assert [one["name"] for one in sent.data["options"]] == ["script", "file3"]


async def test_direct_messages_and_places_that_are_closed(alone: Alone, visit: Visit) -> None:
    server, member = alone.server, alone.server.member("you")
    server.deny(server.channel_id("news"), "SEND_MESSAGES", member=member)
    conversation = server.service.world.direct_channel(member.user)
    you, friend = await visit(server, "news"), await visit(server, "general", "friend")
    closed = you.page.get_by_text("You do not have permission to send messages here.")
    await expect(closed).to_be_visible()
    await expect(you.text).to_be_hidden()
    await you.open("Cluster Bot")
    await expect(closed).to_be_hidden()
    await expect(you.page.get_by_text("nobody else sees them")).to_be_visible()
    await you.say("just between us")
    await you.see("just between us")
    alone.bot_says(conversation.id, "Your run has ended.")
    await you.see("Your run has ended.")
    await friend.open("Cluster Bot")
    await expect(friend.page.locator(".message")).to_have_count(0)
    # A permission that comes back is seen at once.
    await you.open("news")
    await expect(closed).to_be_visible()
    server.allow(server.channel_id("news"), "SEND_MESSAGES", member=member)
    await expect(closed).to_be_hidden()
    await you.say("now it is open")
    await you.see("now it is open")
