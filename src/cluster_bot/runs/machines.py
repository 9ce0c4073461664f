"""What the domain asks of a launcher whose machines people lend: which there are, adding one, taking one away.

Implemented by launchers beside `ports.Launcher`, used by `scheduling.arrivals`. `Expected` is a machine that somebody
was asked to connect and that has not done all it is watched for; the store keeps it, so that a restart goes on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Member

VENDORS = ("nvidia", "amd")
# Letters that mean nothing to a shell, in labels or in a GPU's name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
# Each machine has a label of its own, which names no GPU.
OWN_LABEL = "cluster-"


def own_label(machine: str) -> str:
    """The label that only this machine has."""
    return f"{OWN_LABEL}{machine}"


def on_machine(gpu: str, machine: str) -> str:
    """What a run asks for that is to run on this machine and no other."""
    return f"{gpu}@{machine}"


@dataclass(frozen=True, slots=True)
class Box:
    """A machine as the scheduler lists it; `whose` names what it belongs to, an organisation or a repository."""

    name: str
    labels: tuple[str, ...]
    online: bool
    busy: bool
    whose: str

    @property
    def gpus(self) -> tuple[str, ...]:
        """What of its labels may name a GPU."""
        return tuple(one for one in self.labels if not one.lower().startswith(OWN_LABEL))


@dataclass(frozen=True, slots=True)
class Listed:
    """The machines there are; `hidden` says, for people, which could not be seen and why, "" where none."""

    boxes: Sequence[Box]
    hidden: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A machine to be added; raises UserError where it can't be one. `once`: it takes one run and is gone.

    `group` is the scheduler's own name for who may use it, "" for the usual one.
    """

    name: str
    gpu: str
    vendor: str
    once: bool = False
    group: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise refuse(Refusal.BAD_MACHINE_NAME)
        known = (*VENDORS, OWN_LABEL)
        if not _NAME.fullmatch(self.gpu) or self.gpu.lower().startswith(known) or self.vendor not in VENDORS:
            raise refuse(Refusal.BAD_GPU_LABEL)
        if not self.group.isprintable() or len(self.group) > 100:
            raise refuse(Refusal.NO_SUCH_GROUP, offered="one of those in the organisation's settings")


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a donor needs. `script`, a text for bash, holds a secret: it goes to whoever connects the machine, alone.

    `until` is seconds since the epoch. `public`: strangers can propose code to what the machine would work for;
    `shut_out`: its group does not let it work there; `unnamed`: members can't ask for its GPU, as admins name them.
    """

    script: str = field(repr=False)
    labels: tuple[str, ...]
    whose: str
    group: str
    until: float
    public: bool = False
    shut_out: bool = False
    unnamed: bool = False


class Boxes(Protocol):
    """The machines of a launcher. Raises UserError for whatever its admins can mend."""

    async def listed(self) -> Listed:
        """Those there are now."""

    async def sight(self, name: str) -> Box | None:
        """One of them, None where it certainly is not there; what is seen counts for what members may ask for."""

    async def invite(self, wanted: Wanted) -> Invitation:
        """Let a machine in."""

    async def remove(self, name: str) -> Box:
        """Let it not be one any more; what it was."""


@runtime_checkable
class Lent(Protocol):
    """A launcher whose machines are lent by people."""

    @property
    def boxes(self) -> Boxes:
        """Them."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A machine that is to appear. Times are seconds since the epoch, ids the front end's; no secret of it is kept.

    `test`: when it is there, a program is run on it; `run_id` is that run, once it was submitted. `place` is where the
    front end tells how it goes: its own JSON. `listed`: the scheduler has shown it, connected or not.
    """

    id: str
    name: str
    gpu: str
    launcher: str
    by: Member
    scope: str
    until: float
    once: bool = False
    test: bool = True
    listed: bool = False
    online_at: float | None = None
    run_id: str | None = None
    place: Mapping[str, str] = field(default_factory=dict)


class ExpectedBook(Protocol):
    """The store's room for them. Every write is durable when it returns."""

    async def put(self, one: Expected) -> None:
        """Keep it, in the place of one with its id."""

    async def all(self) -> list[Expected]:
        """Those that are kept, in no order; what can't be read is left out."""

    async def drop(self, id: str) -> None:
        """Nothing more is to be done about it."""


class Expecting(Protocol):
    """That part of the store."""

    expected: ExpectedBook
