"""Concurrency groups: who has the turn and who waits for it, as `concurrency` of a workflow or of its job wishes.

Called by `world` when a run begins and when it is over. A run takes its groups one after the other, the workflow's
first. What GitHub's documentation leaves open is decided here: of a group that is full, the newcomer is cancelled, and
so is a run whose job wishes the group that the run has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .expressions import ExpressionError, as_text, evaluate
from .model import Run
from .workflow import StartupError, Workflow

MOST_PENDING = 100

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """That a run, or its job, shall be in a group; `queue_all`: who waits there is not replaced by who comes later."""

    group: str
    cancel_in_progress: bool
    queue_all: bool
    of_job: bool


@dataclass(eq=False, slots=True)
class Group:
    """`members`, the first of which has the turn."""

    name: str
    members: list[tuple[Run, Wish]] = field(default_factory=list)
    acquired_at: float = 0.0

    def place(self, run: Run) -> int | None:
        """How many are before a run; None where it is not here."""
        return next((index for index, (one, _) in enumerate(self.members) if one is run), None)


def wishes(workflow: Workflow, contexts: Json) -> list[Wish]:
    """What a workflow of one job wishes; StartupError says what is wrong with it."""
    (job,) = workflow.document["jobs"].values()
    given = [(workflow.document.get("concurrency"), False), (job.get("concurrency"), True)]
    return [_wish(one, contexts, of_job) for one, of_job in given if one is not None]


def _wish(given: Any, contexts: Json, of_job: bool) -> Wish:
    document = given if isinstance(given, dict) else {"group": given}
    try:
        group = as_text(evaluate(document.get("group"), contexts)).strip()
        cancels = evaluate(document.get("cancel-in-progress", False), contexts)
        queue = as_text(evaluate(document.get("queue", "single"), contexts))
    except ExpressionError as error:
        raise StartupError(str(error)) from None
    if not group:
        raise StartupError("concurrency has no group")
    if queue not in ("single", "max") or (queue == "max" and cancels):
        raise StartupError("concurrency.queue is `single`, or `max` where nothing in progress is cancelled")
    return Wish(group, cancels is True or cancels == "true", queue == "max", of_job)


class Groups:
    """All groups of one repository; their names are the same in any case."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._groups: dict[str, Group] = {}
        self._wanted: dict[int, list[Wish]] = {}
        self._wished: dict[int, list[Wish]] = {}

    def __iter__(self) -> Iterator[Group]:
        """Those that have members, by name."""
        return iter(sorted(self._groups.values(), key=lambda one: one.name))

    def get(self, name: str) -> Group | None:
        """A group that has members."""
        return self._groups.get(name.casefold())

    def wished(self, run: Run) -> list[Wish]:
        """The groups a run was ever to be in."""
        return self._wished.get(run.id, [])

    def has_its_turn(self, run: Run) -> bool:
        """Whether a run waits for no group."""
        return not self._wanted.get(run.id)

    def enter(self, run: Run, wanted: Iterable[Wish]) -> list[Run]:
        """A run begins; the runs that are to be cancelled for it, or itself where it would wait for itself."""
        self._wanted[run.id] = list(wanted)
        self._wished[run.id] = list(self._wanted[run.id])
        return self._go_on(run)

    def leave(self, run: Run) -> tuple[list[Run], list[Run]]:
        """A run is over: those that have all their turns now, and those that are to be cancelled."""
        ready: list[Run] = []
        displaced: list[Run] = []
        self._wanted.pop(run.id, None)
        for wish in self.wished(run):
            group = self.get(wish.group)
            place = None if group is None else group.place(run)
            if group is None or place is None:
                continue
            del group.members[place]
            if not group.members:
                del self._groups[wish.group.casefold()]
            elif place == 0:
                following = group.members[0][0]
                group.acquired_at = self._now()
                self._wanted[following.id].pop(0)
                displaced += self._go_on(following)
                if self.has_its_turn(following):
                    ready.append(following)
        return ready, displaced

    def _go_on(self, run: Run) -> list[Run]:
        """Take one group after the other until one is taken."""
        while self._wanted[run.id]:
            wish = self._wanted[run.id][0]
            group = self._groups.setdefault(wish.group.casefold(), Group(wish.group))
            others = [one for one, _ in group.members]
            if run in others:
                return [run]
            group.members.append((run, wish))
            if others:
                return _displaced(run, wish, others)
            group.acquired_at = self._now()
            self._wanted[run.id].pop(0)
        return []


def _displaced(run: Run, wish: Wish, others: list[Run]) -> list[Run]:
    if wish.cancel_in_progress:
        return others
    if not wish.queue_all:
        return others[1:]
    return [run] if len(others) > MOST_PENDING else []
