"""The settings that admins may change while the bot works: their names, what they may be, and for whom.

Read by the admins' commands and by whoever obeys a setting. A value is kept under `field`, which for limits is the name
of a field of `Limits`. Pure. Limits: what a program needs at its start (tokens, folders, addresses) is no knob.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

UNLIMITED, DEFAULT = "unlimited", "default"
# As good as without a limit: as many as all may have together is a limit of its own.
MANY = 1_000_000
# Without a count or a machine, as in `H100:2` and `H100@box`: what is asked for is compared without them.
_PATTERN = re.compile(r"[!-9;-?A-_a-~]{1,100}")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting. `read` makes its value of what was typed, and raises ValueError; `rule` says what it may be.

    `shared`: it holds for all communities. `share`: a role or a member may have another value.
    """

    name: str
    field: str
    rule: str
    read: Callable[[str], Any]
    shared: bool = False
    share: bool = False

    def shown(self, value: Any) -> str:
        """A value as people read it, and may type it."""
        if value is None or (self.field == "live_per_member" and value == MANY):
            return UNLIMITED
        if isinstance(value, list | tuple):
            return " ".join(map(str, value)) or "none"
        return f"{value:.10g}" if isinstance(value, float) else str(value)


def _whole(least: int, most: int, *, unlimited: bool = False, many: bool = False) -> Callable[[str], int | None]:
    def read(typed: str) -> int | None:
        if typed.lower() == UNLIMITED and (unlimited or many):
            return MANY if many else None
        if re.fullmatch(r"[0-9]{1,7}", typed) is None or not least <= int(typed) <= most:
            raise ValueError(typed)
        return int(typed)

    return read


def _number(least: float, most: float, *, unlimited: bool = False) -> Callable[[str], float | None]:
    def read(typed: str) -> float | None:
        if typed.lower() == UNLIMITED and unlimited:
            return None
        if re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,3})?", typed) is None or not least <= float(typed) <= most:
            raise ValueError(typed)
        return float(typed)

    return read


def _patterns(typed: str) -> list[str]:
    """A list and not a tuple: it is kept as JSON."""
    found = [] if typed.lower() == "none" else typed.replace(",", " ").split()
    if len(found) > 50 or not all(_PATTERN.fullmatch(one) for one in found) or (not found and typed.lower() != "none"):
        raise ValueError(typed)
    return found


def _one_of(*words: str) -> Callable[[str], str]:
    def read(typed: str) -> str:
        found = next((one for one in words if one.lower() == typed.lower()), None)
        if found is None:
            raise ValueError(typed)
        return found

    return read


_DAY_S = 86_400
_OR_UNLIMITED = 'or "unlimited"'
KNOBS: Mapping[str, Knob] = {
    one.name: one
    for one in (
        Knob(
            "runs_at_once",
            "live_per_member",
            f"a whole number from 0, {_OR_UNLIMITED}",
            _whole(0, MANY, many=True),
            share=True,
        ),
        Knob(
            "runs_per_hour",
            "runs_per_hour",
            f"a whole number from 0, {_OR_UNLIMITED}",
            _whole(0, MANY, unlimited=True),
            share=True,
        ),
        Knob(
            "gpu_minutes_per_day",
            "gpu_minutes_per_day",
            f"a number from 0, {_OR_UNLIMITED}",
            _number(0, MANY, unlimited=True),
            share=True,
        ),
        Knob(
            "gpus",
            "gpus",
            'names of GPUs, without a count, such as "T4 H100*", "*" for all, or "none"',
            _patterns,
            share=True,
        ),
        Knob("time_limit_s", "time_limit_s", f"seconds from 1 to {_DAY_S}", _whole(1, _DAY_S)),
        Knob("max_time_limit_s", "max_time_limit_s", f"seconds from 1 to {_DAY_S}", _whole(1, _DAY_S), share=True),
        Knob("runs_in_all", "live_in_all", "a whole number from 0", _whole(0, MANY), shared=True),
        Knob("queue_limit_s", "queue_limit_s", "seconds from 1", _whole(1, MANY), shared=True),
        Knob("checker_fails", "checker_fails", '"closed" or "open"', _one_of("closed", "open"), shared=True),
        Knob("verify_every_h", "verify_every_h", "hours from 0, which is never, to 720", _number(0, 720), shared=True),
        Knob("log_level", "log_level", " or ".join(LOG_LEVELS), _one_of(*LOG_LEVELS), shared=True),
    )
}
