"""A small bot on the real discord.py, with one of each thing the sandbox has to get right."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from cluster_sandbox.discord import DiscordServer


@contextmanager
def pointed_at(server: DiscordServer) -> Iterator[None]:
    """Send discord.py to the server instead of the internet."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = server.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


class CancelButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"cancel:(?P<run>\d+)"):
    """A button that works without any view being alive."""

    def __init__(self, run: int) -> None:
        button: discord.ui.Button[Any] = discord.ui.Button(label="Cancel", custom_id=f"cancel:{run}")
        super().__init__(button)
        self.run = run

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: Any, /) -> Self:
        return cls(int(match["run"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(f"cancelling {self.run}", ephemeral=True)
        assert interaction.message is not None
        await interaction.message.edit(content=f"run {self.run} cancelled", view=None)


class NameModal(discord.ui.Modal, title="Name"):
    name: discord.ui.TextInput[Any] = discord.ui.TextInput(label="Name", custom_id="name")

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        await interaction.response.send_message(f"hello {self.name.value}")


class SurveyModal(discord.ui.Modal, title="Survey"):
    about: discord.ui.Label[Any] = discord.ui.Label(
        text="About you",
        description="In your own words",
        component=discord.ui.TextInput(custom_id="about", style=discord.TextStyle.paragraph, max_length=50),
    )
    color: discord.ui.Label[Any] = discord.ui.Label(
        text="Colour",
        component=discord.ui.Select(
            custom_id="color", options=[discord.SelectOption(label=one, value=one.lower()) for one in ("Red", "Blue")]
        ),
    )
    files: discord.ui.Label[Any] = discord.ui.Label(
        text="Files", component=discord.ui.FileUpload(custom_id="files", required=False, max_values=2)
    )

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        said = [self.about.component.value, *self.color.component.values]
        said += [f"{one.filename} of {len(await one.read())} bytes" for one in self.files.component.values]
        await interaction.response.send_message(", ".join(said))


class SampleBot(discord.Client):
    """Commands: /run local script [arguments], /cancel run (autocomplete), /name, /survey, /silent, /later.

    In a message's menu: Count words.
    """

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True, members=True, messages=True, message_content=True))
        self.tree = app_commands.CommandTree(self)
        self.heard: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.resumed = asyncio.Event()
        self.release = asyncio.Event()
        self.known = asyncio.Event()
        self.problems: list[BaseException] = []
        self._trouble = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(cls, server: DiscordServer) -> AsyncIterator[Self]:
        """A bot that is connected and knows its guilds, for the length of the block."""
        client = cls()
        task = asyncio.create_task(client.start(server.bot_token), name="sample-bot")
        known = asyncio.create_task(asyncio.wait_for(client.known.wait(), 10), name="sample-bot-known")
        await asyncio.wait({task, known}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            known.cancel()
            task.result()
        await known
        try:
            yield client
        finally:
            await client.close()
            await asyncio.gather(task, return_exceptions=True)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(CancelButton)
        group = app_commands.Group(name="run", description="Run a program")
        group.command(name="local", description="Run it here")(run_local)
        self.tree.add_command(group)
        self.tree.command(name="cancel", description="Cancel a run")(cancel)
        self.tree.command(name="name", description="Ask for a name")(ask_name)
        self.tree.command(name="survey", description="Ask for more")(ask_more)
        self.tree.command(name="silent", description="Never answers")(silent)
        self.tree.command(name="later", description="Answers when released")(later)
        self.tree.context_menu(name="Count words")(count_words)
        self.tree.on_error = self._on_tree_error  # type: ignore[method-assign, assignment]
        await self.tree.sync()

    async def _on_tree_error(self, interaction: Any, error: app_commands.AppCommandError) -> None:
        self.problems.append(error.__cause__ or error)
        self._trouble.set()

    async def problem(self) -> BaseException:
        """The first error of a command."""
        await asyncio.wait_for(self._trouble.wait(), 10)
        return self.problems[0]

    async def hear(self) -> discord.Message:
        """The next message the gateway brings."""
        return await asyncio.wait_for(self.heard.get(), 10)

    async def on_message(self, message: discord.Message) -> None:
        self.heard.put_nowait(message)

    async def on_socket_event_type(self, event: str) -> None:
        if event == "GUILD_CREATE":
            self.known.set()

    async def on_resumed(self) -> None:
        self.resumed.set()


async def run_local(
    interaction: discord.Interaction[SampleBot], script: discord.Attachment, arguments: str = ""
) -> None:
    """A miniature of what the product does: private answer, anchor, thread, lines, verdict, file, button."""
    await interaction.response.defer(ephemeral=True)
    text = (await script.read()).decode()
    channel = interaction.channel
    assert isinstance(channel, discord.TextChannel)
    anchor = await channel.send(f"run of {script.filename} by {interaction.user.mention}")
    thread = await anchor.create_thread(name=f"{script.filename} {arguments}".strip())
    view = discord.ui.View(timeout=None)
    view.add_item(CancelButton(7))
    status = await thread.send("running", view=view, nonce="run7-status")
    lines = await thread.send("```\n1\n```", allowed_mentions=discord.AllowedMentions.none())
    await lines.edit(content=f"```\n{text}\n```")
    await thread.send("the plot", file=discord.File(io.BytesIO(b"\x89PNG"), "plot.png"))
    await status.edit(content="succeeded")
    await interaction.edit_original_response(content=f"see {thread.mention}")
    await interaction.followup.send("and a follow-up", ephemeral=True)


async def _choices(interaction: discord.Interaction[SampleBot], current: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=f"run {n}", value=str(n)) for n in (1, 12, 2) if str(n).startswith(current)]


@app_commands.autocomplete(run=_choices)
async def cancel(interaction: discord.Interaction[SampleBot], run: str) -> None:
    await interaction.response.send_message(f"cancelled {run}")


async def ask_name(interaction: discord.Interaction[SampleBot]) -> None:
    await interaction.response.send_modal(NameModal())


async def ask_more(interaction: discord.Interaction[SampleBot]) -> None:
    await interaction.response.send_modal(SurveyModal())


async def silent(interaction: discord.Interaction[SampleBot]) -> None:
    return


async def later(interaction: discord.Interaction[SampleBot]) -> None:
    await interaction.client.release.wait()
    await interaction.response.send_message("sorry, late")


async def count_words(interaction: discord.Interaction[SampleBot], message: discord.Message) -> None:
    files = [f"{one.filename} of {len(await one.read())} bytes" for one in message.attachments]
    said = f"{len(message.content.split())} words of {message.author.name}"
    await interaction.response.send_message(" and ".join([said, *files]), ephemeral=True)
