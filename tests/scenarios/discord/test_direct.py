"""Runs in direct messages with the bot, and of members who bring it to places that it is no member of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asking import ask, press, text
from town import HOLDING, Place, Town

from cluster_bot.app import Parts
from cluster_bot.discord_bot import messages
from cluster_bot.runs.refusals import SENTENCES, Refusal
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import DiscordServer, Fault, Interaction, Message, Policy

HELLO = "print('hello')"
EVERYWHERE: dict[str, Any] = {"discord_guilds": frozenset()}


@pytest.fixture
def server() -> DiscordServer:
    """With more room in a channel than there is: here all runs of a test share one, and would wait five seconds."""
    return DiscordServer(policy=Policy(message_bucket=(50, 5.0), edit_bucket=(50, 5.0)))


@pytest.fixture
async def bot(town: Town) -> AsyncIterator[Parts]:
    """A bot that serves every server, and so everybody."""
    async with town.bot(**EVERYWHERE) as parts:
        yield parts


def _strange(town: Town) -> int:
    """A channel of a server that ada brings the bot to, which is no member there."""
    town.ada.install()
    return town.server.add_channel("general", guild_id=town.server.add_guild("Elsewhere", bot=False))


def _group(town: Town) -> int:
    """A group of friends that ada brings the bot to."""
    town.ada.install()
    return town.server.add_group(town.ada, town.server.member("bob"))


def _cancel(town: Town, place: Place) -> Message:
    """The message with the run's Cancel button."""
    return next(one for one in town.of(place) if one.components)


@pytest.mark.usefixtures("bot")
async def test_a_run_in_direct_messages_is_shown_there(town: Town) -> None:
    place = await town.open(HELLO, channel=town.ada.dm)
    assert place.room == town.ada.dm
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["hello"]
    assert town.server.messages(place.room)[0].content.startswith(f"**Run #{place.number}**")
    assert town.server.threads() == []


@pytest.mark.usefixtures("bot")
async def test_ping_and_cancel_work_there(town: Town) -> None:
    assert {"ping", "cancel", "run local"} <= set(town.ada.commands(town.ada.dm))
    assert "resync" not in town.ada.commands(town.ada.dm)
    pong = await (await town.ada.command("ping", channel_id=town.ada.dm)).answered()
    assert pong.content.startswith("Pong:")
    for by_button in (True, False):
        place, _ = await town.hold(str(by_button), channel=town.ada.dm)
        if by_button:
            wish = await town.ada.press(_cancel(town, place).id, channel_id=place.room, label="Cancel")
        else:
            wish = await town.ada.command("cancel", channel_id=town.ada.dm, options={"run": place.number})
        assert (await wish.answered()).content == messages.STOP_WISHED.format(number=place.number)
        assert await town.verdict(place) is Status.CANCELLED


