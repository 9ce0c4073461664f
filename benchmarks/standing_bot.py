"""The bot with a launcher that accepts every run and never ends one, so that many are under way at little cost.

Started by `command_latency.py` instead of `-m cluster_bot`. The launcher is the tests' own; it is called `github`, so
that `/run github` leads there.
"""

import sys
from collections.abc import Collection, Mapping
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from cluster_bot import app
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.run import Handle, Observation, Reason, Sighting
from offering import Offering

add_launchers = app._add_launchers


class Standing(Offering):
    """Runs go on until they are stopped."""

    def __init__(self) -> None:
        super().__init__("github", GpuOffer("H100", machines=4, starts_in_s=15.0), GpuOffer("T4", waiting=3))
        self._stopped: set[Handle] = set()

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Running, or gone."""
        gone = Observation(Sighting.FINISHED, ending=Reason.CANCELLED_OUTSIDE)
        goes_on = Observation(Sighting.RUNNING, "goes on", url="https://example.org/1")
        return {handle: gone if handle in self._stopped else goes_on for handle in handles}

    async def stop(self, handle: Handle) -> None:
        """Remembered."""
        self._stopped.add(handle)


def with_standing(parts: app.Parts, settings: app.Settings) -> None:
    """What the settings switch on, and ours."""
    add_launchers(parts, settings)
    parts.launchers.append(Standing())


if __name__ == "__main__":
    app._add_launchers = with_standing
    from cluster_bot.cli import main

    sys.argv[0] = "cluster-bot"
    main()
