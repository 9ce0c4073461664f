"""Discord has trouble in the middle of a run: each line stands there once and in order, and there is one verdict."""

from __future__ import annotations

from typing import Any

import pytest
from town import Place, Town

from cluster_bot.runs.run import Status
from cluster_sandbox.discord import Fault

pytestmark = pytest.mark.usefixtures("bot")

CREATE = {"method": "POST", "route": "/channels/{channel_id}/messages"}
EDIT = {"method": "PATCH", "route": "/channels/{channel_id}/messages/{message_id}"}
THREAD = {"method": "POST", "route": "/channels/{channel_id}/messages/{message_id}/threads"}
ANSWER = {"method": "PATCH", "route": "/webhooks/{application_id}/{interaction_token}/messages/@original"}

BEFORE_500: dict[str, Any] = {"when": "before", "status": 500}
AFTER_500: dict[str, Any] = {"when": "after", "status": 500}
AFTER_503: dict[str, Any] = {"when": "after", "status": 503}
DROPPED: dict[str, Any] = {"when": "after", "drop_connection": True}
LIMITED: dict[str, Any] = {"when": "before", "status": 429, "headers": {"Retry-After": "1"}}
TROUBLES = {"500": BEFORE_500, "500 after": AFTER_500, "503 after": AFTER_503, "dropped": DROPPED, "429": LIMITED}

# The messages of a run in the order in which they are created.
ANCHOR, STATUS, OUTPUT, VERDICT = range(4)


async def _as_if_nothing_had_happened(town: Town, place: Place, go: Any) -> None:
    go()
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["before", "after"]
    assert len(town.of(place)) == 3
    assert len(town.server.messages(town.general)) == 1
    assert len(town.server.threads()) == 1


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("which", [ANCHOR, STATUS, OUTPUT], ids=["anchor", "status", "output"])
async def test_trouble_with_a_create(town: Town, which: int, trouble: str) -> None:
    fault = town.server.faults.add(Fault(**CREATE, **TROUBLES[trouble], skip=which))
    place, go = await town.hold()
    assert fault.hits == 1
    await _as_if_nothing_had_happened(town, place, go)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble_with_the_verdict(town: Town, trouble: str) -> None:
    place, go = await town.hold()
    fault = town.server.faults.add(Fault(**CREATE, **TROUBLES[trouble]))
    await _as_if_nothing_had_happened(town, place, go)
    assert fault.hits == 1


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("route", [EDIT, THREAD, ANSWER], ids=["edit", "thread", "answer"])
async def test_trouble_with_another_call(town: Town, route: dict[str, str], trouble: str) -> None:
    fault = town.server.faults.add(Fault(**route, **TROUBLES[trouble]))
    place, go = await town.hold()
    await _as_if_nothing_had_happened(town, place, go)
    assert fault.hits == 1


async def test_discord_away_for_a_while(town: Town) -> None:
    """Every request fails until further notice; what happened meanwhile is shown afterwards."""
    place, go = await town.hold()
    away = town.server.faults.add(Fault(status=503, times=None, match=lambda request: "/messages" in request.path))
    go()
    assert (await town.ended(place)).status is Status.SUCCEEDED
    town.server.faults.pending.remove(away)
    await _as_if_nothing_had_happened(town, place, go)


async def test_trouble_in_a_shared_thread(town: Town) -> None:
    """There, other people's and other runs' messages stand between; the bot adopts its own and no other."""
    thread = town.server.start_thread(town.general, "talk", owner=town.ada)
    other, let_other = await town.hold("other", channel=thread, member=town.server.member("bob"))
    await town.ada.say(thread, "-# Run #2 · output 1\nI only look like it")
    town.server.faults.add(Fault(**CREATE, **DROPPED, skip=2))
    place, go = await town.hold("one", channel=thread)
    await town.ada.say(thread, "what is it doing?")
    let_other()
    go()
    for one in (other, place):
        assert await town.verdict(one) is Status.SUCCEEDED
        assert town.lines(one) == ["before", "after"]
        assert len(town.of(one)) == 3
