"""The page and the sandbox without the bot: what is shown, live updates, the composer, small screens."""

from __future__ import annotations

import re
import time

import pytest
from browsing import PHONE, TOO_LATE_S, Alone, Visit, Visitor
from playwright.async_api import Route, expect

from cluster_sandbox.discord.interactions import Reaction
from cluster_sandbox.discord.model import Json

EVERY_KIND: Json = {
    "name": "every",
    "description": "An option of every kind",
    "type": 1,
    "options": [
        {"type": 4, "name": "whole", "description": "from 1 to 9", "required": True, "min_value": 1, "max_value": 9},
        {"type": 3, "name": "text", "description": "at most 5", "max_length": 5},
        {"type": 10, "name": "number", "description": "any"},
        {"type": 5, "name": "flag", "description": "yes or no"},
        {"type": 6, "name": "who", "description": "somebody"},
        {"type": 7, "name": "where", "description": "some place"},
        {"type": 3, "name": "one", "description": "of these", "choices": [{"name": "First", "value": "1st"}]},
    ],
}
TAKES_FILE: Json = {
    "name": "look",
    "description": "Look at a file",
    "type": 1,
    "options": [{"type": 11, "name": "file", "description": "any file", "required": True}],
}


def register(alone: Alone, *definitions: Json) -> None:
    alone.server.service.commands.overwrite(None, list(definitions))


# --- what is shown ---------------------------------------------------------------------------------------------------


async def test_markdown_as_discord_shows_it(alone: Alone, visit: Visit) -> None:
    general, you_id = alone.server.channel_id("general"), alone.server.member("you").user_id
    alone.bot_says(
        "general",
        "# Title\n-# under it\n**b** *i* _j_ __u__ ~~s~~ ***bi*** `c*d*` \\*no\\* snake_case_name\n"
        "> quoted\n- one\n  - two\n3. three\n[words](https://example.org/a) <https://example.org/b> "
        f"<@{you_id}> <#{general}>\n"
        "```py\n  x = **1**\n```\n```ansi\n\x1b[1;31mred\x1b[0m plain\n```\n[bad](javascript:alert(1))",
    )
    you = await visit(alone.server, "general")
    shown = you.message("Title")
    for selector, text in {
        "h3": "Title",
        "p.small": "under it",
        "strong >> nth=0": "b",
        "em >> nth=0": "i",
        "em >> nth=1": "j",
        "u": "u",
        "s": "s",
        "strong em": "bi",
        ".inline-code": "c*d*",
        "blockquote": "quoted",
        ".level-1": "•two",
        "pre >> nth=0": "  x = **1**",
        ".ansi-bold.ansi-text-1": "red",
        "button.pill >> nth=0": "@you",
        "button.pill >> nth=1": "#general",
    }.items():
        await expect(shown.locator(selector), selector).to_have_text(text)
    await expect(shown).to_contain_text("*no* snake_case_name")
    await expect(shown).to_contain_text("[bad](javascript:alert(1))")
    links = await shown.locator("a").evaluate_all("all => all.map(one => [one.href, one.rel])")
    assert links == [[f"https://example.org/{end}", "noopener noreferrer"] for end in "ab"]


async def test_times_tick_and_spoilers_open(alone: Alone, visit: Visit) -> None:
    alone.bot_says("general", f"since <t:{int(time.time()) - 20}:R> ||the end||")
    you = await visit(alone.server, "general")
    stamp = you.page.locator("time[data-ticks]")
    first = await stamp.text_content() or ""
    assert re.fullmatch(r"\d\d seconds ago", first)
    await expect(stamp).not_to_have_text(first)
    hidden = you.page.get_by_text("the end")
    await expect(hidden).to_be_hidden()
    await you.page.get_by_role("button", name="Spoiler").click()
    await expect(hidden).to_be_visible()


async def test_edits_and_deletions(alone: Alone, visit: Visit) -> None:
    you = await visit(alone.server, "general")
    message = alone.bot_says("general", "first words")
    await you.see("first words")
    await expect(you.page.get_by_text("(edited)")).to_have_count(0)
    alone.bot_edits(message, content="second words")
    await you.see("second words (edited)")
    await expect(you.page.get_by_text("first words")).to_have_count(0)
    alone.server.service.messaging.delete(alone.server.message(message))
    await expect(you.page.get_by_text("second words")).to_have_count(0)


