"""The whole of it as a visitor meets it: the real bot, the real runner, a real browser."""

from __future__ import annotations

import re

from browsing import Visit, program
from playwright.async_api import expect

from cluster_sandbox.discord import DiscordServer

WAITS = "import threading\nprint('ready', flush=True)\nthreading.Event().wait()\n"


async def test_from_palette_to_plot(demo: DiscordServer, channel: int, visit: Visit) -> None:
    you = await visit(demo, channel)
    await you.run("plot.py", program("plot.py"))
    await you.see("Only you can see this")
    await you.enter_thread()
    await you.see("Succeeded: the program ended with exit code 0.")
    picture = you.page.get_by_role("img", name="random_walk.png")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 960
    await you.page.get_by_role("button", name="Enlarge random_walk.png").click()
    await expect(you.page.get_by_role("dialog")).to_be_visible()
    await you.page.keyboard.press("Escape")
    await expect(you.page.get_by_role("dialog")).to_be_hidden()
    assert "500 walks of 1000 steps" in await you.lines()


async def test_the_thread_fills_and_cancel_ends_it(demo: DiscordServer, channel: int, visit: Visit) -> None:
    you = await visit(demo, channel)
    await you.run("progress.py", program("progress.py"), arguments="600")
    await you.enter_thread()
    await you.see("1/600")
    before = await you.lines()
    await you.see(f"{len(before) + 2}/600")
    after = await you.lines()
    assert len(after) > len(before) and after[: len(before)] == before
    await expect(you.page.locator("time[data-ticks]").first).to_have_text(re.compile(r"seconds? ago"))
    await you.page.get_by_role("button", name="Cancel", exact=True).click()
    await you.see("is being stopped.")
    await you.see("Cancelled: its owner cancelled it.")
    await expect(you.page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()
    assert await you.at_bottom()


async def test_cancel_by_its_number(demo: DiscordServer, channel: int, visit: Visit) -> None:
    you = await visit(demo, channel)
    await you.run("waits.py", WAITS)
    await expect(you.page.locator(".thread-entry")).to_be_visible()
    form = await you.begin("/canc")
    field = form.get_by_label("run")
    choice = you.page.get_by_role("option", name="waits.py")
    await expect(choice).to_be_visible()
    await field.fill("twelve")
    await expect(you.page.get_by_text("Nothing fits.")).to_be_visible()
    await field.fill("")
    await choice.click()
    await expect(field).to_have_value(re.compile(r"#\d+ waits\.py"))
    await field.press("Enter")
    await you.enter_thread()
    await you.see("Cancelled: its owner cancelled it.")


async def test_what_is_no_program_is_refused_privately(demo: DiscordServer, channel: int, visit: Visit) -> None:
    you, friend = await visit(demo, channel), await visit(demo, channel, "friend")
    await you.run("notes.txt", "just words")
    refusal = you.message("I can't tell what notes.txt is")
    await expect(refusal).to_contain_text("Only you can see this")
    await you.say("did you see that?")
    await friend.see("did you see that?")
    await expect(friend.page.get_by_text("notes.txt")).to_have_count(0)
    await refusal.get_by_role("button", name="Dismiss message").click()
    await expect(refusal).to_be_hidden()
    await you.page.reload()
    await you.see("did you see that?")
    await expect(you.page.get_by_text("notes.txt")).to_have_count(0)


async def test_markup_that_a_program_prints_is_shown(demo: DiscordServer, channel: int, visit: Visit) -> None:
    you = await visit(demo, channel)
    lines = [
        "<script>window.hacked = 1</script>",
        "<img src=x onerror='window.hacked = 1'>",
        "[click](javascript:alert(1)) **bold** @everyone",
    ]
    name = "b_onload_alert.py"
    await you.run(name, "".join(f"print({line!r})\n" for line in lines))
    await you.enter_thread()
    await you.see("Succeeded: the program ended")
    assert await you.lines() == lines
    assert await you.evaluate("() => window.hacked") is None
    assert await you.page.locator(".message script, .message img, .message a[href^=javascript]").count() == 0


async def test_a_friend_watches_and_may_not_cancel(demo: DiscordServer, channel: int, visit: Visit) -> None:
    you, friend = await visit(demo, channel), await visit(demo, channel, "friend")
    await you.run("waits.py", WAITS)
    await friend.enter_thread()
    await friend.see("ready")
    await friend.page.get_by_role("button", name="Cancel", exact=True).click()
    await friend.see("belongs to somebody else")
    await expect(friend.page.get_by_role("button", name="Cancel", exact=True)).to_be_enabled()
    admin = await visit(demo, channel, "admin")
    await admin.enter_thread()
    await admin.page.get_by_role("button", name="Cancel", exact=True).click()
    await friend.see("Cancelled: an admin cancelled it; ask them before you run it again.")
    await expect(you.page.locator(".message").filter(has_text="Cancelled")).to_be_visible()