@pytest.mark.usefixtures("bot")
async def test_nobody_rules_over_runs_in_direct_messages(town: Town) -> None:
    """Neither the admins of the server that both know, nor anybody in messages of their own."""
    admin = town.server.member("carol", administrator=True)
    place, go = await town.hold(channel=town.ada.dm)
    for channel in (town.general, admin.dm):
        assert await admin.autocomplete("cancel", channel_id=channel, focused="run") == []
        refused = await admin.command("cancel", channel_id=channel, options={"run": place.number})
        assert "belongs to somebody else" in (await refused.answered()).content
    go()
    assert await town.verdict(place) is Status.SUCCEEDED


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("somewhere", [_strange, _group])
async def test_where_the_bot_is_not_the_run_is_shown_in_direct_messages(town: Town, somewhere: Any) -> None:
    channel = somewhere(town)
    assert {"ping", "cancel", "run local"} <= set(town.ada.commands(channel))
    answer = await (await town.run(HELLO, channel=channel)).answered()
    assert answer.content == messages.OPENED_DIRECT.format(number=1, room=town.ada.dm)
    assert answer.ephemeral
    place = Place(1, town.ada.dm)
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["hello"]
    assert town.server.messages(channel) == [] and answer.followups == []


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("somewhere", [_strange, _group, lambda town: town.ada.dm])
async def test_every_way_to_submit_works_there(town: Town, somewhere: Any) -> None:
    """A command, a form, a message's menu, once more: all of it is shown in direct messages."""
    channel = somewhere(town)
    said = await town.ada.say(channel, "```py\nprint('hello')\n```")
    menu = await (await town.ada.context(messages.RUN_THIS_CODE, said.id, channel_id=channel)).answered()
    form = await (await town.ada.command("run paste", channel_id=channel)).answered()
    ways: list[Callable[[], Awaitable[Interaction]]] = [
        lambda: town.ada.submit(menu, {}),
        lambda: town.ada.submit(form, {"code": HELLO, "language": "python"}),
        lambda: town.ada.command("rerun", channel_id=channel, options={"run": "1"}),
    ]
    for number, submit in enumerate(ways, 1):
        answer = await (await submit()).answered()
        assert answer.content == messages.OPENED_DIRECT.format(number=number, room=town.ada.dm)
        place = Place(number, town.ada.dm)
        assert await town.verdict(place) is Status.SUCCEEDED
        assert town.lines(place) == ["hello"]


async def test_a_restart_goes_on_in_the_same_direct_messages(town: Town) -> None:
    gate, channel = town.folder / "go", _strange(town)
    async with town.bot(**EVERYWHERE):
        place = await town.open(HOLDING, channel=channel, arguments=str(gate))
        await town.line(place, "before")
    gate.touch()
    async with town.bot(**EVERYWHERE):
        assert await town.verdict(place) is Status.SUCCEEDED
        assert place.room == town.ada.dm
        assert town.lines(place) == ["before", "after"]
        told = [one.content.partition("\n")[0] for one in town.of(place)]
        assert len(told) == len(set(told)) == 3


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("which", range(4), ids=["anchor", "status", "output", "verdict"])
async def test_what_was_made_there_is_not_made_twice(town: Town, which: int) -> None:
    """The answer to a create gets lost; the message is found among those of other runs, and of the member."""
    place, go = await town.hold("one", channel=town.ada.dm)
    await town.ada.say(town.ada.dm, "what a day")
    route = "/channels/{channel_id}/messages"
    fault = Fault(method="POST", route=route, when="after", drop_connection=True, skip=which)
    town.server.faults.add(fault)
    other = await town.open(HELLO, channel=_strange(town))
    assert other.room == town.ada.dm
    assert await town.verdict(other) is Status.SUCCEEDED
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert fault.hits == 1
    assert (town.lines(other), town.lines(place)) == (["hello"], ["before", "after"])
    assert len(town.of(other)) == len(town.of(place)) == 3


@pytest.mark.usefixtures("bot")
async def test_closed_direct_messages_are_refused_before_anything_is_admitted(town: Town) -> None:
    town.ada.close_dms()
    for channel in (_strange(town), _group(town), town.ada.dm):
        refused = await (await town.run(HELLO, channel=channel)).answered()
        assert refused.content == SENTENCES[Refusal.NO_DIRECT_MESSAGES]
        assert refused.ephemeral
    assert await town.runs_of(town.ada) == []


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("when", ["opening", "running"])
async def test_where_they_are_closed_later_the_run_goes_on_unseen(town: Town, when: str) -> None:
    """Where Discord did not say so in time, the answer does; afterwards there is nobody to tell."""
    channel, gate = _strange(town), town.folder / "go"
    if when == "opening":
        route, closing = "/channels/{channel_id}/typing", lambda request: town.ada.close_dms()
        town.server.faults.add(Fault(method="POST", route=route, when="after", status=None, action=closing))
    answer = await (await town.run(HOLDING, channel=channel, arguments=str(gate))).answered()
    place = Place(1, town.ada.dm)
    if when == "opening":
        assert answer.content == messages.UNSEEN.format(number=1)
    else:
        await town.line(place, "before")
        town.ada.close_dms()
    gate.touch()
    assert (await town.ended(place)).status is Status.SUCCEEDED
    await town.closed(place)


