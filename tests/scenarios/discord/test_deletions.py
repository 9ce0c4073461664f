"""People delete, archive and lock things in the middle of a run: it goes on, and so do all others."""

from __future__ import annotations

import pytest
from town import Town, has_button

from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import DiscordServer, Fault, Policy

pytestmark = pytest.mark.usefixtures("bot")


async def test_the_thread_is_deleted(town: Town) -> None:
    place, go = await town.hold("one")
    other, let_other = await town.hold("two", member=town.server.member("bob"))
    town.delete_thread(place.room)
    go()
    assert (await town.ended(place)).status is Status.SUCCEEDED
    await town.closed(place)
    let_other()
    assert await town.verdict(other) is Status.SUCCEEDED
    assert town.lines(other) == ["before", "after"]


async def test_the_anchor_is_deleted(town: Town) -> None:
    place, go = await town.hold()
    town.delete(town.server.message(place.room))
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["before", "after"]


async def test_the_status_message_is_deleted(town: Town) -> None:
    place, go = await town.hold()
    town.delete(next(one for one in town.of(place) if has_button(one, "Cancel")))
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["before", "after"]
    assert not any(has_button(one, "Cancel") for one in town.of(place))


async def test_the_newest_output_is_deleted_and_what_comes_next_is_shown(town: Town) -> None:
    place, go = await town.hold()
    town.delete(next(one for one in town.of(place) if "before" in one.content))
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["after"]


async def test_the_thread_is_archived(town: Town) -> None:
    place, go = await town.hold()
    thread = town.server.channel(place.room)
    town.server.admin.archive(place.room)
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["before", "after"]
    assert thread.thread is not None
    assert not thread.thread.archived
    assert not any(has_button(one, "Cancel") for one in town.of(place))


async def test_the_thread_is_locked(town: Town) -> None:
    place, go = await town.hold()
    town.server.admin.archive(place.room, locked=True)
    go()
    assert (await town.ended(place)).status is Status.SUCCEEDED
    await town.closed(place)
    assert await town.verdict(await town.open("print(1)")) is Status.SUCCEEDED


async def test_the_right_to_write_goes_while_the_run_opens(town: Town) -> None:
    """The member is told, and can still cancel."""
    town.server.faults.add(
        Fault(
            method="POST",
            route="/channels/{channel_id}/messages",
            status=None,
            action=lambda request: town.server.deny(town.general, "SEND_MESSAGES"),
        )
    )
    answer = await (await town.run("import time; time.sleep(60)")).answered()
    assert answer.content == messages.UNSEEN.format(number=1)
    stop = await (await town.ada.command("cancel", channel_id=town.general, options={"run": 1})).answered()
    assert stop.content in (messages.STOP_WISHED.format(number=1), messages.CANCELLED_AT_ONCE.format(number=1))


class TestOldMessages:
    """Discord takes few edits of messages older than an hour, and here none at all."""

    @pytest.fixture
    def server(self) -> DiscordServer:
        return DiscordServer(policy=Policy(old_edits=0, old_edit_retry_s=0.01))

    async def test_lines_go_on_below(self, town: Town) -> None:
        place, go = await town.hold()
        town.server.clock.advance(2 * 3600)
        go()
        assert await town.verdict(place) is Status.SUCCEEDED
        blocks = [one.content for one in town.of(place) if "```" in one.content]
        assert blocks == ["```\nbefore\n```", "```\nafter\n```"]
