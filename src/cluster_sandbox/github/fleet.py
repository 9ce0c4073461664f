"""The self-hosted runners: which there are, who may register one, and which of them is connected.

Asked by the world for an idle machine, by the REST side, and by `door`, where the programs on the machines knock. A
machine that was ordered with the server is connected by itself; one that was registered is so while its program runs.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from .model import MACHINE_LABELS, Level, Machine, Runner, RunnerGroup
from .policy import Policy

Purpose = Literal["register", "remove"]
MOST_NAME, MOST_LABEL = 64, 256
SELF_HOSTED = "self-hosted"


class FleetError(ValueError):
    """What was asked of the fleet can't be; `status` is the answer's, the text GitHub's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Pass:
    """A token for registering runners at a level, or for removing them."""

    purpose: Purpose
    level: Level
    expires_at: float


class Fleet:
    def __init__(
        self,
        policy: Policy,
        now: Callable[[], float],
        new_id: Callable[[], int],
        changed: Callable[[], None],
        schedule: Callable[[], None],
    ) -> None:
        self._policy, self._now, self._new_id = policy, now, new_id
        self._changed, self._schedule = changed, schedule
        self.machines: list[Machine] = []
        self.groups = [RunnerGroup(1, "Default")]
        self.passes: dict[str, Pass] = {}
        self._gone: dict[int, asyncio.Event] = {}

    def add(self, runner: Runner) -> None:
        """Machines by order, connected from the beginning."""
        for number in range(runner.count):
            name = runner.name if runner.count == 1 else f"{runner.name}-{number + 1}"
            self.machines.append(Machine(self._new_id(), name, tuple(runner.labels), runner.level))

    def at(self, level: Level) -> list[Machine]:
        """The machines that a level lists."""
        return [one for one in self.machines if one.level == level]

    def find(self, machine_id: int) -> Machine | None:
        return next((one for one in self.machines if one.id == machine_id), None)

    def group(self, wanted: int | str) -> RunnerGroup | None:
        """A group by its id or its name."""
        return next((one for one in self.groups if wanted in (one.id, one.name)), None)

    # --- jobs ---------------------------------------------------------------------------------------

    def idle(self, labels: Iterable[str], *, public: bool) -> Machine | None:
        """A machine for a job; `public` says that it is a public repository's."""
        wanted = list(labels)
        free = (one for one in self.machines if one.online and one.run_id is None and one.fits(wanted))
        return next((one for one in free if not public or self._takes_public(one)), None)

    def _takes_public(self, machine: Machine) -> bool:
        group = self.group(machine.group)
        return machine.level == "repository" or (group is not None and group.allows_public)

    def free(self, machine: Machine) -> None:
        """Its job is over; a just-in-time runner's place is gone with it."""
        machine.run_id = None
        if machine.ephemeral:
            self.remove(machine)

    # --- registering and removing -------------------------------------------------------------------

    def grant(self, purpose: Purpose, level: Level) -> tuple[str, float]:
        """A token and when it expires."""
        text, expires = "A" + secrets.token_hex(14).upper(), self._now() + self._policy.runner_token_s
        self.passes[text] = Pass(purpose, level, expires)
        return text, expires

    def check(self, text: str, purpose: Purpose) -> Level:
        """The level that a token opens. Raises FleetError."""
        found = self.passes.get(text)
        if found is None or found.purpose != purpose or found.expires_at <= self._now():
            raise FleetError(404, "Not Found")
        return found.level

    def register(
        self,
        level: Level,
        name: str,
        labels: Iterable[str],
        group: int | str,
        *,
        ephemeral: bool,
        replace: bool = False,
    ) -> Machine:
        """A new machine, not connected yet. Raises FleetError."""
        given = list(labels)
        if not 0 < len(name) <= MOST_NAME or any(not 0 < len(one) <= MOST_LABEL or "," in one for one in given):
            raise FleetError(422, "Invalid runner name or label.")
        found = self.group(group)
        if found is None:
            raise FleetError(404, "Not Found")
        for known in [one for one in self.at(level) if one.name == name]:
            if not replace:
                raise FleetError(409, "Already exists - A runner exists with the same name.")
            self.remove(known)
        own = [one for one in given if one.casefold() not in {label.casefold() for label in MACHINE_LABELS}]
        machine = Machine(
            self._new_id(), name, tuple(own), level, found.id, ephemeral, False, None, secrets.token_hex(20)
        )
        self.machines.append(machine)
        self._changed()
        return machine

    def remove(self, machine: Machine) -> None:
        """Its program hears that it is no runner any more. Raises FleetError while it has a job."""
        if machine.run_id is not None:
            raise FleetError(422, f'Bad request - Runner "{machine.name}" is still running a job')
        if machine in self.machines:
            self.machines.remove(machine)
        machine.online = False
        if (gone := self._gone.get(machine.id)) is not None:
            gone.set()
        self._changed()

    # --- programs on the machines -------------------------------------------------------------------

    def connect(self, machine_id: int, secret: str, version: str) -> tuple[Machine, asyncio.Event]:
        """A machine's program is there; the event is set when it is no runner any more. Raises FleetError."""
        machine = self.find(machine_id)
        if machine is None or not machine.secret or not secrets.compare_digest(machine.secret, secret):
            raise FleetError(401, "The runner registration has been deleted from the server.")
        if machine.online:
            raise FleetError(409, "A session for this runner already exists.")
        machine.online, machine.version = True, version
        gone = self._gone[machine.id] = asyncio.Event()
        self._schedule()
        return machine, gone

    def disconnect(self, machine: Machine) -> None:
        """Its program is gone."""
        self._gone.pop(machine.id, None)
        machine.online = False
        self._changed()
