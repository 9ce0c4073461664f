"""What lists show of runs: all that fits a line, and none of their files, of which a run may have a megabyte.

Made by the store, read by the front ends' lists and choices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster_bot.runs.run import Member, Origin, Reason, Status


@dataclass(frozen=True, slots=True)
class Which:
    """Which runs are meant: a member's (None: everybody's), live ones only, those with `typed` in name or number."""

    member_id: str | None = None
    only_live: bool = False
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in a line. Times are seconds since the epoch; `ran_s` is the program's own time, None before its end.

    `main` is the name of the program's main file, `place` the feed's own JSON, as in `ports.Place`.
    """

    number: int
    main: str
    launcher: str
    gpu: str | None
    owner: Member
    origin: Origin
    status: Status
    reason: Reason | None
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    ran_s: float | None = None
    place: Mapping[str, Any] = field(default_factory=dict)