async def test_with_a_guild_list_only_people_on_the_list_bring_it_along(town: Town) -> None:
    bob = town.server.member("bob")
    bob.install()
    strange = _strange(town)
    async with town.bot(discord_users=frozenset({bob.user_id})):
        for channel in (strange, town.ada.dm):
            refused = await (await town.run(HELLO, channel=channel)).answered()
            assert refused.content == SENTENCES[Refusal.NOT_ALLOWED_ALONE]
            assert refused.ephemeral
            pong = await (await town.ada.command("ping", channel_id=channel)).answered()
            assert pong.content == SENTENCES[Refusal.NOT_ALLOWED_ALONE]
        for channel in (strange, bob.dm, town.general):
            place = await town.open(HELLO, channel=channel, member=bob)
            assert await town.verdict(place) is Status.SUCCEEDED
            assert place.room == bob.dm or channel == town.general
        elsewhere = town.server.add_channel("general", guild_id=town.server.add_guild("Third"))
        refused = await (await town.run(HELLO, channel=elsewhere, member=bob)).answered()
        assert refused.content == SENTENCES[Refusal.NOT_ALLOWED_HERE]


async def test_commands_are_registered_once_wherever_they_can_be_used(town: Town) -> None:
    commands, guild = town.server.service.commands, town.server.guild_id

    def registered() -> tuple[bool, bool]:
        return bool(commands.listed(None)), bool(commands.listed(guild))

    async with town.bot():
        assert registered() == (False, True)
        assert town.ada.commands(town.ada.dm) == []
    async with town.bot(discord_users=frozenset({town.ada.user_id})):
        assert registered() == (True, False)
        assert "run local" in town.ada.commands(town.ada.dm)
    async with town.bot():
        assert registered() == (False, True)


def _own_messages(town: Town) -> int:
    return town.ada.dm


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("somewhere", [_own_messages, _strange, _group])
async def test_lists_logs_and_once_more_work_wherever_the_member_is(town: Town, somewhere: Any) -> None:
    channel = somewhere(town)
    await (await town.run(HELLO, channel=channel)).answered()
    assert await town.verdict(Place(1, town.ada.dm)) is Status.SUCCEEDED
    listed = await ask(town, "runs", None, channel)
    assert "**#1**" in text(listed.message)
    assert f"https://discord.com/channels/@me/{town.ada.dm}/" in text(listed.message)
    assert "### Run #1" in text((await ask(town, "run-info", None, channel, run="1")).message)
    log = await ask(town, "logs", None, channel, run="1")
    assert log.message is not None and [one.data for one in log.message.attachments] == [b"hello\n"]
    await press(town, listed, "rerun:1")
    assert await town.verdict(Place(2, town.ada.dm)) is Status.SUCCEEDED
    await ask(town, "rerun", None, channel, run="1")
    assert await town.verdict(Place(3, town.ada.dm)) is Status.SUCCEEDED
    # It is nobody else's business, wherever they ask.
    for elsewhere in (town.general, town.server.member("bob").dm):
        refused = await ask(town, "logs", town.server.member("bob"), elsewhere, run="1")
        assert refused.content.startswith("Run #1 belongs to somebody else")


async def test_an_application_for_servers_only_has_commands_for_servers(town: Town) -> None:
    """Should Discord take no commands for accounts because its portal does not let the application go there."""
    route = "/applications/{application_id}/commands"
    refusal = {"code": 50035, "message": "Invalid Form Body", "errors": {}}
    town.server.faults.add(Fault(method="PUT", route=route, status=400, body=refusal))
    strange = _strange(town)
    async with town.bot(**EVERYWHERE):
        assert town.ada.commands(strange) == []
        assert await town.verdict(await town.open(HELLO)) is Status.SUCCEEDED
        assert await town.verdict(await town.open(HELLO, channel=town.ada.dm)) is Status.SUCCEEDED
