"""`/run` wherever a member can type it, and where the bot may do less than it would like."""

from __future__ import annotations

import pytest
from town import Place, Town

from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status
from cluster_sandbox.discord.model import ChannelType

HELLO = "print('hello')"

pytestmark = pytest.mark.usefixtures("bot")


def _parts(town: Town, place: Place) -> list[str]:
    """What each of a run's messages calls itself where it shares a channel with others."""
    start = len(f"-# Run #{place.number} · ")
    return [one.content.partition("\n")[0][start:] for one in town.of(place) if messages.is_part(one.content)]


async def _said_here(town: Town, place: Place, channel: int) -> None:
    """The run's messages stand in `channel`, each marked, the anchor first, and no thread was made."""
    assert place.room == channel
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["hello"]
    assert _parts(town, place) == ["status", "output 1", "verdict"]
    anchors = [one for one in town.server.messages(channel) if one.content.startswith(f"**Run #{place.number}**")]
    assert len(anchors) == 1
    assert anchors[0].content.endswith(messages.STATUS_WORDS[Status.SUCCEEDED])


async def test_in_a_text_channel_a_thread_is_made_and_its_owner_is_in_it(town: Town) -> None:
    place = await town.open(HELLO)
    assert await town.verdict(place) is Status.SUCCEEDED
    (thread,) = town.server.threads(parent_id=town.general)
    assert (thread.id, thread.name) == (place.room, f"#{place.number} program.py")
    assert thread.thread is not None
    assert town.ada.user_id in thread.thread.members
    status, output, verdict = town.of(place)
    assert not status.components
    assert output.content == "```\nhello\n```"
    assert messages.verdict_status(verdict.content) is Status.SUCCEEDED
    anchor = town.server.message(place.room)
    assert anchor.content.endswith(messages.STATUS_WORDS[Status.SUCCEEDED])


async def test_in_an_announcement_channel_the_thread_is_an_announcement_thread(town: Town) -> None:
    place = await town.open(HELLO, channel=town.server.channel_id("news"))
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["hello"]
    assert town.server.channel(place.room).type is ChannelType.NEWS_THREAD


async def test_in_a_thread_it_stays_there(town: Town) -> None:
    thread = town.server.start_thread(town.general, "talk", owner=town.ada)
    await _said_here(town, await town.open(HELLO, channel=thread), thread)
    assert len(town.server.threads()) == 1


async def test_in_a_forum_post_it_stays_there(town: Town) -> None:
    post = town.server.start_post(town.server.channel_id("questions"), "why", "is it slow?", owner=town.ada)
    await _said_here(town, await town.open(HELLO, channel=post), post)
    assert len(town.server.threads()) == 1


async def test_in_the_chat_of_a_voice_channel_it_stays_there(town: Town) -> None:
    lounge = town.server.channel_id("lounge")
    await _said_here(town, await town.open(HELLO, channel=lounge), lounge)
    assert town.server.threads() == []


@pytest.mark.parametrize("missing", ["CREATE_PUBLIC_THREADS", "SEND_MESSAGES_IN_THREADS"])
async def test_where_no_thread_can_be_used_the_output_goes_into_the_channel(town: Town, missing: str) -> None:
    town.server.deny(town.general, missing)
    await _said_here(town, await town.open(HELLO), town.general)
    assert town.server.threads() == []


NEEDED = {
    "SEND_MESSAGES": "*Send Messages*",
    "SEND_MESSAGES ATTACH_FILES": "*Send Messages* and *Attach Files*",
    "SEND_MESSAGES CREATE_PUBLIC_THREADS READ_MESSAGE_HISTORY": (
        "*Send Messages*, *Create Public Threads* and *Read Message History*"
    ),
    "VIEW_CHANNEL": (
        "*View Channel*, *Send Messages*, *Send Messages in Threads*, *Create Public Threads*, *Attach Files* and "
        "*Read Message History*"
    ),
}


@pytest.mark.parametrize("missing", NEEDED)
async def test_where_nothing_can_be_written_nothing_is_admitted(town: Town, missing: str) -> None:
    town.server.deny(town.general, *missing.split())
    refused = await (await town.run(HELLO)).answered()
    assert refused.content == messages.CANNOT_WRITE_HERE.format(missing=NEEDED[missing])
    assert refused.ephemeral
    assert await town.runs_of(town.ada) == []


async def test_a_thread_that_may_not_be_written_to_is_refused_too(town: Town) -> None:
    thread = town.server.start_thread(town.general, "talk", owner=town.ada)
    town.server.deny(town.general, "SEND_MESSAGES_IN_THREADS", "SEND_MESSAGES", "CREATE_PUBLIC_THREADS")
    refused = await (await town.run(HELLO, channel=thread)).answered()
    assert refused.content == messages.CANNOT_WRITE_HERE.format(missing="*Send Messages in Threads*")
    assert refused.ephemeral
    assert await town.runs_of(town.ada) == []


async def test_two_runs_in_one_thread_do_not_mix(town: Town) -> None:
    thread = town.server.start_thread(town.general, "talk", owner=town.ada)
    bob = town.server.member("bob")
    first, let_first = await town.hold("one", channel=thread)
    second, let_second = await town.hold("two", channel=thread, member=bob)
    assert first.room == second.room == thread
    let_second()
    assert await town.verdict(second) is Status.SUCCEEDED
    assert town.lines(first) == ["before"]
    let_first()
    assert await town.verdict(first) is Status.SUCCEEDED
    for place in (first, second):
        assert town.lines(place) == ["before", "after"]
        assert _parts(town, place)[-1] == "verdict"


async def test_two_runs_in_one_channel_have_a_thread_each(town: Town) -> None:
    first, let_first = await town.hold("one")
    second, let_second = await town.hold("two", member=town.server.member("bob"))
    let_first()
    let_second()
    assert first.room != second.room
    for place in (first, second):
        assert await town.verdict(place) is Status.SUCCEEDED
        assert town.lines(place) == ["before", "after"]
