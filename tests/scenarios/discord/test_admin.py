"""What admins decide with `/admin`: in force at once, kept over a restart, told in the journal."""

from __future__ import annotations

from typing import Any

import pytest
from town import HOLDING, Place, Town, refused

from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.run import Reason, Status
from cluster_sandbox.discord import Acting, CommandError, Interaction
from offering import Offering

HELLO = "print('hello')"


async def ask(town: Town, who: Acting, command: str, /, **options: Any) -> Interaction:
    """A command's private answer."""
    given = await who.command(command, channel_id=town.general, options=options)
    answered = await given.answered()
    assert answered.failed is None
    assert answered.ephemeral
    return answered


async def told(town: Town, who: Acting, command: str, /, **options: Any) -> str:
    """What `/admin` answers."""
    answer = await ask(town, who, f"admin {command}", **options)
    return answer.content or shown(answer)


def shown(answer: Interaction) -> str:
    """The text of a laid-out answer."""
    assert answer.message is not None
    return str(answer.message.components)


async def asked(town: Town, member: Acting | None = None, **options: Any) -> str:
    """What a member is told who asks for a run."""
    return (await (await town.run(HELLO, member=member, **options)).answered()).content


@pytest.fixture
def boss(town: Town) -> Acting:
    return town.server.member("owner", administrator=True)


@pytest.mark.usefixtures("bot")
async def test_pause_and_resume(town: Town, boss: Acting) -> None:
    place, go = await town.hold()
    answer = await told(town, boss, "pause", why="new driver, back soon", hours=2)
    assert answer.startswith("Done: paused everything until <t:")
    assert answer.endswith("(new driver, back soon). What is under way goes on (1 run).")
    for command in ("run local", "run paste"):
        given = await (
            town.run(HELLO) if command == "run local" else town.ada.command(command, channel_id=town.general)
        )
        refused(await given.answered(), "(new driver, back soon); try again later, what is under way goes on.")
    # Admins too: a pause that lets some through is none. And the run that was there ends as if nothing were.
    refused(await (await town.run(HELLO, member=boss)).answered(), "New runs are paused")
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert await told(town, boss, "resume") == "Done: resumed everything."
    assert (await asked(town)).startswith("Run #2 is here")
    refused(await ask(town, boss, "admin resume"), "That is not paused")


async def test_one_launcher_and_one_gpu(town: Town, boss: Acting) -> None:
    github, modal = Offering("github", GpuOffer("H100"), GpuOffer("T4")), Offering("modal", GpuOffer("H100"))
    async with town.bot(launchers=[github, modal]):
        await told(town, boss, "pause", gpu="h100", launcher="github", why="broken fan")
        on_github = {"command": "run github", "gpu": "H100:2"}
        assert await asked(town, **on_github) == (
            "New runs on that GPU of `github` are paused (broken fan); choose another GPU, or try again later."
        )
        assert "paused" in shown(await ask(town, town.ada, "gpus"))
        assert (await asked(town, command="run github", gpu="T4")).startswith("Run #1 is here")
        # Whoever leaves the choice to the bot never gets what is paused.
        assert (await asked(town, command="run auto", gpu="H100")).startswith("Run #2 is here")
        assert (await town.run_of(Place(2, 0))).launcher == "modal"
        await told(town, boss, "pause", launcher="modal")
        assert await asked(town, command="run auto", gpu="H100") == (
            "New runs on that GPU of `github` are paused (broken fan); choose another GPU, or try again later."
        )
        assert (await asked(town, command="run modal", gpu="H100")).startswith(
            "New runs on that GPU of `modal` are paused; choose"
        )
        await told(town, boss, "resume", launcher="modal")
        assert (await asked(town, command="run modal", gpu="H100")).startswith("Run #3 is here")
        assert await told(town, boss, "resume") == "Done: resumed `H100` of `github`."


@pytest.mark.usefixtures("bot")
async def test_drain(town: Town, boss: Acting) -> None:
    log = town.server.add_channel("admins")
    await told(town, boss, "log", channel=log)
    place, go = await town.hold()
    assert "the journal says when the last of them has ended" in await told(town, boss, "drain", why="deploy")
    assert "New runs are paused (deploy)" in await asked(town)
    go()
    await town.verdict(place)
    await town.event(lambda event: event.channel_id == log and "Drained: no run is under way" in event.content)
    await told(town, boss, "resume")
    assert sum("Drained" in one.content for one in town.server.messages(log)) == 1


async def test_the_journal_is_shown_once_in_order_and_kept(town: Town, boss: Acting) -> None:
    log = town.server.add_channel("admins")
    async with town.bot():
        await told(town, boss, "set", setting="runs_per_hour", value="7")
        answer = await told(town, boss, "log", channel=log)
        assert answer == f"Done: let the journal be shown in <#{log}>."
        await told(town, boss, "pause", why="one")
    async with town.bot():
        await told(town, boss, "resume")
        await told(town, boss, "ban", member=town.ada, why="two *bold* @everyone")
        await town.event(lambda event: event.channel_id == log and "banned" in event.content)
        said = [one.content.splitlines()[0] for one in town.server.messages(log)]
        # What was decided just before there was a channel may stand above.
        assert said[-4:] == [
            f"**owner** let the journal be shown in <#{log}>",
            "**owner** paused everything (one)",
            "**owner** resumed everything",
            f"**owner** banned {town.ada.mention} (two \\*bold\\* @\u200beveryone)",
        ]
        assert all(not one.mentions for one in town.server.messages(log))
        kept = await told(town, boss, "journal")
        assert "set `runs_per_hour` to `7`" in kept
        assert kept.index("banned") < kept.index("paused everything")


