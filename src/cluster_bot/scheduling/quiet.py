"""Runs that nobody watches: the bot's own, such as the one that tries a new machine.

They are submitted like any other, with an origin of `quiet_origin`; the composition root gives them a feed that shows
nothing. Whoever submitted one asks `Endings` how it went, by the run's id, which outlives a restart where it is kept.
"""

import time
from collections.abc import Sequence

from cluster_bot.runs.ports import Attachment, Gap, Hints, Memory, Place, Store, Trouble, Turn
from cluster_bot.runs.run import Origin, Run
from cluster_bot.scheduling.workers import Bell

_PREFIX = "quiet:"
# A hint may be lost: the store is looked at again after so many seconds.
LOOK_AGAIN_S = 5.0


def quiet_origin(key: str, guild: str | None = None) -> Origin:
    """The origin of a run that is shown nowhere; `key` is the request's own, `guild` whose admins rule over the run."""
    return Origin(f"{_PREFIX}{key}", {"guild": guild})


def is_quiet(origin: Origin) -> bool:
    """Whether a run is shown nowhere."""
    return origin.key.startswith(_PREFIX)


class QuietFeed:
    """`RunFeed` of a run that is shown nowhere: its place is closed when the run is over, and that is all."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def open(self, run: Run) -> None:
        """There is nothing to make."""

    @property
    def abridged(self) -> bool:
        """Nothing is shown, and nobody is owed what was left out."""
        return False

    async def append(self, lines: Sequence[str | Gap], *, partial: str) -> None:
        """The lines are in the store."""

    async def flush(self, run: Run) -> None:
        """Nothing was taken."""

    async def show(self, run: Run, turn: Turn | None = None) -> None:
        """Nobody looks."""

    async def close(self, run: Run, files: Sequence[Attachment], trouble: Trouble) -> None:
        """Remember that there is nothing more to show."""
        await self._memory.save(Place(shown_version=run.version, closed=True))


class Endings:
    """Tells when runs are over; `news` is what says that something of a run has changed."""

    def __init__(self, store: Store, news: Hints, *, look_again_s: float = LOOK_AGAIN_S) -> None:
        self._store = store
        self._look_again_s = look_again_s
        self._waiting: dict[str, set[Bell]] = {}
        news.listen(self._ring)

    async def over(self, run_id: str, within_s: float) -> Run:
        """The run once it has a final status, or as it is after `within_s` seconds. Raises UnknownRunError."""
        until, bell = time.monotonic() + within_s, Bell()
        self._waiting.setdefault(run_id, set()).add(bell)
        try:
            while True:
                run = await self._store.load(run_id)
                left_s = until - time.monotonic()
                if run.status.final or left_s <= 0:
                    return run
                await bell.wait(min(left_s, self._look_again_s))
        finally:
            self._waiting[run_id].discard(bell)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    def _ring(self, run_id: str) -> None:
        for bell in self._waiting.get(run_id, ()):
            bell.ring()
