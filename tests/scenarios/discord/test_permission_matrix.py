"""Who may use which command where: every command the bot registers, by every kind of member, in every state.

The table says for each command whether it submits, only shows and ends what is the member's own, or is for admins or
for whoever runs the bot. A command that is not in the table fails: whoever adds one says here who may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

import pytest
from town import QUICK, Town

from cluster_bot.runs.ports import GpuOffer
from cluster_sandbox.discord import Acting, CommandError, DiscordServer, File, Interaction
from offering import NoBoxes, Offering

PROGRAM = File("program.py", b"print('hello')")


class Kind(Enum):
    """What a command does, and so who may use it."""

    SUBMITS = auto()  # members who are not banned, while nothing is paused, where runs may be asked for
    OWN = auto()  # every member, of what is theirs
    ADMINS = auto()  # who may manage the server, or has a role that they chose
    MANAGERS = auto()  # who may manage the server alone
    OPERATORS = auto()  # who runs the bot


# Each with options that would do something, in an order in which each still can.
COMMANDS: Mapping[str, tuple[Kind, Callable[[Town], dict[str, Any]]]] = {
    "run local": (Kind.SUBMITS, lambda town: {"script": PROGRAM}),
    "run github": (Kind.SUBMITS, lambda town: {"script": PROGRAM, "gpu": "H100"}),
    "run modal": (Kind.SUBMITS, lambda town: {"script": PROGRAM, "gpu": "T4"}),
    "run auto": (Kind.SUBMITS, lambda town: {"script": PROGRAM, "gpu": "H100"}),
    "run paste": (Kind.SUBMITS, lambda town: {}),
    "rerun": (Kind.SUBMITS, lambda town: {"run": "1"}),
    "runs": (Kind.OWN, lambda town: {}),
    "run-info": (Kind.OWN, lambda town: {"run": "1"}),
    "logs": (Kind.OWN, lambda town: {"run": "1"}),
    "gpus": (Kind.OWN, lambda town: {}),
    "cancel": (Kind.OWN, lambda town: {"run": "1"}),
    "ping": (Kind.OWN, lambda town: {}),
    "resync": (Kind.ADMINS, lambda town: {}),
    "admin settings": (Kind.ADMINS, lambda town: {}),
    "admin journal": (Kind.ADMINS, lambda town: {}),
    "admin set": (Kind.ADMINS, lambda town: {"setting": "runs_at_once", "value": "2"}),
    "admin limit": (Kind.ADMINS, lambda town: {"member": town.ada, "runs_at_once": "1"}),
    "admin channel": (Kind.ADMINS, lambda town: {"channel": town.general}),
    "admin log": (Kind.ADMINS, lambda town: {"channel": town.general}),
    "admin ban": (Kind.ADMINS, lambda town: {"member": town.server.member("stranger"), "cancel_runs": False}),
    "admin unban": (Kind.ADMINS, lambda town: {"member": town.server.member("stranger")}),
    "admin pause": (Kind.ADMINS, lambda town: {"launcher": "local"}),
    "admin resume": (Kind.ADMINS, lambda town: {"launcher": "local"}),
    "admin cancel": (Kind.ADMINS, lambda town: {"all_runs": True}),
    "admin role": (
        Kind.MANAGERS,
        lambda town: {"role": town.server.admin.give_role(town.server.member("nobody"), "some")},
    ),
    "admin drain": (Kind.OPERATORS, lambda town: {}),
    "verify": (Kind.OPERATORS, lambda town: {"launcher": "modal"}),
    "admin runners": (Kind.OPERATORS, lambda town: {}),
    "admin runner add": (Kind.OPERATORS, lambda town: {"name": "box", "gpu": "H100", "vendor": "nvidia"}),
    "admin runner remove": (Kind.OPERATORS, lambda town: {"name": "box"}),
}
# What tells a refusal for want of rights from every other answer.
NO_RIGHT = (
    "Only members who may manage this server",
    "only whoever runs this bot can do it",
    "An admin has banned you",
    "New runs are paused",
    "New runs on",
    "Runs are asked for in",
    "does not run programs in this server",
)


class Stands(Offering):
    """A launcher that takes what it is given and never begins it."""


class Lends(Stands):
    """The same, with machines that people lend: none, and none is taken."""

    boxes = NoBoxes()


@pytest.fixture
def server() -> DiscordServer:
    """One that lets a bot write as fast as it can: what is tried is who may, not how fast."""
    return DiscordServer(policy=QUICK)


@pytest.fixture
def launchers() -> list[Offering]:
    github, modal = Lends("github", GpuOffer("H100")), Stands("modal", GpuOffer("T4"), GpuOffer("H100"))
    return [Stands("local", GpuOffer(None)), github, modal]


async def give(town: Town, who: Acting, command: str, channel: int) -> str:
    """ "" where it was done or answered, else why not; "hidden" where Discord does not show them the command."""
    options = COMMANDS[command][1](town)
    try:
        given = await who.command(command, channel_id=channel, options=options)
    except CommandError as error:
        assert "no command" in str(error), error
        return "hidden"
    answered: Interaction = await given.answered()
    assert answered.failed is None
    if answered.modal is not None or not answered.content:
        return ""
    # The table of `/verify` is for all, and fills; why somebody may not have one is for them alone.
    assert answered.ephemeral or answered.content.startswith("### ")
    return answered.content if any(one in answered.content for one in NO_RIGHT) else ""


async def refusals(town: Town, who: Acting, channel: int | None = None) -> dict[str, str]:
    """What every command that was not done was answered with."""
    asked = {name: await give(town, who, name, channel or town.general) for name in COMMANDS}
    return {name: answer for name, answer in asked.items() if answer}


def of(*kinds: Kind) -> set[str]:
    """The commands of these kinds."""
    return {name for name, (kind, _) in COMMANDS.items() if kind in kinds}


async def test_every_command_for_everybody(town: Town, launchers: list[Offering]) -> None:
    boss = town.server.member("owner", administrator=True)
    helper, stranger = town.server.member("helper"), town.server.member("stranger")
    helpers = town.server.admin.give_role(helper, "helpers")
    other = town.server.add_guild("Another", "general")
    there = town.server.channel_id("general", guild_id=other)
    both = frozenset({town.server.guild_id, other})
    more: dict[str, Any] = {
        "launchers": launchers,
        "local_enabled": False,
        "discord_operators": frozenset({boss.user_id}),
    }
    async with town.bot(live_runs_per_member=500, discord_guilds=both, **more):
        registered = set(boss.commands(town.general))
        # Those of the menu of a message are no typed commands; they submit, as `/run paste` does.
        assert registered - {"Run this code"} == set(COMMANDS)
        ordered = of(Kind.ADMINS, Kind.MANAGERS, Kind.OPERATORS)

        await town.open("print('mine')")
        # A member: everything that is not an admin's, which Discord does not even show.
        assert await refusals(town, town.ada) == dict.fromkeys(ordered, "hidden")
        # An admin by role sees the commands where the server lets them, and decides for this server alone.
        for command in ("admin", "resync", "verify"):
            town.server.admin.let_use(helpers, command)
        assert set(await refusals(town, helper)) == ordered
        await (await boss.command("admin role", channel_id=town.general, options={"role": helpers})).answered()
        assert set(await refusals(town, helper)) == of(Kind.MANAGERS, Kind.OPERATORS)
        assert "only whoever runs this bot" in (await refusals(town, helper))["admin drain"]
        # Their rights end at the server's edge.
        elsewhere = await refusals(town, helper, there)
        assert elsewhere == dict.fromkeys(ordered, "hidden")
        # Whoever runs the bot may everything.
        assert await refusals(town, boss) == {}
        await undo(town, boss, "resume", everywhere=True)

        # Banned: nothing new runs for them, and what is theirs stays theirs.
        await undo(town, boss, "ban", member=town.ada)
        banned = await refusals(town, town.ada)
        assert set(banned) == ordered | of(Kind.SUBMITS)
        assert all("banned" in banned[one] for one in of(Kind.SUBMITS))
        assert set(await refusals(town, stranger)) == ordered
        # A ban here is none in another server.
        assert set(await refusals(town, town.ada, there)) == ordered
        await undo(town, boss, "unban", member=town.ada)

        # Paused: nothing new runs for anybody, and all the rest goes on.
        await undo(town, boss, "pause")
        assert set(await refusals(town, town.ada, there)) == ordered
        for who in (town.ada, boss):
            paused = await refusals(town, who)
            assert {one for one, why in paused.items() if "paused" in why} == of(Kind.SUBMITS)
        await undo(town, boss, "resume")
        await undo(town, boss, "resume", everywhere=True)

        # The wrong channel.
        kernels = town.server.add_channel("kernels")
        await undo(town, boss, "channel", channel=town.general, allowed=False)
        await undo(town, boss, "channel", channel=kernels)
        wrong = await refusals(town, town.ada)
        assert {one for one, why in wrong.items() if f"<#{kernels}>" in why} == of(Kind.SUBMITS)
        assert set(await refusals(town, town.ada, kernels)) == ordered

    # A server that is not served: nothing at all, for nobody. Discord would not show commands there; one that was
    # registered before still reaches the bot.
    unserved = town.server.add_guild("Not served", "general")
    room = town.server.channel_id("general", guild_id=unserved)
    async with town.bot(**more):
        for who in (town.ada, boss):
            assert set((await refusals(town, who, room)).values()) <= {"hidden"}


async def undo(town: Town, boss: Acting, command: str, **options: Any) -> None:
    """An order of the boss's, which must be taken."""
    answered = await (await boss.command(f"admin {command}", channel_id=town.general, options=options)).answered()
    assert answered.content.startswith("Done: "), answered.content