async def test_a_message_that_comes_while_the_past_is_read_is_kept(alone: Alone, visit: Visit) -> None:
    alone.bot_says("news", "an old one")
    you = await visit(alone.server, "general")

    async def slowly(route: Route) -> None:
        answer = await route.fetch()
        alone.bot_says("news", "a new one")
        # The stream brings what comes after it, too.
        alone.bot_says("general", "a sign")
        await expect(you.page.get_by_role("button", name="general, 1 unread")).to_be_visible()
        await route.fulfill(response=answer)

    await you.page.route("**/page/messages?*", slowly)
    await you.page.get_by_role("button", name="news").click()
    await you.see("an old one")
    await you.see("a new one")


async def test_a_growing_text_keeps_what_is_selected_in_it(alone: Alone, visit: Visit) -> None:
    you = await visit(alone.server, "general")
    message = alone.bot_says("general", "```\nline 1\n```")
    await you.see("line 1")
    select = "code => { const r = document.createRange(); r.setStart(code.firstChild, 0); r.setEnd(code.firstChild, 6);"
    await you.page.locator("pre code").evaluate(
        select + " getSelection().removeAllRanges(); getSelection().addRange(r) }"
    )
    for count in range(2, 40):
        alone.bot_edits(message, content="```\n" + "\n".join(f"line {n}" for n in range(1, count + 1)) + "\n```")
    await you.see("line 39")
    assert await you.evaluate("() => getSelection().toString()") == "line 1"


# --- live ------------------------------------------------------------------------------------------------------------


async def test_it_comes_back_after_the_stream_was_cut(alone: Alone, visit: Visit) -> None:
    you = await visit(alone.server, "general")
    edited = alone.bot_says("general", "before")
    await you.see("before")
    for turn in range(3):
        alone.page.drop_streams()
        alone.bot_says("general", f"meanwhile {turn}")
        alone.bot_edits(edited, content=f"changed {turn}")
    await you.see("meanwhile 2")
    await you.see("changed 2")
    await expect(you.page.locator(".message")).to_have_count(4)
    await expect(you.page.locator(".connection.lost")).to_have_count(0)


async def test_it_says_that_the_connection_is_lost(alone: Alone, visit: Visit) -> None:
    you = await visit(alone.server, "general")
    await you.page.context.set_offline(True)
    alone.page.drop_streams()
    await expect(you.page.get_by_text("Connection lost")).to_be_visible()
    alone.bot_says("general", "while you were away")
    await you.page.context.set_offline(False)
    await you.see("while you were away")
    await expect(you.page.get_by_text("Connection lost")).to_be_hidden()


async def test_unread_marks_and_new_threads(alone: Alone, visit: Visit) -> None:
    you = await visit(alone.server, "general")
    news, friend = alone.server.channel_id("news"), alone.server.member("friend")
    await friend.say(news, "one")
    await friend.say(news, f"two, {alone.server.member('you').mention}")
    entry = you.page.get_by_role("navigation").get_by_role("button", name="news")
    await expect(entry).to_have_accessible_name("news, 2 unread")
    await expect(entry.locator(".unread.mention")).to_have_text("2")
    await expect(you.page).to_have_title(re.compile(r"^\(2\) #general"))
    await entry.click()
    await you.see("two, @you")
    await expect(entry).to_have_accessible_name("news")
    alone.server.start_thread(alone.server.channel_id("general"), "side talk", owner=friend)
    await you.open("side talk")
    await you.say("first!")
    await you.see("first!")


async def test_it_stays_at_the_newest_unless_one_scrolled_up(alone: Alone, visit: Visit) -> None:
    for number in range(250):
        alone.bot_says("general", f"message {number}")
    you = await visit(alone.server, "general")
    await you.see("message 249")
    assert await you.at_bottom()
    alone.bot_says("general", "newest")
    await you.see("newest")
    assert await you.at_bottom()
    scroller = you.page.locator(".scroller")
    await expect(you.page.locator(".message")).to_have_count(101)
    await you.page.get_by_text("message 225", exact=True).scroll_into_view_if_needed()
    jump = you.page.get_by_role("button", name="Newest messages")
    await expect(jump).to_be_hidden()
    read = you.page.get_by_text("message 225", exact=True)
    before = await read.bounding_box()
    alone.bot_says("general", "unseen")
    await expect(jump).to_be_visible()
    after = await read.bounding_box()
    assert before is not None and after is not None and abs(after["y"] - before["y"]) < 2
    await scroller.evaluate("scroller => { scroller.scrollTop = 10 }")
    await expect(you.page.locator(".message")).to_have_count(202)
    await scroller.evaluate("scroller => { scroller.scrollTop = 10 }")
    await expect(you.page.locator(".message")).to_have_count(252)
    shown = await you.page.locator(".message .rich").all_text_contents()
    assert shown[:250] == [f"message {number}" for number in range(250)]
    await jump.click()
    await expect(you.message("unseen")).to_be_in_viewport()


# --- writing ---------------------------------------------------------------------------------------------------------


