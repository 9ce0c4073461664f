"""Every setting that admins may change while the bot works: in force at once, and after a restart too.

A setting without a check here fails. Each check says whether what was set is in force, and is asked three times: before
it is set, after it, and by the bot's next life.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import count
from typing import Any

import pytest
from town import QUICK, Place, Town

from cluster_bot.runs.knobs import KNOBS
from cluster_bot.runs.run import Reason
from cluster_sandbox.discord import Acting, DiscordServer
from offering import Waiting

# Whether a setting is in force; told what to expect, where waiting for the contrary would take an hour.
Check = Callable[[Town, bool], Awaitable[bool]]

names = count()


async def told(town: Town, **options: Any) -> tuple[str, Place]:
    """What somebody new is told who asks for a run, and the run's place, where there is one."""
    member = town.server.member(f"somebody-{next(names)}")
    answered = await (
        await town.run("print()", member=member, command="run modal", gpu=options.pop("gpu", "T4"), **options)
    ).answered()
    number = answered.content.partition("#")[2].partition(" ")[0] if "is here" in answered.content else "0"
    return answered.content, Place(int(number), 0)


def refuses(words: str, runs: int = 1, **options: Any) -> Check:
    """Whether the last of so many runs of one member is refused in these words."""

    async def check(town: Town, expected: bool) -> bool:
        member = town.server.member(f"somebody-{next(names)}")
        answers = [
            await (await town.run("print()", member=member, command="run modal", **{"gpu": "T4", **options})).answered()
            for _ in range(runs)
        ]
        return words in answers[-1].content

    return check


async def gives_seven_seconds(town: Town, expected: bool) -> bool:
    _, place = await told(town)
    return (await town.run_of(place)).spec.time_limit_s == 7


async def gives_up_waiting(town: Town, expected: bool) -> bool:
    said, place = await told(town)
    assert place.number, said
    if not expected:
        # That it waits for an hour cannot be waited for.
        return (await town.run_of(place)).status.final
    return (await town.ended(place)).reason is Reason.QUEUE_LIMIT


async def logs_all(town: Town, expected: bool) -> bool:
    return logging.getLogger().level == logging.DEBUG


# The value that is set, and whether it is in force.
CHECKS: Mapping[str, tuple[str, Check]] = {
    "runs_at_once": ("1", refuses("You have 1 run under way and may have 1", runs=2)),
    "runs_per_hour": ("1", refuses("You may give 1 runs an hour", runs=2)),
    "gpu_minutes_per_day": ("0.5", refuses("You may use 0.5 GPU minutes")),
    "gpus": ("T4 L*", refuses("choose one of `T4`, `L*`", gpu="H100")),
    "time_limit_s": ("7", gives_seven_seconds),
    "max_time_limit_s": ("50", refuses("between 1 and 50 seconds", time_limit=60)),
    "runs_in_all": ("0", refuses("All 0 places are taken")),
    "queue_limit_s": ("1", gives_up_waiting),
    "checker_fails": ("closed", refuses("What looks at each program before it runs does not work")),
    "log_level": ("debug", logs_all),
}


@pytest.fixture
def server() -> DiscordServer:
    """One that lets a bot write as fast as it can."""
    return DiscordServer(policy=QUICK)


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    yield
    root.setLevel(before)


def test_every_setting_has_a_check() -> None:
    # What `verify_every_h` does is tried where verifying is.
    assert set(CHECKS) | {"verify_every_h"} == set(KNOBS)


