"""What a test does on the page, in the words of a person who uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Locator, expect
from playwright.async_api import Page as Tab

from cluster_sandbox.discord import DiscordServer
from cluster_sandbox.discord.interactions import Interaction, Reaction
from cluster_sandbox.page import Page

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / ".venv-programs" / "bin" / "python"
WIDE = {"width": 1200, "height": 760}
TOO_LATE_S = 300.0  # how long a bot may take to answer where there is none
PHONE = {"width": 390, "height": 800}


class Visitor:
    """One member in one window. What the browser complains of fails the test at its end (`complaints`)."""

    def __init__(self, page: Tab, server: DiscordServer, channel_id: int) -> None:
        self.page = page
        self.server = server
        self.channel_id = channel_id
        self.complaints: list[str] = []
        self._heard: dict[Any, Callable[[Any], object]] = {
            "pageerror": lambda error: self.complaints.append(f"error: {error}"),
            "dialog": lambda dialog: self.complaints.append(f"dialog: {dialog.message}"),
            "console": lambda said: "Content Security" in said.text and self.complaints.append(said.text),
        }
        for event, listener in self._heard.items():
            page.on(event, listener)

    # --- going places -------------------------------------------------------------------------------

    async def arrive(self, name: str) -> None:
        """Open the page as a member, in the channel."""
        await self.page.goto(f"{self.server.url}/?as={name}#{self.channel_id}")
        await expect(self.page.locator("body[data-ready]")).to_be_attached()

    async def leave(self) -> None:
        """Turn to a document without scripts, which asks nothing of a server that is gone soon."""
        await self.page.unroute_all()
        await self.page.context.set_offline(False)
        await self.page.goto(f"{self.server.url}/page/static/icon.svg")
        for event, listener in self._heard.items():
            self.page.remove_listener(event, listener)

    async def go(self, channel_id: int) -> None:
        """Turn to another channel by its address, without opening the page anew."""
        entry = self.page.locator(f'.channel[data-channel="{channel_id}"]')
        await expect(entry).to_be_attached()  # until then the page does not know it
        await self.page.evaluate("id => { location.hash = id }", str(channel_id))
        await expect(entry).to_have_attribute("aria-current", "page")
        self.channel_id = channel_id

    async def open(self, name: str) -> None:
        """Choose a channel or thread on the left."""
        await self.page.get_by_role("navigation").get_by_role("button", name=name).click()
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(name)

    # --- writing ------------------------------------------------------------------------------------

    @property
    def text(self) -> Locator:
        return self.page.locator(".composer textarea")

    async def say(self, text: str) -> None:
        await self.text.fill(text)
        await self.text.press("Enter")

    async def begin(self, typed: str) -> Locator:
        """Type the beginning of a command and take the first of the palette; its form."""
        await self.text.press_sequentially(typed)
        await expect(self.page.locator(".picker")).to_be_visible()
        await self.text.press("Enter")
        form = self.page.locator("form.command-form")
        await expect(form).to_be_visible()
        return form

    async def run(self, name: str, script: str | bytes, *, arguments: str = "") -> None:
        """`/run local` with a program, by palette and file chooser, sent with Enter."""
        form = await self.begin("/run")
        data = script.encode() if isinstance(script, str) else script
        async with self.page.expect_file_chooser() as chooser:
            await form.get_by_role("button", name="script: choose or drop a file").click()
        await (await chooser.value).set_files([{"name": name, "mimeType": "text/plain", "buffer": data}])
        await expect(form.get_by_role("button", name=name)).to_be_visible()
        if arguments:
            await form.get_by_label("arguments").fill(arguments)
            await form.get_by_label("arguments").press("Enter")
        else:
            await form.get_by_role("button", name=name).press("Enter")
        await expect(form).to_be_hidden()

    # --- looking ------------------------------------------------------------------------------------

    def message(self, text: str) -> Locator:
        """The newest message that has this text."""
        return self.page.locator(".message").filter(has_text=text).last

    async def see(self, text: str) -> None:
        await expect(self.message(text)).to_be_visible()

    async def enter_thread(self) -> None:
        """Follow the newest anchor in the channel into its thread."""
        await self.page.locator(".thread-entry").last.click()
        await expect(self.page.locator(".starter")).to_be_visible()

    async def lines(self) -> list[str]:
        """The lines of output in the open thread."""
        blocks = await self.page.locator(".code-block code").all_text_contents()
        return [line for block in blocks for line in block.splitlines()]

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        return await self.page.evaluate(script, argument)

    async def at_bottom(self) -> bool:
        left = "scroller => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight"
        return bool(await self.page.locator(".scroller").evaluate(left) < 2)


class Alone:
    """A sandbox with its page and no bot."""

    def __init__(self, server: DiscordServer, page: Page) -> None:
        self.server = server
        self.page = page

    def bot_says(self, channel: str | int, text: str, **more: Any) -> int:
        """A message of the bot; its id."""
        channel_id = self.server.channel_id(channel) if isinstance(channel, str) else channel
        service = self.server.service
        place = service.world.channel(channel_id)
        return service.messaging.create(place, service.world.bot, {"content": text, **more}).id

    def bot_edits(self, message_id: int, **data: Any) -> None:
        self.server.service.messaging.edit(self.server.message(message_id), data)

    async def asked(self) -> Interaction:
        """The interaction that the bot has to answer next, once there is one."""
        service = self.server.service
        while True:
            version = service.pulse.version
            waiting = [one for one in service.interactions.moves if one.state == "waiting"]
            if waiting:
                return waiting[0]
            await service.pulse.after(version)

    def bot_answers(self, opened: Interaction, reaction: Reaction, **data: Any) -> None:
        """The bot's first reaction to an interaction."""
        self.server.service.interactions.respond(opened, reaction, data, at=self.server.clock.now())


