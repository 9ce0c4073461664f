"""Two bots on one database take what a member asks for at once: limits hold exactly, and nothing is taken twice.

Every interaction is delivered to both, as Discord delivers it to every session of a bot, and to each of them twice, as
a gateway does that lost track of what it sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from stores import opened

import warm
from cluster_bot.demo import bot_process
from cluster_bot.demo.bot_process import started_bot
from cluster_bot.discord_bot import messages
from cluster_bot.runs.refusals import SENTENCES, Refusal
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import DiscordServer, File, Interaction, MessageEvent
from cluster_sandbox.discord.policy import Policy

FRONT = Path(__file__).with_name("front_process.py")
PATIENCE_S = 90.0
ASKED, LIMIT = 50, 3
REFUSED = SENTENCES[Refusal.TOO_MANY_LIVE_RUNS].format(runs=f"{LIMIT} runs", limit=LIMIT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Programs pass through to their own folder, whoever they run as.
    tmp_path.chmod(0o711)
    return tmp_path


async def test_fifty_at_once_with_a_limit_of_three_are_three(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_process, "PYTHON", warm.python())
    # Fifty answers of a busy machine may take longer than a member would wait.
    async with DiscordServer(policy=Policy(ack_s=PATIENCE_S)) as server:
        dispatch = server.gateway.dispatch

        def twice(event: str, *given: Any) -> None:
            for _ in range(2 if event == "INTERACTION_CREATE" else 1):
                dispatch(event, *given)

        settings = {"DATABASE_URL": url, "LIVE_RUNS_PER_MEMBER": str(LIMIT)}
        asked = await _asked_of_two(
            server, folder, settings, lambda: monkeypatch.setattr(server.gateway, "dispatch", twice)
        )
        refused = [one for one in asked if one.state == "answered"]
        assert {one.content for one in refused} == {REFUSED}
        assert len(refused) == ASKED - LIMIT
        assert all(one.ephemeral for one in refused)
        monkeypatch.setattr(server.gateway, "dispatch", dispatch)
        async with opened(url) as store:
            admitted = await store.of_member(str(server.member("ada").user_id), ASKED)
        assert len(admitted) == LIMIT

        # A whole bot on the same database finds exactly these, and finishes what the others began to answer.
        async with started_bot(server, folder / "0", settings):
            taken = [one for one in asked if one not in refused]
            found = [
                re.fullmatch(r"Run #(\d+) is here: <#(\d+)>", (await one.answered(PATIENCE_S)).content) for one in taken
            ]
            assert {int(one[1]) for one in found if one} == {run.number for run in admitted}
            for one in found:
                assert one is not None
                await server.wait_for(_succeeded_in(int(one[2])), PATIENCE_S)
        anchors = [one for one in server.messages(server.channel_id("general")) if messages.is_anchor(one.content)]
        assert len(anchors) == LIMIT


async def _asked_of_two(
    server: DiscordServer, folder: Path, settings: Mapping[str, str], begin: Callable[[], None]
) -> list[Interaction]:
    """What a member asked for at once while two halves of bots were there, once all but LIMIT have their answer."""
    ada, general = server.member("ada"), server.channel_id("general")
    async with AsyncExitStack() as stack:
        for n in range(2):
            (folder / str(n)).mkdir()
            await stack.enter_async_context(started_bot(server, folder / str(n), settings, program=[str(FRONT)]))
            await server.gateway.wait_ready(PATIENCE_S, logins=n + 1)
        await server.wait_command("run local", PATIENCE_S)
        begin()
        options = {"script": File("a.py", b"print('one of three')\n")}
        commands = [ada.command("run local", channel_id=general, options=options) for _ in range(ASKED)]
        asked = await asyncio.gather(*commands)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(one.acknowledged(PATIENCE_S) for one in asked))
            await _answered(asked, ASKED - LIMIT)
        # A member more than these would have been answered too: what both bots heard, they have dealt with.
        last = await ada.command("ping", channel_id=general)
        await last.answered(PATIENCE_S)
        return asked


async def _answered(asked: Iterable[Interaction], count: int) -> None:
    """Return once so many have their answer."""
    waiting = {asyncio.ensure_future(one.answered(PATIENCE_S)) for one in asked}
    try:
        done: set[asyncio.Future[Interaction]] = set()
        while len(done) < count:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
    finally:
        for one in waiting:
            one.cancel()


def _succeeded_in(room: int) -> Callable[[MessageEvent], bool]:
    def fits(event: MessageEvent) -> bool:
        return event.channel_id == room and messages.verdict_status(event.content) is Status.SUCCEEDED

    return fits
