"""A first visit, from the empty channel to the plot, on a demo of its own; CLUSTER_SCREENSHOTS=1 keeps how it looked.

The pictures go to docs/screenshots and into the README, so they show what a visitor gets, and nothing staged.
"""

from __future__ import annotations

import os

import pytest
from browsing import ROOT, Demo, Visit, Visitor
from playwright.async_api import expect

KEEP = os.environ.get("CLUSTER_SCREENSHOTS", "") not in ("", "0")
FOLDER = ROOT / "docs" / "screenshots"


async def picture(visitor: Visitor, name: str) -> None:
    """Where it is asked for, keep what is seen."""
    await visitor.page.mouse.move(2, 2)
    if KEEP:
        await visitor.page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


async def try_sample(visitor: Visitor, name: str, arguments: str = "") -> None:
    """Take one of the offered programs and send it."""
    await visitor.page.get_by_role("group", name="Programs to try").get_by_role("button", name=name).click()
    form = visitor.page.get_by_role("form", name="Command run local")
    await expect(form.get_by_role("button", name=f"script: {name}")).to_be_visible()
    if arguments:
        await form.get_by_label("arguments").fill(arguments)
    await form.get_by_role("button", name="Send command").click()
    await expect(form).to_be_hidden()


@pytest.mark.slow
async def test_a_first_visit(fresh_demo: Demo, visit: Visit) -> None:
    async with fresh_demo() as server:
        you = await visit(server, "general", device_scale_factor=1.5)
        await expect(you.page.get_by_role("button", name="plot.py")).to_be_visible()
        await picture(you, "empty")
        await try_sample(you, "progress.py", "12")
        await you.enter_thread()
        await you.see("5/12")
        await expect(you.page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
        await picture(you, "running")
        await you.open("general")
        await try_sample(you, "plot.py")
        await expect(you.page.locator(".thread-entry")).to_have_count(2)
        await you.enter_thread()
        await you.see("Succeeded: the program ended with exit code 0.")
        plot = you.page.get_by_role("img", name="random_walk.png")
        await plot.evaluate("image => image.decode()")
        await expect(plot).to_be_in_viewport(ratio=1)
        await picture(you, "done")
