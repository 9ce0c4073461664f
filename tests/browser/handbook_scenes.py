"""How each command looks when it is used: one scene for each, played on the page with the real bot.

`test_handbook.py` plays them all and compares what was seen with what stands beside the pictures in docs/discord. A
command without a scene fails that test, so a new command needs one here.
"""

from __future__ import annotations

import asyncio
import re

import admin_scenes
from browsing import program
from playwright.async_api import expect
from stage import (
    HELLO,
    PRIMES,
    SUCCEEDED,
    Scene,
    Stage,
    answer_to,
    attach,
    choose,
    fill,
    into_thread,
    option_of,
    send,
    settled,
)

# --- /run ---------------------------------------------------------------------------------------------------------


async def run_local(stage: Stage) -> None:
    you = await stage.enter()
    form = await fill(you, "run local")
    await attach(form, "plot.py", program("plot.py"))
    await option_of(form, "time_limit").fill("60")
    await stage.picture(you, "run-local-form", "The command being filled in: its files, arguments and time limit")
    await send(form)
    await into_thread(you, SUCCEEDED)
    await settled(you)
    await stage.picture(you, "run-local", "The run's thread: its output, the verdict, and the picture it left")


async def asks_for_gpu(stage: Stage, launcher: str, gpu: str) -> None:
    you = await stage.enter()
    form = await fill(you, f"run {launcher}")
    await attach(form, "primes.py", PRIMES)
    await option_of(form, "gpu").focus()
    await expect(you.page.get_by_role("option").first).to_be_visible()
    await stage.picture(you, f"run-{launcher}-form", "The GPUs on offer, as the bot suggests them")
    await choose(you, form, "gpu", gpu)
    await send(form)
    await into_thread(you, SUCCEEDED)
    await stage.picture(you, f"run-{launcher}", "The run's thread, with where it ran")


async def run_paste(stage: Stage) -> None:
    you = await stage.enter()
    await send(await fill(you, "run paste"))
    dialog = you.page.get_by_role("dialog")
    await dialog.locator("textarea").fill("for n in range(1, 4):\n    print(n, n ** 2)")
    await dialog.get_by_label("Where").select_option(value="local")
    await stage.picture(you, "run-paste-form", "The form: code, language, where to run it, arguments, time limit")
    await dialog.get_by_role("button", name="Submit").click()
    await expect(dialog).to_be_hidden()
    await into_thread(you, SUCCEEDED)


async def run_this_code(stage: Stage) -> None:
    channel = stage.server.add_channel("cluster")
    await stage.server.member("friend").say(channel, f"Does this work for you?\n{HELLO}")
    you = await stage.enter(channel=channel)
    message = you.message("Does this work")
    await message.click(button="right", position={"x": 120, "y": 20})
    await expect(you.page.get_by_role("menuitem", name="Run this code")).to_be_visible()
    await stage.picture(you, "run-this-code-menu", "The menu of a message, with the command under Apps")
    await you.page.get_by_role("menuitem", name="Run this code").click()
    dialog = you.page.get_by_role("dialog")
    await expect(dialog.locator("textarea")).to_have_value(re.compile("hello from"))
    await stage.picture(you, "run-this-code-form", "The form with the message's code in it")
    await you.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


# --- what comes after ---------------------------------------------------------------------------------------------


async def answered(stage: Stage, command: str, alt: str, *, needs_run: bool, shows: str) -> None:
    """A command whose answer is one private message."""
    channel, number = await stage.ran() if needs_run else (None, 0)
    you = await stage.enter(channel=channel)
    form = await fill(you, command)
    if needs_run:
        await choose(you, form, "run", f"#{number} ")
    await send(form)
    await expect(answer_to(you, command)).to_contain_text(shows)
    await stage.picture(you, command.replace(" ", "-"), alt)


