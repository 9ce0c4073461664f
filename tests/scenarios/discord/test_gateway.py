"""The gateway goes and comes; interactions are delivered twice or answered late."""

from __future__ import annotations

from typing import Any

import pytest
from town import PATIENCE_S, Town

from cluster_bot.runs.run import Status
from cluster_sandbox.discord import Fault

pytestmark = pytest.mark.usefixtures("bot")


@pytest.mark.parametrize("how", ["resumable", "for good", "cut"])
async def test_the_gateway_is_lost_in_the_middle_of_a_run(town: Town, how: str) -> None:
    gateway = town.server.gateway
    place, go = await town.hold()
    logins = gateway.logins
    if how == "cut":
        gateway.disconnect_hard()
    else:
        gateway.drop(resumable=how == "resumable")
    # Given while nobody listens: a resumed session brings it, a new one never hears of it.
    unheard = await town.ada.command("ping", channel_id=town.general)
    go()
    await gateway.wait_ready(PATIENCE_S, logins=logins + 1)
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["before", "after"]
    if how == "resumable":
        assert (await unheard.answered()).content.startswith("Pong:")
    pong = await (await town.ada.command("ping", channel_id=town.general)).answered()
    assert pong.content.startswith("Pong:")
    assert await town.verdict(await town.open("print(1)")) is Status.SUCCEEDED


async def test_an_interaction_delivered_twice_counts_once(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    once = town.server.gateway.dispatch

    def twice(event: str, data: dict[str, Any], *intent: Any) -> None:
        once(event, data, *intent)
        if event == "INTERACTION_CREATE":
            once(event, data, *intent)

    monkeypatch.setattr(town.server.gateway, "dispatch", twice)
    place = await town.open("print('hello')")
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["hello"]
    assert len(await town.runs_of(town.ada)) == 1
    assert len(town.server.threads()) == 1
    told = [one for one in town.server.events if one.ephemeral and one.content]
    assert [one.content for one in told] == [f"Run #{place.number} is here: <#{place.room}>"]
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_answer_that_comes_too_late_runs_nothing(town: Town) -> None:
    """Discord has told the member that the bot did not respond, so the command must not have taken effect."""
    callback = {"method": "POST", "route": "/interactions/{interaction_id}/{interaction_token}/callback"}

    def late(_: Any) -> None:
        town.server.clock.advance(4)

    town.server.faults.add(Fault(**callback, status=None, action=late))
    asked = await (await town.run("print(1)")).answered()
    assert asked.failed is not None
    pong = await (await town.ada.command("ping", channel_id=town.general)).answered()
    assert pong.content.startswith("Pong: ")
    assert await town.runs_of(town.ada) == []


async def test_a_run_outlives_its_interaction(town: Town) -> None:
    """After fifteen minutes the token of `/run` is worth nothing; the thread needs none."""
    place, go = await town.hold()
    town.server.clock.advance(16 * 60)
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["before", "after"]
