"""What the scenes of the handbook are played on: the world, members in windows of the page, and the pictures of it.

Called by `handbook_scenes` and `admin_scenes`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from browsing import Visitor, new_visitor
from playwright.async_api import Browser, Locator, expect

from cluster_sandbox.discord import DiscordServer, File
from cluster_sandbox.discord.model import Json

# Narrow enough that the list of channels is a drawer: the pictures show the conversation.
WINDOW = {"width": 720, "height": 660}
# For those who only give orders, and read one answer to each.
LOW_WINDOW = {"width": 720, "height": 360}
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
        # Of a program that ends at once it is sometimes not seen.
        plain = plain.replace(" · peak memory 0", "")
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
        self.visitors: dict[tuple[str, bool], Visitor] = {}
        self._of = ""
        self._admins: int | None = None

    async def play(self, of: str, scene: Scene) -> None:
        """Play one scene, whose pictures are of a command by its full name."""
        self._of = of
        await scene(self)

    async def enter(self, name: str = "you", channel: int | None = None, *, low: bool = False) -> Visitor:
        """A member in a channel of their own, or in one that is named: the one window they have of this height."""
        where = self.server.add_channel("cluster") if channel is None else channel
        visitor = self.visitors.get((name, low))
        if visitor is None:
            viewport = LOW_WINDOW if low else WINDOW
            visitor = await new_visitor(self.browser, self.server, name, where, viewport=viewport)
            self.visitors[name, low] = visitor
        else:
            await visitor.go(where)
        return visitor

    async def admin(self) -> Visitor:
        """The admin, in one channel for all that they decide."""
        if self._admins is None:
            self._admins = self.server.add_channel("admins")
        return await self.enter("admin", self._admins, low=True)

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
        told: Json = {"of": self._of, "alt": alt, "text": timeless("\n".join(texts))}
        if self.folder is not None:
            taken = await page.screenshot(animations="disabled", caret="hide")
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


async def put(form: Locator, option: str, text: str) -> None:
    """Fill an option in, whether it is typed or one of a list."""
    field = option_of(form, option)
    if await field.evaluate("one => one.tagName") == "SELECT":
        await field.select_option(label=text)
    else:
        await field.fill(text)


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