async def test_ordinary_text_is_said(alone: Alone, visit: Visit) -> None:
    you, friend = await visit(alone.server, "general"), await visit(alone.server, "general", "friend")
    await you.text.fill("<b>two</b>")
    await you.text.press("Shift+Enter")
    await you.text.press_sequentially("lines")
    await you.text.press("Enter")
    await friend.see("<b>two</b>")
    assert [one.content for one in alone.server.messages(you.channel_id)] == ["<b>two</b>\nlines"]
    await expect(you.text).to_have_value("")
    await you.say("/nonsense here")
    await expect(you.page.get_by_role("alert")).to_contain_text("There is no command /nonsense here")
    assert len(alone.server.messages(you.channel_id)) == 1


async def test_the_palette_by_keyboard(alone: Alone, visit: Visit) -> None:
    register(alone, EVERY_KIND, TAKES_FILE)
    you = await visit(alone.server, "general")
    await expect(you.text).to_be_focused()
    await you.page.keyboard.type("/")
    options = you.page.get_by_role("option")
    await expect(options).to_have_count(2)
    await expect(options.first).to_have_attribute("aria-selected", "true")
    await you.page.keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await you.page.keyboard.press("Escape")
    await expect(options).to_have_count(0)
    await you.page.keyboard.type("/lo")
    await expect(options).to_have_count(1)
    await you.page.keyboard.press("Tab")
    form = you.page.get_by_role("form", name="Command look")
    await expect(form.get_by_role("button", name="file: choose or drop a file")).to_be_focused()
    outline = "getComputedStyle(document.querySelector('.field:focus-within')).boxShadow"
    assert await you.evaluate(f"() => {outline}") != "none"
    await you.page.keyboard.press("Escape")
    await expect(you.text).to_be_focused()


async def test_options_by_their_kinds(alone: Alone, visit: Visit) -> None:
    register(alone, EVERY_KIND)
    you = await visit(alone.server, "general")
    form = await you.begin("/every")
    whole = form.get_by_label("whole")
    problem = form.get_by_role("alert")
    await expect(whole).to_be_focused()
    await whole.press("Enter")
    await expect(problem).to_have_text("whole is required")
    for typed, said in {"1.5": "takes a whole number", "10": "takes at most 9", "0": "takes at least 1"}.items():
        await whole.fill(typed)
        await expect(problem).to_have_text(f"whole {said}")
    await whole.fill("7")
    await expect(problem).to_have_text("")
    await form.get_by_label("text").fill("too long")
    await expect(problem).to_have_text("text takes at most 5 characters")
    await form.get_by_label("text").fill("hello")
    await form.get_by_label("number").fill("-2.5")
    await form.get_by_label("flag").select_option("True")
    await form.get_by_label("who", exact=True).select_option("@friend")
    await form.get_by_label("where").select_option("#news")
    await form.get_by_label("one").select_option("First")
    await whole.press("Enter")
    await expect(form).to_be_hidden()
    server = alone.server
    (opened,) = server.service.interactions.moves
    assert opened.command_name == "every" and opened.user.name == "you"


async def test_a_dropped_file_finds_its_command(alone: Alone, visit: Visit) -> None:
    register(alone, EVERY_KIND, TAKES_FILE)
    you = await visit(alone.server, "general")
    dropped = await you.page.evaluate_handle(
        "() => { const t = new DataTransfer(); t.items.add(new File(['x'.repeat(1500)], 'a.py')); return t }"
    )
    await you.page.dispatch_event("body", "dragenter", {"dataTransfer": dropped})
    await expect(you.page.get_by_text("Drop files")).to_be_visible()
    await you.page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    await expect(you.page.get_by_text("Drop files")).to_be_hidden()
    form = you.page.get_by_role("form", name="Command look")
    await expect(form.get_by_role("button", name="file: a.py")).to_contain_text("1.5 kB")


async def test_a_bot_that_does_not_answer(alone: Alone, visit: Visit) -> None:
    register(alone, {"name": "ping", "description": "Are you there?", "type": 1})
    you = await visit(alone.server, "general")
    await expect(you.page.get_by_text("Cluster Bot is offline")).to_be_visible()
    await you.begin("/ping")
    await you.page.keyboard.press("Enter")
    await you.see("Sending /ping to Cluster Bot…")
    alone.server.clock.advance(TOO_LATE_S + 1)
    await you.see("The application did not respond")
    await you.message("did not respond").get_by_role("button", name="Dismiss").click()
    await expect(you.page.get_by_text("did not respond")).to_have_count(0)