async def new_visitor(browser: Browser, server: DiscordServer, name: str, channel_id: int, **options: Any) -> Visitor:
    """A window of its own for a member, arrived in a channel."""
    context = await browser.new_context(**{"viewport": WIDE, "color_scheme": "dark", "locale": "en-GB", **options})
    visitor = Visitor(await context.new_page(), server, channel_id)
    await visitor.arrive(name)
    return visitor


class Windows:
    """Makes visitors, and keeps the usual window of one who has gone for the next.

    What a page is, it is by its document, and each visitor has a new one; a whole window is as much work again.
    """

    def __init__(self, browser: Browser, patience_ms: float) -> None:
        self._browser = browser
        self._patience_ms = patience_ms
        self._free: list[Tab] = []

    async def visitor(self, server: DiscordServer, name: str, channel_id: int, **options: Any) -> Visitor:
        """A member, arrived in a channel; with options of the window, in one that is made for it."""
        if options or not self._free:
            visitor = await new_visitor(self._browser, server, name, channel_id, **options)
            visitor.page.set_default_timeout(self._patience_ms)
            return visitor
        page = self._free.pop()
        # Where the last one left the mouse, something would be under it.
        await page.mouse.move(0, 0)
        visitor = Visitor(page, server, channel_id)
        await visitor.arrive(name)
        return visitor

    async def take_back(self, visitor: Visitor, *, usual: bool) -> None:
        """A visitor has gone; only a window without options is kept."""
        if usual:
            await visitor.leave()
            self._free.append(visitor.page)
        else:
            await visitor.page.context.close()


Visit = Callable[..., Awaitable[Visitor]]
"""Called with a server, a channel by name or id, a member's name, and options of the window."""


Demo = Callable[[], AbstractAsyncContextManager[DiscordServer]]
"""Called to start a sandbox with page and bot."""


def program(name: str) -> bytes:
    """One of the repository's examples."""
    return (ROOT / "examples" / name).read_bytes()