async def runs(stage: Stage) -> None:
    channel, number = await stage.ran("friend")
    you = await stage.enter("friend", channel)
    await send(await fill(you, "runs"))
    await expect(answer_to(you, "runs")).to_contain_text(f"#{number}")
    await stage.picture(you, "runs", "A member's runs, with the buttons of each")


async def rerun(stage: Stage) -> None:
    channel, number = await stage.ran()
    you = await stage.enter(channel=channel)
    form = await fill(you, "rerun")
    await choose(you, form, "run", f"#{number} ")
    await option_of(form, "launcher").fill("lo")
    await expect(you.page.get_by_role("option", name="local")).to_be_visible()
    await stage.picture(you, "rerun-form", "The run to repeat, and where else it could run")
    await you.page.get_by_role("option", name="local").click()
    await send(form)
    await expect(you.page.locator(".thread-entry")).to_have_count(2)
    await into_thread(you, SUCCEEDED)
    await stage.picture(you, "rerun", "The new run's thread")


async def cancel(stage: Stage) -> None:
    you = await stage.enter()
    await stage.waits(you.channel_id)
    form = await fill(you, "cancel", run="waits")
    await expect(you.page.get_by_role("option", name="waits.py")).to_be_visible()
    await stage.picture(you, "cancel-form", "The runs that can be stopped, as the bot suggests them")
    await you.page.get_by_role("option", name="waits.py").click()
    await send(form)
    await into_thread(you, "Cancelled: its owner cancelled it.")
    await stage.picture(you, "cancel", "The thread of a run that was stopped")


async def buttons(stage: Stage) -> None:
    """The buttons under a run while it runs and when it is over, and those that turn a page."""
    you = await stage.enter()
    await stage.waits(you.channel_id)
    await you.enter_thread()
    await you.see("ready")
    button = you.page.get_by_role("button", name="Cancel", exact=True)
    await expect(button).to_be_visible()
    await stage.picture(you, "button-cancel", "A run under way, with its Cancel button")
    await button.click()
    await you.see("Cancelled: its owner cancelled it.")
    await expect(you.page.locator(".starter")).to_contain_text("Cancelled")
    await stage.picture(you, "button-rerun", "A run that is over, with its buttons Run again and Log")
    you = await stage.enter()
    await send(await fill(you, "runs"))
    await you.page.get_by_role("button", name="Next").click()
    await expect(you.page.get_by_role("button", name="Previous")).to_be_enabled()
    await stage.picture(you, "button-next", "The second page of a member's runs")


def simple(command: str, alt: str, shows: str, *, needs_run: bool = False) -> Scene:
    return lambda stage: answered(stage, command, alt, needs_run=needs_run, shows=shows)


def with_gpu(launcher: str, gpu: str) -> Scene:
    return lambda stage: asks_for_gpu(stage, launcher, gpu)


SCENES: dict[str, Scene] = {
    **admin_scenes.SCENES,
    "run local": run_local,
    "run github": with_gpu("github", "NVIDIA"),
    "run modal": with_gpu("modal", "T4"),
    "run auto": with_gpu("auto", "T4"),
    "run paste": run_paste,
    "Run this code": run_this_code,
    "runs": runs,
    "run-info": simple("run-info", "All that is known of a run", "primes.py", needs_run=True),
    "logs": simple("logs", "The whole output as a file", ".log.txt", needs_run=True),
    "rerun": rerun,
    "gpus": simple("gpus", "What every launcher offers", "T4"),
    "cancel": cancel,
    "ping": simple("ping", "The answer, which only the asker sees", "local"),
}
MORE: dict[str, Scene] = {"buttons": buttons}


async def all_of(stage: Stage, names: list[str]) -> None:
    """Play the scenes of these commands, then those of what is no command."""
    for name in names:
        await stage.play(name, SCENES[name])
    for name, scene in MORE.items():
        await stage.play(name, scene)
    await asyncio.gather(*(one.page.context.close() for one in stage.visitors.values()))
    assert [one.complaints for one in stage.visitors.values() if one.complaints] == []
