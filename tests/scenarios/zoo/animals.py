"""The animals. Each header line says how it misbehaves; `test_zoo.py` says what the follower must make of it."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from cluster_bot.runs.ports import LaunchRefusedError, LaunchUncertainError, Unknowable
from cluster_bot.runs.run import Handle, Observation, Run, Sighting
from cluster_runner.wire import Event

from .cage import Cage, Tame


class Slow(Tame):
    """Starts only when it is let; meanwhile the caller waits."""

    def __init__(self, cage: Cage) -> None:
        super().__init__(cage)
        self.asked = asyncio.Event()
        self.let = asyncio.Event()

    async def start(self, run: Run) -> Handle:
        self.asked.set()
        await self.let.wait()
        return self.cage.launch(run)


class Never(Tame):
    """Launches, and never says so."""

    async def start(self, run: Run) -> Handle:
        self.cage.launch(run)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class Telling(Tame):
    """Well-behaved, and says when there is something new to see."""

    def __init__(self, cage: Cage) -> None:
        super().__init__(cage)
        self.changed: Callable[[], None] = lambda: None

    def on_change(self, look: Callable[[], None]) -> None:
        self.changed = look


class Forgetful(Tame):
    """The first answer is lost on the way, and `find` sees nothing yet; only the claim keeps it from running twice."""

    async def start(self, run: Run) -> Handle:
        handle = self.cage.launch(run)
        if sum(self.cage.launches.values()) == 1:
            raise LaunchUncertainError("the answer was lost")
        return handle

    async def find(self, run: Run) -> Handle | Unknowable | None:
        return None


class Blind(Tame):
    """As the one before, but nothing claims and the scheduler cannot be asked by our id."""

    claims = False

    async def start(self, run: Run) -> Handle:
        self.cage.launch(run)
        raise ConnectionResetError("the answer was lost")

    async def find(self, run: Run) -> Handle | Unknowable | None:
        return Unknowable.EVER


class Busy(Tame):
    """Cannot be asked for a while: `find` fails twice, then does not know, then finds."""

    asked = 0

    async def start(self, run: Run) -> Handle:
        self.cage.launch(run)
        raise LaunchUncertainError("the answer was lost")

    async def find(self, run: Run) -> Handle | Unknowable | None:
        self.asked += 1
        if self.asked <= 2:
            raise OSError("no route to host")
        return Unknowable.NOW if self.asked == 3 else self.cage.handle_of(run)


class Moody(Tame):
    """Refuses three times, then starts."""

    refusals = 0

    async def start(self, run: Run) -> Handle:
        self.refusals += 1
        if self.refusals <= 3:
            raise LaunchRefusedError("not now", again=True)
        return self.cage.launch(run)


class Proud(Tame):
    """Refuses for good."""

    async def start(self, run: Run) -> Handle:
        raise LaunchRefusedError("no GPU of that name", again=False)


class Crowded(Tame):
    """Has every run wait until its runner speaks."""

    async def start(self, run: Run) -> Handle:
        handle = self.cage.launch(run)
        self.cage.sightings[handle] = Observation(Sighting.PENDING)
        return handle


class Torn(Tame):
    """The first answer is lost on the way; asked again it refuses. `find` does not know for a while, then finds."""

    asked = 0

    def __init__(self, cage: Cage) -> None:
        super().__init__(cage)
        self.refused = asyncio.Event()

    async def start(self, run: Run) -> Handle:
        if self.cage.handle_of(run) is None:
            self.cage.launch(run)
            raise LaunchUncertainError("the answer was lost")
        self.refused.set()
        raise LaunchRefusedError("not now", again=False)

    async def find(self, run: Run) -> Handle | Unknowable | None:
        self.asked += 1
        return Unknowable.EVER if self.asked < 3 else self.cage.handle_of(run)

    async def discard(self, run: Run) -> bool:
        # Its runner lives, and can't be kept from executing any more.
        return self.cage.handle_of(run) is None and await super().discard(run)


class Reticent(Tame):
    """Nobody can know whether its first asking took effect, but it can be forbidden; asked again it refuses."""

    asked = 0

    async def start(self, run: Run) -> Handle:
        self.asked += 1
        if self.asked == 1:
            raise LaunchUncertainError("the answer was lost")
        raise LaunchRefusedError("not now", again=False)

    async def find(self, run: Run) -> Handle | Unknowable | None:
        return Unknowable.EVER


class Mute(Tame):
    """Every look fails with an exception, against its promise."""

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        raise ConnectionError("the scheduler is away")


class Hanging(Tame):
    """Every look takes for ever."""

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class Curt(Tame):
    """Answers for nobody it was asked about, and for somebody it was not."""

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        return {Handle("a stranger"): Observation(Sighting.FINISHED)}


class Liar(Tame):
    """Says "gone" and "running" in turn, of a run that runs."""

    looks = 0

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        self.looks += 1
        lie = Observation(Sighting.MISSING if self.looks % 2 else Sighting.RUNNING)
        return dict.fromkeys(handles, lie)


class Stubborn(Tame):
    """`stop` fails twice before it works, and then ends the run."""

    async def stop(self, handle: Handle) -> None:
        await super().stop(handle)
        if self.cage.stops[handle] <= 2:
            raise ConnectionError("the scheduler is away")
        self.cage.sightings[handle] = Observation(Sighting.FINISHED)


class Stammering(Tame):
    """Its spool fails now and then, and repeats events that were asked for already."""

    fetches = 0

    async def fetch(self, run: Run, after: int) -> Sequence[Event]:
        self.fetches += 1
        if self.fetches % 3 == 1:
            raise OSError("stale file handle")
        handle = self.cage.handle_of(run)
        spool = self.cage.spools.get(handle, []) if handle else []
        fresh = [event for event in spool if event.n > after]
        return [event for event in spool if event.n > after - 2] if fresh else []


class Distant(Tame):
    """Has the spool once it has seen the end itself, which it can't for a while, as after a restart in an outage."""

    def __init__(self, cage: Cage) -> None:
        super().__init__(cage)
        self.unknown = 0
        self._saw_the_end = False

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        if self.unknown > 0:
            self.unknown -= 1
            return dict.fromkeys(handles, Observation(Sighting.UNKNOWN))
        seen = await super().poll(handles)
        self._saw_the_end |= any(one.sighting is Sighting.FINISHED for one in seen.values())
        return seen

    async def fetch(self, run: Run, after: int) -> Sequence[Event]:
        return await super().fetch(run, after) if self._saw_the_end else []


class Late(Tame):
    """Its `start` fails before the scheduler accepts; its runner lives when the spool is to be discarded."""

    async def start(self, run: Run) -> Handle:
        raise ConnectionError("the bot died after the fork")

    async def discard(self, run: Run) -> bool:
        if self.cage.handle_of(run) is None:
            self.cage.launch(run)
            return False
        return True


class Clinging(Tame):
    """Its runner takes long to end: the spool goes at the third time of asking."""

    def __init__(self, cage: Cage) -> None:
        super().__init__(cage)
        self.refusals = 2
        self.gone = asyncio.Event()

    async def discard(self, run: Run) -> bool:
        if self.refusals == 0:
            self.gone.set()
            return True
        self.refusals -= 1
        return False
