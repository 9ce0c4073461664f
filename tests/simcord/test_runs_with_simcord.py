"""SimCord's opinion of the lists and their buttons: it checks laid-out messages and ids by rules of its own."""

from __future__ import annotations

from typing import Any

import pytest

from cluster_bot.discord_bot import messages
from cluster_bot.runs.ports import Place, Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin, Status
from cluster_bot.runs.spec import RunSpec

pytestmark = pytest.mark.simcord(settle_timeout=30)


def _text(components: list[dict[str, Any]]) -> str:
    """What a laid-out answer says."""
    found = []
    for one in components:
        found += [one["content"]] if one["type"] == 10 else [_text(one.get("components") or [])]
    return "\n".join(one for one in found if one)


async def _over(stage: Any, script: str = "print('hello')\n") -> None:
    await stage.run(script)
    assert await stage.until(stage.verdict) is Status.SUCCEEDED


async def test_a_list_its_details_its_log_and_once_more(stage: Any) -> None:
    none = await stage.ada.slash(stage.channel, "runs")
    assert (none.ephemeral, none.response.content) == (True, messages.NO_RUNS)
    await _over(stage)
    shown = await stage.ada.slash(stage.channel, "runs")
    assert shown.ephemeral
    details = await stage.ada.slash(stage.channel, "run-info", run="1")
    assert details.ephemeral
    log = await stage.ada.click(details.response, custom_id="log:1")
    assert (log.ephemeral, log.response.content) == (True, messages.LOG_WHOLE.format(number=1))
    again = await stage.ada.click(shown.response, label="Run again")
    assert again.ephemeral

    def run_2_is_over() -> Any:
        anchors = [one for one in stage.channel.history() if one.content.startswith("**Run #2**")]
        return next((one for one in anchors if "**Succeeded**" in one.content), None)

    anchor = await stage.until(run_2_is_over)
    assert "again of #1" in anchor.content


async def test_pages_turn(stage: Any) -> None:
    me, store = str(stage.ada.id), stage.house.store
    data = {"interaction": "1", "token": "t", "guild": None, "channel": "5", "threads": True}
    for n in range(10):
        spec = RunSpec({"a.py": "print()\n"}, "a.py", "elsewhere", 60)
        asked = Submission(spec, Member(me, "ada"), Origin(str(n), data))
        run = (await store.admit(asked, Limits(live_per_member=99), 0.0)).run
        await store.save_place(run.id, Place(closed=True))
    shown = await stage.ada.slash(stage.channel, "runs")
    assert "page 1 of 2" in _text(shown.response.components)
    await stage.ada.click(shown.response, label="Next")
    assert "page 2 of 2" in _text(shown.response.components)
    refused = await stage.ada.slash(stage.channel, "run-info", run="seven")
    assert refused.ephemeral
    assert stage.refusals() == ["no_number"]


async def test_gpus(stage: Any) -> None:
    shown = await stage.ada.slash(stage.channel, "gpus")
    assert shown.ephemeral
    assert _text(shown.response.components) == "### local\n**its own machine**"
