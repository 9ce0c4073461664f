"""The spec of a run that is to run again: the same program, where it ran, or where else it is asked to.

Called by the front end's command; what it returns goes through `Scheduler.submit` like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster_bot.runs.orders import InForce
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Run
from cluster_bot.runs.spec import RunSpec
from cluster_bot.scheduling.choosing import Prefer
from cluster_bot.scheduling.scheduler import Scheduler

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where else a run is to run, both None for the same place, and what its member may have and is kept from now."""

    gpu: str | None
    launcher: str | None
    limits: Limits
    orders: InForce


async def again(scheduler: Scheduler, run: Run, wanted: Wanted) -> RunSpec:
    """What `run` asked for, once more; raises UserError where it cannot be had.

    With nothing else asked, a run whose place was chosen is chosen anew, and any other goes where it was sent. A
    launcher alone is asked for the same GPU where it has it; a GPU alone is looked for where the run was sent, then
    everywhere. The time limit is cut where it may not be as long any more.
    """
    was = run.spec
    time_limit_s = min(was.time_limit_s, wanted.limits.max_time_limit_s)
    spec = replace(was, time_limit_s=time_limit_s, others=(), why="", auto=None, again_of=run.number)
    gpu = wanted.gpu.strip() if wanted.gpu else None
    launcher = wanted.launcher.strip().lower() if wanted.launcher else None

    async def chosen(gpu: str) -> RunSpec:
        prefer = Prefer(was.auto.prefer) if was.auto else Prefer.SOONEST
        return await scheduler.choose(replace(spec, launcher=AUTO, gpu=gpu), prefer, wanted.limits, wanted.orders)

    if launcher == AUTO or (launcher is None and was.auto is not None):
        return await chosen(gpu or (was.auto.gpu if was.auto else was.gpu) or "")
    if launcher is not None:
        if launcher not in scheduler.launchers:
            # What was typed may be anything, so it is not repeated.
            raise refuse(Refusal.UNKNOWN_LAUNCHER, launcher="…")
        return replace(spec, launcher=launcher, gpu=gpu or await _alike(scheduler, launcher, was.gpu))
    if gpu is None or _has(await scheduler.offers_in_time(was.launcher) or (), gpu):
        return replace(spec, gpu=gpu or spec.gpu or await _alike(scheduler, was.launcher, None))
    return await chosen(gpu)


async def _alike(scheduler: Scheduler, launcher: str, gpu: str | None) -> str | None:
    """The same GPU where the launcher has it, else its first, as whoever names none gets."""
    offers = await scheduler.offers_in_time(launcher)
    if offers is None or (gpu is not None and _has(offers, gpu)):
        return gpu
    return next((one.gpu for one in offers), None)


def _has(offers: Sequence[GpuOffer], gpu: str) -> bool:
    name = gpu.partition(":")[0].strip().lower()
    return any(one.gpu is not None and one.gpu.lower() == name for one in offers)
