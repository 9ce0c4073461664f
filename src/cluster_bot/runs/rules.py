"""The bounds an admin may choose: clocks for the state machine, limits for admission.

Filled from `Settings` by the composition root, read by `advance` and by the store's `admit`.
"""

import math
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar

from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.spec import RunSpec

N = TypeVar("N", int, float)

# How many of the GPUs that a member may use a sentence names.
MOST_NAMED = 12


def minutes(duration_s: float) -> str:
    """Seconds as minutes, as people write them: three digits, or all where there are more."""
    value = duration_s / 60
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


@dataclass(frozen=True, slots=True)
class Rules:
    """The clocks, in seconds, and the number of attempts a run may take when launches provably did nothing."""

    queue_limit_s: float = 3600.0
    setup_allowance_s: float = 300.0
    outcome_grace_s: float = 5.0
    retry_pause_s: float = 5.0
    max_attempts: int = 5


@dataclass(frozen=True, slots=True)
class Usage:
    """What a member has of the bot at a moment: counted in the transaction that would admit one run more.

    `gpu_s` are the GPU seconds of the last 24 hours: of a live run all that it may take, of an ended one what it took.
    `hour_ends_in_s` is how long the oldest of `in_last_hour` still counts.
    """

    live: int = 0
    live_in_all: int = 0
    in_last_hour: int = 0
    hour_ends_in_s: float = 0.0
    gpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one member may have, and `live_in_all`, what all may have together. None: as much as they like.

    `gpus` are names, as patterns of a shell (`H100*`), in any case; a run that asks for no GPU needs none. Where a
    community allows only some, these are `gpus_here`, and a name must be among both. Time limits are seconds.
    """

    live_per_member: int = 3
    live_in_all: int = 200
    runs_per_hour: int | None = None
    gpu_minutes_per_day: float | None = None
    gpus: tuple[str, ...] = ("*",)
    gpus_here: tuple[str, ...] = ("*",)
    time_limit_s: int = 300
    max_time_limit_s: int = 3600

    @property
    def usual_time_limit_s(self) -> int:
        """The time limit of a run that asks for none, seconds."""
        return min(self.time_limit_s, self.max_time_limit_s)

    def allows(self, gpu: str | None) -> bool:
        """Whether a GPU, by its name with or without a count, may be asked for."""
        name = (gpu or "").partition(":")[0].partition("@")[0].strip().lower()
        return not name or all(
            any(fnmatchcase(name, one.lower()) for one in few) for few in (self.gpus, self.gpus_here)
        )

    def check_gpu(self, gpu: str | None) -> None:
        """Refuse, with UserError, a GPU that may not be asked for."""
        if not self.allows(gpu):
            # Where two lists hold, the narrower one is the community's own.
            few = self.gpus if self.gpus_here == ("*",) or not self.gpus else self.gpus_here
            if not few:
                raise refuse(Refusal.NO_GPU_ALLOWED)
            allowed = ", ".join(f"`{one}`" for one in few[:MOST_NAMED])
            raise refuse(Refusal.GPU_NOT_ALLOWED, allowed=allowed + (" …" if len(few) > MOST_NAMED else ""))

    def check_time_limit(self, wanted_s: int | None) -> None:
        """Refuse, with UserError, a time limit that may not be asked for."""
        if wanted_s is not None and not 1 <= wanted_s <= self.max_time_limit_s:
            raise refuse(Refusal.TIME_LIMIT, limit=self.max_time_limit_s)

    def check(self, usage: Usage, spec: RunSpec) -> None:
        """Refuse one more run, with UserError, where a limit is reached."""
        if self.live_per_member == 0 or self.runs_per_hour == 0:
            raise refuse(Refusal.NO_RUNS_ALLOWED)
        if usage.live >= self.live_per_member:
            runs = "1 run" if usage.live == 1 else f"{usage.live} runs"
            raise refuse(Refusal.TOO_MANY_LIVE_RUNS, runs=runs, limit=self.live_per_member)
        if self.runs_per_hour is not None and usage.in_last_hour >= self.runs_per_hour:
            wait = max(1, math.ceil(usage.hour_ends_in_s / 60))
            raise refuse(Refusal.TOO_MANY_RUNS_AN_HOUR, limit=self.runs_per_hour, minutes=wait)
        if self.gpu_minutes_per_day is not None and spec.most_gpus > 0:
            self._check_gpu_time(60 * self.gpu_minutes_per_day, usage.gpu_s, spec)
        if usage.live_in_all >= self.live_in_all:
            raise refuse(Refusal.BOT_FULL, limit=self.live_in_all)

    @staticmethod
    def _check_gpu_time(limit_s: float, used_s: float, spec: RunSpec) -> None:
        wanted_s = spec.most_gpu_s
        # As a time limit, which each of the GPUs would take.
        left_s = math.floor((limit_s - used_s) / spec.most_gpus)
        if wanted_s <= limit_s - used_s:
            return
        used, limit = minutes(used_s), minutes(limit_s)
        if left_s < 1:
            raise refuse(Refusal.GPU_TIME_GONE, used=used, limit=limit)
        raise refuse(Refusal.GPU_TIME_SHORT, used=used, limit=limit, wanted=minutes(wanted_s), left=left_s)


def lower(limits: Limits, wished: Limits) -> Limits:
    """What both allow: `wished` where it is less, so that whoever wishes can give nothing that is not theirs."""
    return replace(
        limits,
        live_per_member=min(limits.live_per_member, wished.live_per_member),
        runs_per_hour=_least(limits.runs_per_hour, wished.runs_per_hour),
        gpu_minutes_per_day=_least(limits.gpu_minutes_per_day, wished.gpu_minutes_per_day),
        gpus_here=wished.gpus if wished.gpus != limits.gpus else limits.gpus_here,
        time_limit_s=min(limits.time_limit_s, wished.time_limit_s),
        max_time_limit_s=min(limits.max_time_limit_s, wished.max_time_limit_s),
    )


def _least(one: N | None, other: N | None) -> N | None:
    given = [value for value in (one, other) if value is not None]
    return min(given) if given else None
