"""A run goes on for hours, or its thread is shut: its status stays true, and its end is told where people see it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest
from town import Place, Town, has_button

from cluster_bot.discord_bot import messages
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.run import Handle, Observation, Sighting, Status
from cluster_sandbox.discord import DiscordServer, Fault, Message, Policy
from offering import Offering

# Prints the name of each file it is given, and waits until it is there.
TWO_WAITS = """
import os, sys, time
for step in sys.argv[1:]:
    print("at", os.path.basename(step), flush=True)
    end = time.monotonic() + 60
    while not os.path.exists(step) and time.monotonic() < end:
        time.sleep(0.02)
sys.exit(3)
"""
HOURS = 2 * 3600


class Farm(Offering):
    """A launcher at which everything waits, for what the test says."""

    detail = "waits for a machine"

    def see(self, detail: str) -> str:
        """From now on it waits for this."""
        self.detail = detail
        return detail

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Everything waits for it."""
        return {handle: Observation(Sighting.PENDING, self.detail) for handle in handles}


def statuses(town: Town, place: Place) -> list[Message]:
    """What says where the run stands, oldest first."""
    marker = f"-# Run #{place.number} · status\n"
    return [one for one in town.of(place) if messages.is_status(one.content.removeprefix(marker))]


class TestOverAnHour:
    """Discord takes no edit of messages older than an hour here, and few anywhere."""

    @pytest.fixture
    def server(self) -> DiscordServer:
        return DiscordServer(policy=Policy(old_edits=0, old_edit_retry_s=0.01, edit_bucket=(50, 1.0)))

    @pytest.mark.parametrize("shared", [False, True], ids=["own thread", "somebody's thread"])
    @pytest.mark.usefixtures("bot")
    async def test_a_new_status_takes_over_and_both_buttons_work(self, town: Town, shared: bool) -> None:
        channel = town.server.start_thread(town.general, "talk", owner=town.ada) if shared else town.general
        place, _ = await town.hold(channel=channel)
        (old,) = statuses(town, place)
        said = old.content
        town.server.clock.advance(HOURS)
        await (await town.press(place)).answered()
        assert await town.verdict(place) is Status.CANCELLED
        assert old.content == said
        shown = [one for one in statuses(town, place) if one is not old]
        # Stopping may have been over before anybody looked.
        for new in shown:
            assert messages.STATUS_WORDS[Status.CANCELLED] in new.content
            assert not new.components
        assert len(shown) <= 1
        answer = await (await town.ada.press(old.id, channel_id=place.room, label="Cancel")).answered()
        assert "already over" in answer.content

    async def test_it_is_posted_once_an_hour_whatever_happens_in_between(self, town: Town) -> None:
        farm = Farm("github", GpuOffer("T4"))
        async with town.bot(launchers=[farm]):
            place = await town.open("print(1)", command="run github", gpu="T4")
            await self._says(town, place, farm.see("waits for a machine"), count=1)
            town.server.clock.advance(HOURS)
            await self._says(town, place, farm.see("waits for a truck"), count=2)
            await self._says(town, place, farm.see("waits for a ship"), count=2)
            town.server.clock.advance(HOURS)
            await self._says(town, place, farm.see("waits for a plane"), count=3)
        shown = statuses(town, place)
        assert all(has_button(one, "Cancel") for one in shown)
        assert ["ship" in one.content for one in shown] == [False, True, False]
        assert len(town.of(place)) == 3

    @pytest.mark.usefixtures("bot")
    async def test_where_nothing_may_be_read_it_goes_on_all_the_same(self, town: Town) -> None:
        place, _ = await town.hold()
        town.server.deny(town.general, "READ_MESSAGE_HISTORY")
        town.server.clock.advance(HOURS)
        await (await town.press(place)).answered()
        assert await town.verdict(place) is Status.CANCELLED
        assert town.lines(place) == ["before"]

    @pytest.mark.usefixtures("bot")
    async def test_of_a_deleted_thread_and_an_anchor_too_old_to_edit_the_end_is_told_below_it(self, town: Town) -> None:
        place, go = await town.hold()
        town.delete_thread(place.room)
        town.server.clock.advance(HOURS)
        go()
        await town.closed(place)
        anchor, verdict = town.server.messages(town.general)
        assert messages.STATUS_WORDS[Status.SUCCEEDED] not in anchor.content
        assert messages.verdict_status(verdict.content) is Status.SUCCEEDED

    async def _says(self, town: Town, place: Place, words: str, count: int) -> None:
        """Wait until the newest of so many statuses says this."""
        event = await town.event(lambda event: event.channel_id == place.room and words in event.content)
        shown = statuses(town, place)
        assert (len(shown), shown[-1].id) == (count, event.message_id)


