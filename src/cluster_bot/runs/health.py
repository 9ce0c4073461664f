"""What a launcher may say of its scheduler's health; implemented by those that speak to one over a network."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Reachable(Protocol):
    """A launcher whose offers say nothing of whether its scheduler can be reached."""

    async def trouble(self) -> str:
        """Why a run could not be started now, in half a sentence; "" where it could. Asks the scheduler."""