@pytest.mark.parametrize("name", CHECKS)
async def test_a_setting_holds_at_once_and_after_a_restart(town: Town, name: str) -> None:
    value, in_force = CHECKS[name]
    boss = town.server.member("owner", administrator=True)
    usual: dict[str, Any] = {
        "launchers": [Waiting()],
        "local_enabled": False,
        "checker": "false",
        "checker_fails": "open",
    }
    if name != "checker_fails":
        usual = {"launchers": [Waiting()], "local_enabled": False}
    async with town.bot(**usual):
        assert not await in_force(town, False)
        said = await give(town, boss, "set", setting=name, value=value)
        assert said.startswith(f"Done: set `{name}` to `")
        assert await in_force(town, True)
    async with town.bot(**usual):
        assert await in_force(town, True)
        await give(town, boss, "set", setting=name, value="default")
        assert not await in_force(town, False)
        await give(town, boss, "set", setting=name, value=value)
        shown = await (await boss.command("admin settings", channel_id=town.general)).answered()
        assert "set here" in str(shown.message and shown.message.components)


async def give(town: Town, who: Acting, command: str, **options: Any) -> str:
    """What `/admin` answers."""
    return (await (await who.command(f"admin {command}", channel_id=town.general, options=options)).answered()).content


async def test_limits_of_a_role_and_a_member(town: Town) -> None:
    boss, bob = town.server.member("owner", administrator=True), town.server.member("bob")
    helpers = town.server.admin.give_role(bob, "helpers")
    usual: dict[str, Any] = {
        "launchers": [Waiting()],
        "local_enabled": False,
        "live_runs_per_member": 1,
    }

    async def one_more(who: Acting, gpu: str = "T4") -> str:
        return (await (await town.run("print()", member=who, command="run modal", gpu=gpu)).answered()).content

    async with town.bot(**usual):
        assert await give(town, boss, "limit", role=helpers, runs_at_once="2", gpus="*") == (
            f"Done: gave <@&{helpers}> `runs_at_once` `2`, `gpus` `*`."
        )
        await give(town, boss, "limit", member=town.ada, gpus="none")
        await one_more(bob)
    async with town.bot(**usual):
        assert "is here" in await one_more(bob)
        assert "may have 2" in await one_more(bob)
        assert await one_more(town.ada) == "You may not use a GPU here; ask an admin for one."
        await give(town, boss, "limit", role=helpers, runs_at_once="3")
        assert "is here" in await one_more(bob)
        await give(town, boss, "limit", role=helpers, reset=True)
        assert "may have 1" in await one_more(bob)
        for wrong, words in (
            ({"runs_at_once": "2"}, "Choose a role or a member"),
            ({"member": bob}, "Give at least one limit"),
            ({"member": bob, "gpus": "T4", "reset": True}, "Give at least one limit"),
            ({"member": bob, "runs_per_hour": "many"}, "`runs_per_hour` must be a whole number from 0"),
        ):
            assert words in await give(town, boss, "limit", **wrong)


async def test_what_a_server_sets_only_lowers_what_all_have(town: Town) -> None:
    boss = town.server.member("owner", administrator=True)
    other = town.server.add_guild("Another", "general")
    both = frozenset({town.server.guild_id, other})
    usual: dict[str, Any] = {
        "launchers": [Waiting()],
        "local_enabled": False,
        "discord_guilds": both,
        "runs_per_hour": 5,
    }
    async with town.bot(**usual):
        assert "can't be more here than for all servers, which is 5" in await give(
            town, boss, "set", setting="runs_per_hour", value="unlimited"
        )
        assert "holds for all servers" in await give(town, boss, "set", setting="runs_in_all", value="1")
        assert (await give(town, boss, "set", setting="runs_per_hour", value="1")).startswith("Done: set")
        assert await refuses("You may give 1 runs an hour", runs=2)(town, True)
        there = town.server.channel_id("general", guild_id=other)
        for _ in range(2):
            run = await town.run("print()", command="run modal", gpu="T4", channel=there)
            assert "is here" in (await run.answered()).content
        for wrong, words in (
            ({"setting": "colour", "value": "1"}, "There is no setting of that name; choose one of `runs_at_once`"),
            ({"setting": "runs_at_once", "value": "-1"}, "`runs_at_once` must be a whole number from 0"),
            ({"setting": "gpus", "value": "`T4`"}, "`gpus` must be names of GPUs"),
        ):
            assert words in await give(town, boss, "set", **wrong)