async def test_who_has_several_runs_waiting_is_told_where_each_stands(town: Town) -> None:
    async with town.bot(launchers=[Farm("github", GpuOffer("T4"))]):
        places = [await town.open("print(1)", command="run github", gpu="T4") for _ in range(3)]
        for nth, place in zip(("1st", "2nd", "3rd"), places, strict=True):
            await town.line_of_status(place, f"{nth} of your 3 waiting runs")
        await (await town.ada.command("cancel", channel_id=town.general, options={"run": 1})).answered()
        for nth, place in zip(("1st", "2nd"), places[1:], strict=True):
            await town.line_of_status(place, f"{nth} of your 2 waiting runs")


async def test_a_verdict_below_the_anchor_is_given_once_over_two_lives(town: Town) -> None:
    """The bot ends before it knows that it gave it, with lines that the thread never took."""
    async with town.bot():
        place, go = await town.hold()
        town.server.service.threads.update(town.server.channel(place.room), {"archived": True, "locked": True})
        given = asyncio.Event()
        lost = Fault(
            method="POST",
            route="/channels/{channel_id}/messages",
            when="after",
            drop_connection=True,
            times=None,
            match=lambda request: str(town.general) in request.path,
            action=lambda request: given.set(),
        )
        town.server.faults.add(lost)
        go()
        await given.wait()
    lost.times = 0
    town.server.clock.advance(town.server.policy.nonce_memory_s + 20)
    async with town.bot():
        await town.closed(place)
    anchor, verdict = town.server.messages(town.general)
    assert anchor.content.endswith(messages.STATUS_WORDS[Status.SUCCEEDED])
    assert messages.verdict_status(verdict.content) is Status.SUCCEEDED


