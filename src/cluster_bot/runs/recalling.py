"""A restored database's way to what it has lost: feeds that look at what people have seen."""

from typing import Protocol, runtime_checkable

from cluster_bot.runs.advance import Recalled


@runtime_checkable
class Recalling(Protocol):
    """A feed that can tell what was shown of its run after the backup."""

    @property
    def recalled(self) -> Recalled:
        """What was found when it was opened; nothing where its place was not restored."""