@pytest.mark.usefixtures("bot")
async def test_ban_and_unban(town: Town, boss: Acting) -> None:
    bob = town.server.member("bob")
    place, _ = await town.hold()
    answer = await told(town, boss, "ban", member=town.ada, why="mining", hours=1)
    assert f"cancelled #{place.number} of {town.ada.mention}" in answer
    assert (await town.ended(place)).reason is Reason.CANCELLED_BY_ADMIN
    refused(await (await town.run(HELLO)).answered(), "An admin has banned you from running programs until <t:")
    # They see what they have, and others run.
    assert "Cancelled" in shown(await ask(town, town.ada, "runs"))
    assert (await asked(town, bob)).startswith("Run #2 is here")
    for somebody in (boss, town.server.bot_user_id):
        refused(await ask(town, boss, "admin ban", member=somebody), "You can't ban yourself, me")
    refused(await ask(town, boss, "admin unban", member=bob), "That member is not banned")
    await told(town, boss, "unban", member=town.ada)
    assert (await asked(town)).startswith("Run #3 is here")


@pytest.mark.usefixtures("bot")
async def test_cancel_any(town: Town, boss: Acting) -> None:
    bob = town.server.member("bob")
    places = [
        await town.open(HOLDING, arguments=str(town.folder / "never"), member=who) for who in (town.ada, town.ada, bob)
    ]
    refused(await ask(town, boss, "admin cancel", run="1", all_runs=True), "one of the three")
    assert await told(town, boss, "cancel", run="#1") == f"Done: cancelled #1 of {town.ada.mention}."
    await town.ended(places[0])
    assert await told(town, boss, "cancel", run="1") == ("There is no such run under way, so nothing was cancelled.")
    await told(town, boss, "cancel", member=bob)
    assert (await town.ended(places[2])).reason is Reason.CANCELLED_BY_ADMIN
    await told(town, boss, "cancel", all_runs=True)
    for place in places:
        assert (await town.ended(place)).status is Status.CANCELLED


@pytest.mark.usefixtures("bot")
async def test_channels_and_a_role_of_their_choice(town: Town, boss: Acting) -> None:
    kernels, bob = town.server.add_channel("kernels"), town.server.member("bob")
    await told(town, boss, "channel", channel=kernels)
    refused(await (await town.run(HELLO)).answered(), f"Runs are asked for in <#{kernels}> on this server; go there")
    place = await town.open(HELLO, channel=kernels)
    # In a thread of it too.
    assert (await asked(town, channel=place.room)).startswith("Run #2 is here")
    assert await told(town, boss, "channel", channel=kernels, allowed=False) == (
        "Done: let runs be asked for in every channel."
    )
    assert (await asked(town)).startswith("Run #3 is here")

    helpers = town.server.admin.give_role(bob, "helpers")
    with pytest.raises(CommandError, match="no command"):
        await told(town, bob, "settings")
    assert "Integrations" in await told(town, boss, "role", role=helpers)
    town.server.admin.let_use(helpers, "admin")
    assert (await told(town, bob, "pause")).startswith("Done: paused everything.")
    await told(town, bob, "resume")
    refused(await ask(town, bob, "admin role", role=helpers, may=False), "can say who is an admin")
    refused(await ask(town, boss, "admin ban", member=bob), "another admin")
    await told(town, boss, "role", role=helpers, may=False)
    refused(await ask(town, bob, "admin pause"), "Only members who may manage this server")


async def test_the_first_steps_on_a_new_server(town: Town, boss: Acting) -> None:
    async with town.bot(discord_guilds=frozenset()):
        served = town.server.add_guild("Another", "general")
        room = town.server.channel_id("general", guild_id=served)
        await town.event(lambda event: event.channel_id == room and "`/admin settings` shows" in event.content)
        assert town.server.messages(town.general) == []
        # Of several servers none is everybody's: an admin's word ends at its edge.
        assert await told(town, boss, "pause") == "Done: paused everything. What is under way goes on (0 runs)."
        refused(await ask(town, boss, "admin pause", everywhere=True), "only whoever runs this bot can do it")
        refused(await ask(town, boss, "admin drain"), "only whoever runs this bot can do it")
        assert "New runs are paused" in await asked(town)
        assert (await asked(town, channel=room)).startswith("Run #1 is here")
    async with town.bot():
        unserved = town.server.add_guild("A third", "general")
        room = town.server.channel_id("general", guild_id=unserved)
        await town.event(lambda event: event.channel_id == room and "not for this server yet" in event.content)
        assert str(unserved) in town.server.messages(room)[0].content
