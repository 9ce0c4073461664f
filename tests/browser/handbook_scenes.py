"""How each command looks when it is used: one scene for each, played on the page with the real bot.

`test_handbook.py` plays them all and compares what was seen with what stands beside the pictures in docs/discord. A
command without a scene fails that test, so a new command needs one here.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from browsing import Visitor, new_visitor, program
from playwright.async_api import Browser, Locator, expect

from cluster_sandbox.discord import DiscordServer, File
from cluster_sandbox.discord.model import Json

# Narrow enough that the list of channels is a drawer: the pictures show the conversation.
WINDOW = {"width": 720, "height": 660}
SUCCEEDED = "Succeeded: the program ended with exit code 0."
WAITS = b"import threading\nprint('ready', flush=True)\nthreading.Event().wait()\n"
PRIMES = b"print('2 3 5 7 11')\n"
HELLO = "```py\nimport sys\nprint('hello from', sys.argv[0])\n```"

_AGO = re.compile(r"\b(in )?\d+ (second|minute|hour)s?( ago)?\b|\bnow\b")
_SIZE = re.compile(r"\d+(\.\d+)? ?([kMGT]i?B|B|ms|µs|s|min|h)\b")
_NUMBER = re.compile(r"\d[\d.,:]*")


def timeless(text: str) -> list[str]:
    """The lines of a text without what is different each time: numbers, times, sizes, where an edit was noticed."""
    found = []
    for line in text.splitlines():
        plain = _NUMBER.sub("0", _SIZE.sub("0", _AGO.sub("then", line.replace("(edited)", ""))))
        plain = " ".join(plain.replace("messages", "message").split())
        if plain:
            found.append(plain)
    return found


class Stage:
    """The world that scenes are played in, and the pictures taken of them; `folder` keeps these where it is given."""

    def __init__(self, browser: Browser, server: DiscordServer, folder: Path | None) -> None:
        self.browser = browser
        self.server = server
        self.folder = folder
        self.pictures: dict[str, Json] = {}
        self.visitors: list[Visitor] = []
        self._of = ""

    async def play(self, of: str, scene: Scene) -> None:
        """Play one scene, whose pictures are of a command by its full name."""
        self._of = of
        await scene(self)

    async def enter(self, name: str = "you", channel: int | None = None) -> Visitor:
        """A member in a channel of their own, or in one that is named."""
        where = self.server.add_channel("cluster") if channel is None else channel
        self.visitors.append(await new_visitor(self.browser, self.server, name, where, viewport=WINDOW))
        return self.visitors[-1]

    async def ran(self, name: str = "you") -> tuple[int, int]:
        """A run of a member that has ended, as the last of its channel: the channel, and its number."""
        channel = self.server.add_channel("cluster")
        acting = self.server.member(name)
        options = {"script": File("primes.py", PRIMES)}
        seen = len(self.server.events)
        await acting.command("run local", channel_id=channel, options=options)
        # The message in the channel is the last to be told of the end.
        last = await self.server.wait_for(
            lambda event: event.channel_id == channel and "Succeeded" in event.content, 60, after_seq=seen
        )
        number = re.search(r"Run #(\d+)", last.content)
        assert number is not None, last
        return channel, int(number[1])

    async def waits(self, channel: int) -> None:
        """A run under way, of the member called you."""
        seen = len(self.server.events)
        options = {"script": File("waits.py", WAITS)}
        await self.server.member("you").command("run local", channel_id=channel, options=options)
        await self.server.wait_for(lambda event: "ready" in event.content, 60, after_seq=seen)

    async def picture(self, visitor: Visitor, name: str, alt: str) -> None:
        """Look at a window; what is read in it is kept, and the picture where that is asked for."""
        page = visitor.page
        await page.mouse.move(2, 2)
        # Neither "Sending …" nor "… is thinking": what is shown is there to stay.
        await expect(page.locator(".thinking")).to_have_count(0)
        texts = await page.evaluate(SEEN)
        taken = await page.screenshot(animations="disabled", caret="hide")
        told: Json = {"of": self._of, "alt": alt, "text": timeless("\n".join(texts))}
        if self.folder is not None:
            (self.folder / f"{name}.png").write_bytes(taken)
            told["sha256"] = hashlib.sha256(taken).hexdigest()
        assert name not in self.pictures, f"two pictures are called {name}"
        self.pictures[name] = told


# What can be read: the messages and where one writes, with what is filled in; over them a form or a menu.
SEEN = """() => {
  const over = [...document.querySelectorAll("dialog[open], .menu-pop")];
  const parts = over.length ? over : [document.querySelector(".scroller"), document.querySelector(".composer")];
  const values = part => [...part.querySelectorAll("input:not([type=file]), textarea, select")]
    .filter(one => one.checkVisibility()).map(one => one.selectedOptions?.[0]?.text ?? one.value);
  return parts.flatMap(part => [part.innerText, ...values(part)]);
}"""

Scene = Callable[[Stage], Awaitable[None]]


# --- what scenes are made of --------------------------------------------------------------------------------------


async def fill(you: Visitor, command: str, **typed: str) -> Locator:
    """Begin a command and type into its options; its form."""
    await you.text.fill(f"/{command}")
    name = you.page.locator(".picker-name", has_text=re.compile(rf"^/{re.escape(command)}$"))
    await you.page.get_by_role("option").filter(has=name).click()
    form = you.page.get_by_role("form", name=f"Command {command}", exact=True)
    await expect(form).to_be_visible()
    for option, text in typed.items():
        await option_of(form, option).fill(text)
    return form


def option_of(form: Locator, name: str) -> Locator:
    """Where an option is typed."""
    return form.locator(f"#option-{name}")


async def attach(form: Locator, name: str, content: bytes) -> None:
    """A file, into the first option that takes one."""
    file: Any = {"name": name, "mimeType": "text/plain", "buffer": content}
    await form.locator("input[type=file]").first.set_input_files([file])


async def send(form: Locator) -> None:
    await form.get_by_role("button", name="Send command").click()
    await expect(form).to_be_hidden()


async def choose(you: Visitor, form: Locator, option: str, text: str) -> None:
    """Take one of what the bot suggests."""
    await option_of(form, option).fill(text.strip())
    await you.page.get_by_role("option", name=text).first.click()


def answer_to(you: Visitor, command: str) -> Locator:
    """The newest answer to a command that only its asker sees."""
    used = you.page.locator(".context .pill", has_text=re.compile(rf"^/{re.escape(command)}$"))
    return you.page.locator(".message.private").filter(has=used).last


async def into_thread(you: Visitor, ends: str) -> None:
    """Follow the run into its thread and wait for how it ends, which the message that it hangs from says last."""
    await you.enter_thread()
    await you.see(ends)
    await expect(you.page.locator(".starter")).to_contain_text(ends.partition(":")[0])


async def settled(you: Visitor) -> None:
    """Every picture in the window is there."""
    await you.page.evaluate("() => Promise.all([...document.images].map(one => one.decode()))")


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


async def resync(stage: Stage) -> None:
    admin = await stage.enter("admin")
    await send(await fill(admin, "resync"))
    await expect(answer_to(admin, "resync")).to_contain_text("registered")
    await stage.picture(admin, "resync", "The answer, which only the admin sees")


async def verify(stage: Stage) -> None:
    """A table of all launchers, when each of them has ended."""
    admin = await stage.enter("admin")
    await send(await fill(admin, "verify"))
    answer = answer_to(admin, "verify")
    await expect(answer).to_contain_text("All well", timeout=60_000)
    await stage.picture(admin, "verify", "The table, when every launcher has answered")


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
    "resync": resync,
    "verify": verify,
}
MORE: dict[str, Scene] = {"buttons": buttons}


async def all_of(stage: Stage, names: list[str]) -> None:
    """Play the scenes of these commands, then those of what is no command."""
    for name in names:
        await stage.play(name, SCENES[name])
    for name, scene in MORE.items():
        await stage.play(name, scene)
    await asyncio.gather(*(one.page.context.close() for one in stage.visitors))
    assert [one.complaints for one in stage.visitors if one.complaints] == []
