"""What limits members read about: how many runs, how much GPU time, which GPUs, and who has more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from town import Place, Town

from cluster_bot.errors import StartupError
from cluster_sandbox.discord import Acting
from offering import Waiting

HELLO = "print('hello')"


async def told(town: Town, member: Acting | None = None, gpu: str | None = "T4", **options: Any) -> str:
    """What the member is told, privately, about a run that they ask for."""
    command = "run local" if gpu is None else "run modal"
    more = options if gpu is None else {"gpu": gpu, **options}
    answered = await (await town.run(HELLO, member=member, command=command, **more)).answered()
    assert answered.ephemeral
    return answered.content


async def test_runs_an_hour(town: Town) -> None:
    async with town.bot(runs_per_hour=2):
        for _ in range(2):
            await town.verdict(await town.open(HELLO))
        assert await told(town, gpu=None) == (
            "You may give 2 runs an hour and have given them; the next can be given in 60 min."
        )
        assert (await told(town, town.server.member("bob"), gpu=None)).startswith("Run #3 is here")


async def test_gpu_minutes_a_day(town: Town) -> None:
    async with town.bot(launchers=[Waiting()], gpu_minutes_per_day=10, live_runs_per_member=9):
        assert (await told(town, time_limit=480)).startswith("Run #1 is here")
        assert await told(town, gpu="H100:2", time_limit=120) == (
            "You may use 10 GPU minutes in 24 hours; 8 are used or set aside for your runs under way, and this run "
            "could take 4, so give it a `time_limit` of at most 60 seconds, or try again later."
        )
        assert (await told(town, time_limit=120)).startswith("Run #2 is here")
        assert (await told(town, time_limit=1)).startswith("You may use 10 GPU minutes in 24 hours, and 10 are used")
        listed = await (await town.ada.command("runs", channel_id=town.general)).answered()
        assert "Your share: 2 of 9 at once, 10 of 10 GPU minutes in 24 hours" in str(
            listed.message and listed.message.components
        )
        # What never had a machine has used nothing.
        for number in (1, 2):
            run = await town.store.by_number(number)
            assert run is not None
            await (await town.ada.command("cancel", channel_id=town.general, options={"run": number})).answered()
            await town.ended(Place(number, 0))
        assert (await told(town, time_limit=480)).startswith("Run #3 is here")


async def test_some_have_more_and_some_less(town: Town) -> None:
    carol, bob = town.server.member("carol", permissions=["MANAGE_MESSAGES"]), town.server.member("bob")
    roles = town.server.service.world.guilds[town.server.guild_id].roles
    helper = next(one.id for one in roles.values() if one.name == "manage_messages")
    path = Path(town.folder) / "limits.toml"
    path.write_text(
        f"""
        [default]
        gpus = ["T4"]
        runs_at_once = 1
        [[role]]
        id = {helper}
        runs_at_once = 2
        gpus = ["H*"]
        [[member]]
        id = {bob.user_id}
        gpus = []
        """
    )
    async with town.bot(launchers=[Waiting()], limits_file=path):
        assert (
            await told(town, gpu="H100")
            == "You may not use that GPU here; choose one of `T4`, or ask an admin for more."
        )
        assert await told(town, bob) == "You may not use a GPU here; ask an admin for one."
        assert (await told(town)).startswith("Run #1 is here")
        assert (await told(town)).startswith("You have 1 run under way and may have 1")
        for number in (2, 3):
            assert (await told(town, carol, gpu="h100:2")).startswith(f"Run #{number} is here")
        assert (await told(town, carol, gpu="H100")).startswith("You have 2 runs under way and may have 2")


async def test_a_limits_file_that_cannot_be_used_is_said_at_the_start(town: Town) -> None:
    path = Path(town.folder) / "limits.toml"
    with pytest.raises(StartupError, match="LIMITS_FILE can't be read"):
        async with town.bot(limits_file=path):
            pass
    path.write_text("[default]\nruns = 1")
    with pytest.raises(StartupError, match=r"can't be used \(\[default\] has no 'runs'; it may have gpus"):
        async with town.bot(limits_file=path):
            pass
