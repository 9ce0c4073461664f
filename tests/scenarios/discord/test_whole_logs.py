"""`/logs` and the Log button: the whole log as a file, whenever it is asked for."""

from __future__ import annotations

import pytest
from asking import ask, press
from seeds import seed
from town import Town

from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import DiscordServer, Policy
from cluster_sandbox.discord.model import Message

FLOOD = "for n in range(20000):\n    print(n, 'of a flood')\n"


def _file(message: Message | None) -> bytes:
    assert message is not None
    (attached,) = message.attachments
    return attached.data


@pytest.mark.usefixtures("bot")
async def test_the_whole_log_also_while_it_runs(town: Town) -> None:
    held, go = await town.hold()
    so_far = await ask(town, "logs", run=str(held.number))
    assert (so_far.content, so_far.ephemeral) == (messages.LOG_SO_FAR.format(number=held.number), True)
    assert _file(so_far.message) == b"before\n"
    go()
    assert await town.verdict(held) is Status.SUCCEEDED
    whole = await ask(town, "logs", run=str(held.number))
    assert whole.content == messages.LOG_WHOLE.format(number=held.number)
    assert _file(whole.message) == b"before\nafter\n"


@pytest.mark.usefixtures("bot")
async def test_as_text_without_colours(town: Town) -> None:
    script = r"""import sys; sys.stdout.buffer.write(b'a\x1b[31mred\x1b[0m\r\n```@everyone\xff\n')"""
    place = await town.open(script)
    assert await town.verdict(place) is Status.SUCCEEDED
    shown = await ask(town, "run-info", run=str(place.number))
    pressed = await press(town, shown, f"log:{place.number}")
    assert _file(pressed.message) == "ared\n```@everyone\ufffd\n".encode()
    assert pressed.ephemeral


@pytest.mark.usefixtures("bot")
async def test_no_output_is_said_in_a_sentence(town: Town) -> None:
    place = await town.open("pass")
    assert await town.verdict(place) is Status.SUCCEEDED
    assert (await ask(town, "logs", run=str(place.number))).content == messages.NO_OUTPUT.format(number=place.number)
    waits = await seed(town, live=True)
    assert (await ask(town, "logs", run=str(waits.number))).content == messages.NO_OUTPUT_YET.format(
        number=waits.number
    )


class TestWhereFilesAreSmall:
    """A server that takes files of 64 kB."""

    @pytest.fixture
    def server(self) -> DiscordServer:
        """Overrides the folder's."""
        return DiscordServer(policy=Policy(file_bytes=65_536))

    @pytest.mark.usefixtures("bot")
    async def test_both_ends_come_and_what_is_left_out_is_said(self, town: Town) -> None:
        place = await town.open(FLOOD)
        assert await town.verdict(place) is Status.SUCCEEDED
        told = await ask(town, "logs", run=str(place.number))
        content = _file(told.message)
        assert 40_000 < len(content) <= 65_536
        assert content.startswith(b"0 of a flood\n1 of a flood\n")
        assert content.endswith(b"19998 of a flood\n19999 of a flood\n")
        assert b" bytes are left out here: the file would be too large" in content
        assert "bytes in its middle are left out: files here may have 65.5 kB." in told.content
