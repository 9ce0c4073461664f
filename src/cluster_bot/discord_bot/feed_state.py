"""What a Discord feed must remember to show everything once: ids of what it made, and what it is about to make.

Kept as JSON in the run's Place; read and written by the parts of `thread_feed` and by `once` only.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from cluster_bot.runs.ports import Memory


@dataclass(frozen=True, slots=True)
class FeedState:
    """Message ids are None until the message exists; `room` is where the output goes: a thread, or the same channel.

    `pending` names what is being created: while it is set, the thing may or may not exist. `part` counts log messages
    from 1; `message` is the newest one and `start` the index of its first line among all lines of the run. `status` is
    the newest of 1 + `renewals`.
    """

    anchor: int | None = None
    room: int | None = None
    here: bool = False
    status: int | None = None
    renewals: int = 0
    answered: bool = False
    part: int = 1
    message: int | None = None
    start: int = 0
    verdict: int | None = None
    newest: int = 0
    pending: str | None = None


class FeedMemory:
    """A FeedState kept in a Place, saved as a whole."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        known = {field.name for field in fields(FeedState)}
        self._state = FeedState(**{key: value for key, value in memory.place.state.items() if key in known})

    @property
    def state(self) -> FeedState:
        """As last saved."""
        return self._state

    @property
    def restored(self) -> bool:
        """Whether this is what a backup knew, so that more may stand there."""
        return self._memory.place.restored

    @property
    def shown_version(self) -> int:
        """The run's version that the status message shows."""
        return self._memory.place.shown_version

    async def update(self, **changes: Any) -> None:
        """Change fields of the state; durable when it returns."""
        self._state = replace(self._state, **changes)
        await self._memory.save(replace(self._memory.place, state=asdict(self._state)))

    async def shown(self, version: int, *, closed: bool = False) -> None:
        """Remember which version of the run the status shows, and whether that was the last."""
        await self._memory.save(replace(self._memory.place, shown_version=version, closed=closed))