async def test_a_bot_that_thinks_and_forgets(alone: Alone, visit: Visit) -> None:
    register(alone, {"name": "ping", "description": "Are you there?", "type": 1})
    you, friend = await visit(alone.server, "general"), await visit(alone.server, "general", "friend")
    await you.begin("/ping")
    await you.page.keyboard.press("Enter")
    await you.see("Sending /ping to Cluster Bot…")
    interactions, now = alone.server.service.interactions, alone.server.clock.now()
    interactions.respond(interactions.moves[0], Reaction.DEFER_MESSAGE, {}, at=now)
    await friend.see("Cluster Bot is thinking…")
    await expect(you.message("you used /ping")).to_contain_text("Cluster Bot is thinking…")
    alone.server.clock.advance(alone.server.policy.token_life_s + 1)
    await you.see("The application did not respond")
    await expect(you.page.get_by_text("is thinking")).to_have_count(0)
    await expect(you.page.locator(".message")).to_have_count(1)


async def test_a_channel_that_could_not_be_read_is_read_later(alone: Alone, visit: Visit) -> None:
    you = await visit(alone.server, "general")
    alone.bot_says("news", "good news")
    await you.page.context.set_offline(True)
    await you.open("news")
    await expect(you.page.get_by_role("alert")).to_contain_text("The sandbox does not answer")
    alone.page.drop_streams()
    await expect(you.page.get_by_text("Connection lost")).to_be_visible()
    await you.page.context.set_offline(False)
    await you.see("good news")


async def test_a_press_that_is_not_answered(alone: Alone, visit: Visit) -> None:
    button = {"type": 2, "style": 4, "label": "Stop", "custom_id": "stop"}
    link = {"type": 2, "style": 5, "label": "Docs", "url": "https://example.org/"}
    alone.bot_says("general", "running", components=[{"type": 1, "components": [button, link]}])
    you = await visit(alone.server, "general")
    stop = you.page.get_by_role("button", name="Stop")
    await stop.click()
    await expect(stop).to_be_disabled()
    await expect(stop).to_have_attribute("aria-busy", "true")
    alone.server.clock.advance(TOO_LATE_S + 1)
    await you.see("This interaction failed")
    await expect(stop).to_be_enabled()
    await expect(you.page.get_by_role("link", name="Docs")).to_have_attribute("href", "https://example.org/")


# --- people and places -----------------------------------------------------------------------------------------------


async def test_acting_as_somebody_else(alone: Alone, visit: Visit) -> None:
    you = await visit(alone.server, "general")
    await you.page.get_by_role("group", name="You act as").get_by_role("button", name="admin").click()
    await expect(you.page.get_by_role("button", name="admin", pressed=True)).to_be_visible()
    await you.say("from the admin")
    await expect(you.message("from the admin").locator(".name")).to_have_text("admin")
    assert [one.author.name for one in alone.server.messages(you.channel_id)] == ["admin"]


async def test_an_empty_channel_says_what_to_do(alone: Alone, visit: Visit) -> None:
    script = {**TAKES_FILE["options"][0], "name": "script"}
    local = {"type": 1, "name": "local", "description": "here", "options": [script]}
    register(alone, {"name": "run", "description": "Run", "type": 1, "options": [local]})
    you = await visit(alone.server, "general")
    await expect(you.page.get_by_role("heading", name="Welcome to #general")).to_be_visible()
    await expect(you.page.get_by_text("Type /run and attach a program")).to_be_visible()
    await you.page.get_by_role("group", name="Programs to try").get_by_role("button", name="plot.py").click()
    form = you.page.get_by_role("form", name="Command run local")
    await expect(form.get_by_role("button", name="script: plot.py")).to_be_visible()
    await expect(form.get_by_role("button", name="Send command")).to_be_focused()


async def test_a_forum(alone: Alone, visit: Visit) -> None:
    you = await visit(alone.server, "general")
    await you.open("questions")
    await you.say("How do I begin?\nI have a file.")
    await you.open("How do I begin?")
    await you.see("I have a file.")


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_a_phone(alone: Alone, visit: Visit, scheme: str) -> None:
    register(alone, EVERY_KIND)
    alone.bot_says("general", "```\n" + "wide " * 80 + "\n```\n" + "w" * 300)
    you: Visitor = await visit(alone.server, "general", viewport=PHONE, color_scheme=scheme, has_touch=True)
    nav = you.page.get_by_role("navigation")
    await expect(nav).to_be_hidden()
    await you.page.get_by_role("button", name="Channels", exact=True).tap()
    await nav.get_by_role("button", name="news").tap()
    await expect(nav).to_be_hidden()
    await expect(you.page.get_by_role("heading", level=1)).to_have_text("news")
    await you.page.go_back()
    await expect(you.page.get_by_role("heading", level=1)).to_have_text("general")
    await you.begin("/every")
    assert await you.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
