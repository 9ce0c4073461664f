"""Runs that are shown nowhere: the bot's own, which whoever gave them hears of by their id."""

from __future__ import annotations

import time

from asking import ask, text
from town import Town, refused

from cluster_bot.app import Parts
from cluster_bot.hints import LocalHints
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.scheduling.quiet import Endings, quiet_origin


async def _quiet(town: Town, key: str, text: str = "print('unseen')") -> Run:
    """A run of ada's that nobody sees; found by the follower when it looks again, as after a restart."""
    spec = RunSpec({"probe.py": text}, "probe.py", "local", 60)
    origin = quiet_origin(key, str(town.server.guild_id))
    asked = Submission(spec, Member(str(town.ada.user_id), "ada"), origin)
    return (await town.store.admit(asked, Limits(), time.time())).run


async def test_a_quiet_run_is_executed_and_shown_nowhere(town: Town, bot: Parts) -> None:
    run = await _quiet(town, "one")
    hints = LocalHints()
    over = await Endings(bot.store, hints, look_again_s=0.1).over(run.id, 60)
    assert over.status is Status.SUCCEEDED

    async def is_closed() -> bool:
        return (await town.store.place(run.id)).closed

    await town.store.until(is_closed)
    assert town.server.messages(town.general) == []
    # It is a run like any other to its owner, and to nobody else.
    assert "1 in all" in text((await ask(town, "runs")).message)
    refused(await ask(town, "logs", town.server.member("bob"), run=str(run.number)), "belongs to somebody else")


async def test_who_waits_in_vain_is_told_how_it_stands(town: Town, bot: Parts) -> None:
    run = await _quiet(town, "two", "import time\ntime.sleep(60)")
    waited = await Endings(bot.store, LocalHints()).over(run.id, 0.0)
    assert not waited.status.final
    assert (await ask(town, "cancel", run=str(run.number))).content.startswith(f"Run #{run.number} is ")
    assert (await Endings(bot.store, LocalHints(), look_again_s=0.1).over(run.id, 60)).status is Status.CANCELLED
