"""Runs that are in the store without anybody having asked for them: what lists and choices are tested with."""

from __future__ import annotations

from dataclasses import replace

from town import Town

from cluster_bot.runs.ports import Place, Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin, Reason, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.runs.summary import Which
from cluster_runner.wire import Outcome

WIDE = Limits(live_per_member=100_000, live_in_all=100_000)
NOW = 1_790_000_000.0


async def seed(
    town: Town, name: str = "seed.py", *, owner: str = "ada", live: bool = False, channel: int = 0, **more: object
) -> Run:
    """A run of a launcher that is not switched on, so nobody moves it; shown in `channel`, if any, as in a thread."""
    member = town.server.member(owner)
    known = await town.store.count(Which())
    guild = str(town.server.guild_id)
    data = {"interaction": "1", "token": "t", "guild": guild, "channel": str(channel or town.general), "threads": True}
    spec = RunSpec({name: "print()\n"}, name, "elsewhere", 60, **more)  # type: ignore[arg-type]
    asked = Submission(spec, Member(str(member.user_id), owner), Origin(f"seed:{known}", data))
    run = (await town.store.admit(asked, WIDE, NOW)).run
    await town.store.save_place(run.id, Place({"anchor": 5, "room": 6}, 0, closed=True))
    if live:
        return run
    over = replace(run, status=Status.SUCCEEDED, reason=Reason.COMPLETED, finished_at=NOW + 9, started_at=NOW + 1)
    return await town.store.save(replace(over, outcome=Outcome("exited", exit_code=0, duration_s=7.5)))