@pytest.mark.usefixtures("bot")
class TestShut:
    """Threads are locked, deleted and opened again; the channel's message always tells the end."""

    @pytest.fixture
    def server(self) -> DiscordServer:
        """After five messages or edits in five seconds the library waits, which is no subject here."""
        return DiscordServer(policy=Policy(edit_bucket=(50, 1.0), message_bucket=(50, 1.0)))

    async def test_the_verdict_of_a_locked_thread_stands_below_the_anchor_with_the_files(self, town: Town) -> None:
        place, go = await town.hold()
        town.server.service.threads.update(town.server.channel(place.room), {"archived": True, "locked": True})
        go()
        await town.closed(place)
        anchor, verdict = town.server.messages(town.general)
        assert anchor.content.endswith(messages.STATUS_WORDS[Status.SUCCEEDED])
        assert verdict.content.startswith(messages.part_marker((await town.run_of(place)), "verdict"))
        assert verdict.content.endswith(messages.LOCKED.strip())
        assert verdict.reference is not None
        assert int(verdict.reference["message_id"]) == anchor.id
        assert [(one.filename, one.data) for one in verdict.attachments] == [("log.txt", b"before\nafter\n")]
        assert has_button(verdict, "Run again")
        assert town.lines(place) == ["before"]

    @pytest.mark.parametrize("status", [400, 403])
    async def test_a_thread_that_is_locked_and_not_archived_is_locked(self, town: Town, status: int) -> None:
        place, go = await town.hold()
        refusal = {"code": 160005, "message": "Thread is locked"}
        for method, route in (("POST", "messages"), ("PATCH", "messages/{message_id}")):
            town.server.faults.add(
                Fault(
                    method=method,
                    route="/channels/{channel_id}/" + route,
                    status=status,
                    body=refusal,
                    times=None,
                    match=lambda request: f"/channels/{place.room}/" in request.path,
                )
            )
        go()
        await town.closed(place)
        anchor, verdict = town.server.messages(town.general)
        assert anchor.content.endswith(messages.STATUS_WORDS[Status.SUCCEEDED])
        assert messages.verdict_status(verdict.content) is Status.SUCCEEDED

    async def test_a_verdict_below_the_anchor_is_given_once(self, town: Town) -> None:
        """Its create takes effect and the answer is lost."""
        place, go = await town.hold()
        town.server.service.threads.update(town.server.channel(place.room), {"archived": True, "locked": True})
        create = "/channels/{channel_id}/messages"
        lost = Fault(
            method="POST",
            route=create,
            when="after",
            drop_connection=True,
            match=lambda request: str(town.general) in request.path,
        )
        town.server.faults.add(lost)
        go()
        await town.closed(place)
        assert lost.hits == 1
        anchor, verdict = town.server.messages(town.general)
        assert anchor.content.endswith(messages.STATUS_WORDS[Status.SUCCEEDED])
        assert messages.verdict_status(verdict.content) is Status.SUCCEEDED

    async def test_a_thread_that_is_opened_again_gets_everything(self, town: Town) -> None:
        gates = [town.folder / "one", town.folder / "two"]
        place = await town.open(TWO_WAITS, arguments=" ".join(map(str, gates)))
        await town.line(place, "at one")
        thread = town.server.channel(place.room)
        town.server.service.threads.update(thread, {"archived": True, "locked": True})
        tried = asyncio.Event()
        # A message into the thread is refused; then it is open again.
        town.server.faults.add(
            Fault(
                method="POST",
                route="/channels/{channel_id}/messages",
                status=400,
                body={"code": 50083, "message": "Thread is archived"},
                action=lambda request: tried.set(),
            )
        )
        gates[0].touch()
        await tried.wait()
        town.server.service.threads.update(thread, {"archived": False, "locked": False})
        gates[1].touch()
        assert await town.verdict(place) is Status.FAILED
        assert town.lines(place) == ["at one", "at two"]
        assert len(town.server.messages(town.general)) == 1

    async def test_the_anchor_tells_the_end_of_a_deleted_thread(self, town: Town) -> None:
        place, go = await town.hold()
        town.delete_thread(place.room)
        go()
        await town.closed(place)
        (anchor,) = town.server.messages(town.general)
        assert messages.STATUS_WORDS[Status.SUCCEEDED] in anchor.content
        assert messages.NO_THREAD in anchor.content
        assert has_button(anchor, "Log")

    async def test_an_archived_thread_is_woken_by_what_its_status_has_to_say(self, town: Town) -> None:
        place, _ = await town.hold()
        thread = town.server.channel(place.room)
        town.server.service.threads.update(thread, {"archived": True})
        stop = await (await town.ada.command("cancel", channel_id=town.general, options={"run": 1})).answered()
        assert stop.content == messages.STOP_WISHED.format(number=1)
        assert await town.verdict(place) is Status.CANCELLED
        assert thread.thread is not None
        assert not thread.thread.archived
        assert messages.STATUS_WORDS[Status.CANCELLED] in statuses(town, place)[0].content

    async def test_without_its_anchor_a_locked_thread_still_has_a_verdict(self, town: Town) -> None:
        place, go = await town.hold()
        town.delete(town.server.service.world.messages[town.general][place.room])
        town.server.service.threads.update(town.server.channel(place.room), {"archived": True, "locked": True})
        go()
        await town.closed(place)
        (verdict,) = town.server.messages(town.general)
        assert verdict.reference is None

    async def test_a_deleted_channel_takes_nobody_else_with_it(self, town: Town) -> None:
        place, go = await town.hold("one", channel=town.server.channel_id("news"))
        other, let_other = await town.hold("two", member=town.server.member("bob"))
        town.delete_thread(place.room)
        world = town.server.service.world
        del world.messages[town.server.channel_id("news")], world.channels[town.server.channel_id("news")]
        go()
        await town.closed(place)
        assert (await town.run_of(place)).status is Status.SUCCEEDED
        let_other()
        assert await town.verdict(other) is Status.SUCCEEDED
