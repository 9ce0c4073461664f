"""A launcher for tests of what is on offer: its name and offers are what the test says, and it accepts every run."""

from collections.abc import Collection, Mapping, Sequence

from cluster_bot.errors import ClusterBotError
from cluster_bot.runs.machines import Box, Invitation, Listed, Wanted
from cluster_bot.runs.ports import GpuOffer, Unknowable
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Handle, Observation, Run, Sighting


class Offering:
    """Keeps what it was asked to start; `refuses` is raised instead."""

    claims = True

    def __init__(self, name: str, *offers: GpuOffer, refuses: ClusterBotError | None = None) -> None:
        self._name = name
        self.offers = list(offers)
        self.started: list[Run] = []
        self._refuses = refuses

    @property
    def name(self) -> str:
        """What the test says."""
        return self._name

    async def start(self, run: Run) -> Handle:
        """Accept at once."""
        if self._refuses is not None:
            raise self._refuses
        self.started.append(run)
        return Handle(f"{run.id}-{run.attempt}")

    async def find(self, run: Run) -> Handle | Unknowable | None:
        """Knows all it started."""
        known = [(one.id, one.attempt) for one in self.started]
        return Handle(f"{run.id}-{run.attempt}") if (run.id, run.attempt) in known else None

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Everything waits for ever."""
        return {handle: Observation(Sighting.PENDING, "waits for a machine") for handle in handles}

    async def stop(self, handle: Handle) -> None:
        """As good as gone."""

    async def availability(self) -> Sequence[GpuOffer]:
        """What the test says."""
        return self.offers

    async def close(self) -> None:
        """Nothing to let go of."""


class NoBoxes:
    """`Boxes` of a scheduler that is away: it has no machines, and takes none."""

    async def listed(self) -> Listed:
        return Listed(())

    async def sight(self, name: str) -> Box | None:
        return None

    async def invite(self, wanted: Wanted) -> Invitation:
        raise refuse(Refusal.GITHUB_AWAY, why="GitHub can't be reached")

    async def remove(self, name: str) -> Box:
        raise refuse(Refusal.NO_SUCH_MACHINE)


class Waiting(Offering):
    """A Modal of two GPUs that takes whatever it is given, and never begins; what is stopped is gone."""

    def __init__(self) -> None:
        super().__init__("modal", GpuOffer("T4"), GpuOffer("H100"))
        self._stopped: set[Handle] = set()

    async def stop(self, handle: Handle) -> None:
        self._stopped.add(handle)

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        seen = await super().poll(handles)
        gone = Observation(Sighting.FINISHED, never_ran=True)
        return {handle: gone if handle in self._stopped else one for handle, one in seen.items()}
