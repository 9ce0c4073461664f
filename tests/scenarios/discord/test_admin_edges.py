"""What admins type that is odd, and what becomes odd after they decided it."""

from __future__ import annotations

from typing import Any

import pytest
from town import Town, refused

from cluster_bot.runs.ports import GpuOffer
from cluster_sandbox.discord import Acting, Interaction
from offering import Offering


@pytest.fixture
def boss(town: Town) -> Acting:
    return town.server.member("owner", administrator=True)


async def ask(who: Acting, town: Town, command: str, /, **options: Any) -> Interaction:
    """The answer to `/admin`."""
    return await (await who.command(f"admin {command}", channel_id=town.general, options=options)).answered()


async def told(who: Acting, town: Town, command: str, /, **options: Any) -> str:
    """Its text."""
    answer = await ask(who, town, command, **options)
    return answer.content or str(answer.message and answer.message.components)


@pytest.mark.parametrize("gpu", ["*", "H100*", ":", "@bobs-box", "a100?", ":2", "H[12]00"])
async def test_what_names_no_gpu_pauses_nothing(town: Town, boss: Acting, gpu: str) -> None:
    async with town.bot(launchers=[Offering("modal", GpuOffer("H100"))], local_enabled=False):
        refused(await ask(boss, town, "pause", gpu=gpu), "one GPU by its name")
        answered = await (await town.run("print()", command="run modal", gpu="H100")).answered()
        assert "is here" in answered.content


@pytest.mark.usefixtures("bot")
async def test_a_channel_that_is_gone_can_be_taken_back(town: Town, boss: Acting) -> None:
    place = await town.open("print()")
    await told(boss, town, "channel", channel=place.room)
    town.delete_thread(place.room)
    assert "Runs are asked for in" in (await (await town.run("print()")).answered()).content
    assert await told(boss, town, "channel") == "Done: let runs be asked for in every channel."
    assert "is here" in (await (await town.run("print()")).answered()).content


@pytest.mark.usefixtures("bot")
async def test_however_much_is_ordered_the_settings_are_shown(town: Town, boss: Acting) -> None:
    why = "*" * 200
    for n in range(12):
        somebody = town.server.member(f"somebody-{n}")
        await told(boss, town, "ban", member=somebody, why=why, cancel_runs=False, hours=9.5)
        await told(boss, town, "pause", gpu=f"gpu-{n}", why=why, hours=9.5)
        await told(boss, town, "limit", member=somebody, runs_at_once="1", gpus=" ".join(["H100*"] * 33))
    shown = await told(boss, town, "settings")
    assert "`log_level`" in shown
    assert "and 1" in shown.partition("**Banned**")[2]


@pytest.mark.usefixtures("bot")
async def test_in_a_thread_of_a_channel_that_is_not_known_yet(town: Town, boss: Acting) -> None:
    """As just after a start, before Discord has told which channels there are."""
    place = await town.open("print()")
    await told(boss, town, "channel", channel=town.general)
    gone = {"id": str(town.general), "guild_id": str(town.server.guild_id), "type": 0, "name": "general"}
    town.server.gateway.dispatch("CHANNEL_DELETE", gone)
    assert "is here" in (await (await town.run("print()", channel=place.room)).answered()).content


@pytest.mark.usefixtures("bot")
async def test_a_reason_is_text_wherever_it_is_read(town: Town, boss: Acting) -> None:
    why, shown = (
        "[appeal](https://evil.example) `now` @here",
        "\\[appeal\\]\\(https\\://evil.example\\) \\`now\\` @\u200bhere",
    )
    assert f"({shown})" in await told(boss, town, "ban", member=town.ada, why=why)
    refused(await (await town.run("print()")).answered(), f"({shown})")
    await told(boss, town, "unban", member=town.ada)
    await told(boss, town, "pause", why=why)
    refused(await (await town.run("print()")).answered(), f"({shown})")
    journal = await ask(boss, town, "journal")
    assert journal.message is not None
    [text] = journal.message.components[0]["components"]
    assert text["content"].count(f"({shown})") == 2


async def test_whoever_runs_the_bot_takes_back_what_an_admin_of_its_only_server_ordered(
    town: Town, boss: Acting
) -> None:
    helper = town.server.member("helper", permissions=["MANAGE_GUILD"])
    async with town.bot(discord_operators=frozenset({boss.user_id})):
        await told(helper, town, "ban", member=town.ada)
        assert (await told(boss, town, "unban", member=town.ada)).startswith("Done: unbanned")
        await told(helper, town, "pause")
        await told(boss, town, "pause", launcher="local")
        refused(await ask(helper, town, "resume", launcher="local"), "That is not paused")
        assert await told(boss, town, "resume") == "Done: resumed `local`, everything."
        assert "is here" in (await (await town.run("print()")).answered()).content
        refused(await ask(boss, town, "resume"), "That is not paused")
        refused(await ask(boss, town, "unban", member=town.ada), "That member is not banned")


@pytest.mark.usefixtures("bot")
async def test_where_there_is_one_server_its_journal_has_one_channel(town: Town, boss: Acting) -> None:
    await told(boss, town, "log", channel=town.general, everywhere=True)
    assert await told(boss, town, "log") == "Done: let the journal be shown nowhere."
    assert "**Journal**: shown nowhere" in await told(boss, town, "settings")
