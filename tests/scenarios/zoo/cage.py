"""A pretended scheduler and a well-behaved launcher on it; the animals override one verb each."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from cluster_bot.runs.ports import GpuOffer, Unknowable
from cluster_bot.runs.run import Handle, Observation, Run, Sighting
from cluster_runner.wire import Event


class Cage:
    """What the scheduler has: by (run, attempt) the number of launches, executions (the claim's winners) and stops."""

    def __init__(self) -> None:
        self.launches: dict[tuple[str, int], int] = {}
        self.executions: dict[tuple[str, int], int] = {}
        self.stops: dict[Handle, int] = {}
        self.stop_wishes: asyncio.Queue[Handle] = asyncio.Queue()
        self.sightings: dict[Handle, Observation] = {}
        self.spools: dict[Handle, list[Event]] = {}
        self.discards: set[tuple[str, int]] = set()

    def launch(self, run: Run) -> Handle:
        """One more launch; the claim lets one of them execute."""
        key = (run.id, run.attempt)
        self.launches[key] = self.launches.get(key, 0) + 1
        self.executions.setdefault(key, 1)
        handle = Handle(f"{run.id}-{run.attempt}")
        self.sightings.setdefault(handle, Observation(Sighting.RUNNING))
        self.spools.setdefault(handle, [])
        return handle

    def handle_of(self, run: Run) -> Handle | None:
        """The handle, where the scheduler has this attempt."""
        return Handle(f"{run.id}-{run.attempt}") if (run.id, run.attempt) in self.launches else None


class Tame:
    """Does everything as the contract says. `claims` and the spool are as for the local launcher."""

    name = "tame"
    claims = True

    def __init__(self, cage: Cage) -> None:
        self.cage = cage
        self._ring: Callable[[str], None] = lambda run_id: None

    async def start(self, run: Run) -> Handle:
        """Launch at once."""
        return self.cage.launch(run)

    async def find(self, run: Run) -> Handle | Unknowable | None:
        """Knows all it launched."""
        return self.cage.handle_of(run)

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """What the cage shows."""
        missing = Observation(Sighting.MISSING)
        return {handle: self.cage.sightings.get(handle, missing) for handle in handles}

    async def stop(self, handle: Handle) -> None:
        """Count the wish."""
        self.cage.stops[handle] = self.cage.stops.get(handle, 0) + 1
        self.cage.stop_wishes.put_nowait(handle)

    async def availability(self) -> Sequence[GpuOffer]:
        """One machine."""
        return [GpuOffer(None)]

    async def close(self) -> None:
        """Nothing to let go of."""

    def on_news(self, ring: Callable[[str], None]) -> None:
        """Keep the bell."""
        self._ring = ring

    def write(self, run: Run, *events: Event) -> None:
        """The runner writes to its spool and rings."""
        handle = self.cage.handle_of(run)
        assert handle is not None
        self.cage.spools[handle] += events
        self._ring(run.id)

    async def fetch(self, run: Run, after: int) -> Sequence[Event]:
        """Everything after a number."""
        handle = self.cage.handle_of(run)
        return [event for event in self.cage.spools.get(handle, []) if event.n > after] if handle else []

    async def artifact(self, run: Run, stored: str) -> bytes | None:
        """This machine leaves no files."""
        return None

    async def discard(self, run: Run) -> bool:
        """The spool stays all the same: tests read it."""
        self.cage.discards.add((run.id, run.attempt))
        return True
