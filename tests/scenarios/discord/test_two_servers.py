"""Two servers and whoever runs the bot: how far each word goes, and who hears of it."""

from __future__ import annotations

from typing import Any

import pytest
from town import HOLDING, QUICK, Place, Town, refused

from cluster_sandbox.discord import Acting, DiscordServer, Interaction


@pytest.fixture
def server() -> DiscordServer:
    return DiscordServer(policy=QUICK)


@pytest.fixture
def boss(town: Town) -> Acting:
    """Whoever runs the bot, and an admin of both servers."""
    return town.server.member("owner", administrator=True)


@pytest.fixture
def there(town: Town, boss: Acting) -> int:
    """A channel of the other server, where ada is too."""
    other = town.server.add_guild("Another", "general")
    for one in (boss, town.ada):
        one.join(town.server.service.world.guilds[other])
    town.server.admin.give_role(boss, "owners", ["ADMINISTRATOR"], guild_id=other)
    return town.server.channel_id("general", guild_id=other)


def served(town: Town, there: int, boss: Acting) -> dict[str, Any]:
    """The settings of a bot that serves both."""
    other = town.server.service.world.channel(there).guild_id
    return {
        "discord_guilds": frozenset({town.server.guild_id, other}),
        "discord_operators": frozenset({boss.user_id}),
        "live_runs_per_member": 9,
    }


async def ask(who: Acting, channel: int, command: str, /, **options: Any) -> Interaction:
    return await (await who.command(command, channel_id=channel, options=options)).answered()


async def told(who: Acting, channel: int, command: str, /, **options: Any) -> str:
    """What `/admin` answers."""
    answer = await ask(who, channel, f"admin {command}", **options)
    return answer.content or str(answer.message and answer.message.components)


async def holding(town: Town, channel: int) -> Place:
    return await town.open(HOLDING, arguments=str(town.folder / "never"), channel=channel)


async def test_a_word_for_one_server_ends_no_run_of_another(town: Town, boss: Acting, there: int) -> None:
    async with town.bot(**served(town, there, boss)):
        mine, theirs = await holding(town, town.general), await holding(town, there)
        assert await told(boss, town.general, "cancel", all_runs=True) == f"Done: cancelled #1 of {town.ada.mention}."
        await town.ended(mine)
        mine = await holding(town, town.general)
        assert f"cancelled #3 of {town.ada.mention}" in await told(boss, town.general, "ban", member=town.ada)
        await town.ended(mine)
        assert not (await town.run_of(theirs)).status.final
        assert "#2" in await told(boss, town.general, "cancel", all_runs=True, everywhere=True)
        await town.ended(theirs)
        # The admins there hear of it, and not those here.
        assert "cancelled #2" in await told(boss, there, "journal")
        assert "cancelled #2" not in await told(boss, town.general, "journal")


async def test_admins_hear_of_their_own_runs_wherever_they_are_cancelled_from(
    town: Town, boss: Acting, there: int
) -> None:
    async with town.bot(**served(town, there, boss)):
        theirs = [await holding(town, there), await holding(town, there)]
        await ask(boss, town.general, "cancel", run="1")
        await told(boss, town.general, "cancel", run="2")
        for one in theirs:
            await town.ended(one)
        journal = await told(boss, there, "journal")
        assert "cancelled #1" in journal
        assert "cancelled #2" in journal
        helper = town.server.member("helper", permissions=["MANAGE_GUILD"])
        refused(
            await ask(helper, town.general, "admin cancel", all_runs=True, everywhere=True), "whoever runs this bot"
        )


async def test_a_server_may_lower_what_a_role_has_everywhere(town: Town, boss: Acting, there: int) -> None:
    helpers = town.server.admin.give_role(town.ada, "helpers")
    async with town.bot(**(served(town, there, boss) | {"live_runs_per_member": 2})):
        everywhere = {"role": helpers, "runs_at_once": "9", "everywhere": True}
        assert "for all servers" in await told(boss, town.general, "limit", **everywhere)
        for who in ({"role": helpers}, {"member": town.ada}):
            said = await told(boss, town.general, "limit", **who, runs_at_once="5")
            assert said.startswith("Done: gave"), said
            assert "which is 9" in await told(boss, town.general, "limit", **who, runs_at_once="10")
