"""A bot's forms and the menu of a message on the page, with the keyboard, a mouse and a finger; no bot needed."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import PHONE, TOO_LATE_S, Alone, Visit, Visitor
from playwright.async_api import Locator, expect

from cluster_sandbox.discord.interactions import Interaction, Kind, Reaction
from cluster_sandbox.discord.model import Json

PASTE: Json = {"name": "paste", "description": "Paste code", "type": 1}
ON_MESSAGE: Json = {"name": "Run this code", "type": 3}
CODE: Json = {"type": 4, "style": 2, "custom_id": "code", "value": "print(1)", "max_length": 20, "min_length": 3}
LANGUAGE: Json = {
    "type": 3,
    "custom_id": "language",
    "placeholder": "Choose a language",
    "options": [{"label": "Python", "value": "py", "description": "3.11"}, {"label": "C++", "value": "cpp"}],
}
WHERE: Json = {
    "type": 3,
    "custom_id": "where",
    "min_values": 1,
    "max_values": 2,
    "options": [{"label": one, "value": one.lower()} for one in ("Here", "There", "Elsewhere")],
}
ARGUMENTS: Json = {"type": 4, "style": 1, "label": "Arguments", "custom_id": "arguments", "required": False}
FILES: Json = {"type": 19, "custom_id": "files", "min_values": 0, "max_values": 2, "required": False}
FORM: Json = {
    "title": "Run some code",
    "custom_id": "form:1",
    "components": [
        {"type": 18, "label": "Code", "description": "What to run", "component": CODE},
        {"type": 18, "label": "Language", "component": LANGUAGE},
        {"type": 18, "label": "Places", "component": WHERE},
        {"type": 1, "components": [ARGUMENTS]},
        {"type": 18, "label": "Files", "component": FILES},
    ],
}


async def open_form(alone: Alone, you: Visitor, form: Json = FORM) -> tuple[Interaction, Locator]:
    """Use /paste, which the bot answers with a form: what was opened, and its dialog."""
    await you.begin("/paste")
    await you.page.keyboard.press("Enter")
    opened = await alone.asked()
    alone.bot_answers(opened, Reaction.MODAL, **form)
    dialog = you.page.get_by_role("dialog", name=form["title"])
    await expect(dialog).to_be_visible()
    return opened, dialog


def values(sent: Interaction) -> dict[str, Any]:
    """What a form brought to the bot, by custom id."""
    inner = [row.get("component") or row["components"][0] for row in sent.data["components"]]
    return {one["custom_id"]: one.get("values", one.get("value")) for one in inner}


async def test_a_form_is_filled_in_and_sent(alone: Alone, visit: Visit) -> None:
    alone.server.service.commands.overwrite(None, [PASTE])
    you, friend = await visit(alone.server, "general"), await visit(alone.server, "general", "friend")
    _, dialog = await open_form(alone, you)
    code, problem = dialog.get_by_label("Code"), dialog.get_by_role("alert")
    await expect(code).to_be_focused()
    await expect(code).to_have_value("print(1)")
    await expect(code).to_have_accessible_description("What to run")
    await dialog.get_by_role("button", name="Submit").click()
    await expect(problem).to_have_text("Language is required. Places is required.")
    await dialog.get_by_label("Language").select_option("Python – 3.11")
    for name in ("Here", "There", "Elsewhere"):
        await dialog.get_by_label(name, exact=True).check()
    await expect(problem).to_have_text("Places takes at most 2 of these.")
    await dialog.get_by_label("Elsewhere").uncheck()
    await code.fill("x" * 21)
    await expect(problem).to_have_text("Code takes at most 20 characters, and this has 21.")
    await expect(dialog.get_by_text("21/20")).to_be_visible()
    await code.fill("print(2)\n")
    files = [{"name": f"{n}.h", "mimeType": "text/plain", "buffer": b"//"} for n in range(3)]
    await dialog.locator("input[type=file]").set_input_files(files)  # type: ignore[arg-type]
    await expect(problem).to_have_text("Files takes at most 2 files.")
    await dialog.get_by_role("button", name="Remove 1.h").click()
    await dialog.get_by_label("Arguments").press_sequentially("--fast")
    await you.page.keyboard.press("Enter")
    sent = await alone.asked()
    found = values(sent)
    names = [one["filename"] for one in sent.data["resolved"]["attachments"].values()]
    assert (sent.kind, sent.data["custom_id"], names) == (Kind.MODAL, "form:1", ["0.h", "2.h"])
    assert {**found, "files": len(found["files"])} == {
        "code": "print(2)\n",
        "language": ["py"],
        "where": ["here", "there"],
        "arguments": "--fast",
        "files": 2,
    }
    alone.bot_answers(sent, Reaction.MESSAGE, content="On its way.", flags=64)
    await expect(dialog).to_be_hidden()
    await you.see("On its way.")
    await expect(friend.page.get_by_role("dialog")).to_have_count(0)


async def test_what_was_written_survives_a_bot_that_does_not_answer(alone: Alone, visit: Visit) -> None:
    alone.server.service.commands.overwrite(None, [PASTE])
    you = await visit(alone.server, "general")
    only: Json = {**FORM, "components": FORM["components"][:1]}
    _, dialog = await open_form(alone, you, only)
    await dialog.get_by_label("Code").fill("mine alone")
    await you.page.keyboard.press("Control+Enter")
    await alone.asked()
    await expect(dialog.get_by_role("button", name="Submit")).to_have_attribute("aria-busy", "true")
    alone.server.clock.advance(TOO_LATE_S + 1)
    await expect(dialog.get_by_role("alert")).to_contain_text("did not respond; nothing you wrote is lost")
    await expect(dialog.get_by_label("Code")).to_have_value("mine alone")
    await you.page.route("**/modals", lambda route: route.abort())
    await dialog.get_by_role("button", name="Submit").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("The sandbox does not answer")
    await you.page.unroute("**/modals")
    await dialog.get_by_role("button", name="Submit").click()
    alone.bot_answers(await alone.asked(), Reaction.MESSAGE, content="At last.")
    await expect(dialog).to_be_hidden()
    # Escape leaves a form without a word to the bot, and the focus goes back to where one writes.
    _, dialog = await open_form(alone, you, only)
    await you.page.keyboard.press("Tab")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await you.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(you.text).to_be_focused()
    assert [one.kind for one in dict.fromkeys(alone.server.service.interactions.moves)].count(Kind.MODAL) == 2


@pytest.mark.parametrize("way", ["mouse", "keyboard", "finger"])
async def test_the_menu_of_a_message(alone: Alone, visit: Visit, way: str) -> None:
    alone.server.service.commands.overwrite(None, [ON_MESSAGE])
    said = await alone.server.member("friend").say(alone.server.channel_id("general"), "```py\nprint(1)\n```")
    options: dict[str, Any] = {"viewport": PHONE, "has_touch": True, "is_mobile": True} if way == "finger" else {}
    you = await visit(alone.server, "general", **options)
    message = you.message("print(1)")
    menu = you.page.get_by_role("menu")
    if way == "mouse":
        await message.click(button="right")
    elif way == "keyboard":
        await message.get_by_role("button", name="More").focus()
        await you.page.keyboard.press("Enter")
        await expect(menu.get_by_role("menuitem", name="Run this code")).to_be_focused()
        await you.page.keyboard.press("ArrowDown")
        await expect(menu.get_by_role("menuitem", name="Copy text")).to_be_focused()
        await you.page.keyboard.press("Escape")
        await expect(message.get_by_role("button", name="More")).to_be_focused()
        await you.page.keyboard.press("Enter")
    else:
        box = await message.locator("pre").bounding_box()
        assert box is not None
        at = {"clientX": box["x"] + 5, "clientY": box["y"] + 5, "pointerType": "touch", "bubbles": True}
        await message.locator("pre").dispatch_event("pointerdown", at)
    await menu.get_by_role("menuitem", name="Run this code").click()
    opened = await alone.asked()
    assert (opened.command_name, opened.data["target_id"]) == ("Run this code", str(said.id))
    await expect(menu).to_be_hidden()
    alone.bot_answers(opened, Reaction.MESSAGE, content="Nothing to run.")
    await expect(you.message("Nothing to run.")).to_contain_text("you used Run this code")
