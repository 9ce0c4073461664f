"""Members leave the server in the middle of their runs: those go on, can be stopped, and get their verdict."""

from __future__ import annotations

import pytest
from town import HOLDING, Town

from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import Fault

pytestmark = pytest.mark.usefixtures("bot")


async def test_a_member_leaves_while_their_run_goes_on(town: Town) -> None:
    place, go = await town.hold()
    town.server.admin.kick(town.ada)
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["before", "after"]


async def test_a_member_leaves_before_they_are_in_the_thread(town: Town) -> None:
    """Discord refuses to add who is no member; the thread is complete all the same."""
    gate = town.folder / "go"
    town.server.faults.add(
        Fault(
            method="PUT",
            route="/channels/{channel_id}/thread-members/{user_id}",
            status=None,
            action=lambda request: town.server.admin.kick(town.ada),
        )
    )
    place = await town.open(HOLDING, arguments=str(gate))
    thread = town.server.channel(place.room).thread
    assert thread is not None
    assert town.ada.user_id not in thread.members
    gate.touch()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["before", "after"]


async def test_an_admin_stops_the_run_of_one_who_left(town: Town) -> None:
    admin = town.server.member("carol", administrator=True)
    place, _ = await town.hold()
    town.server.admin.kick(town.ada)
    offered = await admin.autocomplete("cancel", channel_id=town.general, focused="run")
    assert [one["value"] for one in offered] == [str(place.number)]
    told = await (await town.press(place, admin)).answered()
    assert told.content == messages.STOP_WISHED.format(number=place.number)
    assert await town.verdict(place) is Status.CANCELLED


async def test_who_comes_back_still_owns_their_run(town: Town) -> None:
    place, _ = await town.hold()
    town.server.admin.kick(town.ada)
    town.server.admin.rejoin(town.ada)
    told = await (await town.press(place)).answered()
    assert told.content == messages.STOP_WISHED.format(number=place.number)
    assert await town.verdict(place) is Status.CANCELLED
