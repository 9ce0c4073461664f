"""Hints within one process: the default, and enough for as long as one process is.

Made by the composition root, given to everybody who changes runs and to those who wait for it. Belongs to one event
loop; `give` is called from that loop only.
"""

import asyncio
from collections.abc import Callable

from cluster_bot.log import get_logger

logger = get_logger(__name__)


class LocalHints:
    """The `Hints` port: every ear hears every hint, in the order given, soon after the giver has gone on."""

    def __init__(self) -> None:
        self._ears: list[Callable[[str], None]] = []

    def give(self, run_id: str) -> None:
        """Tell every listener; returns at once, before any of them has heard."""
        # Not from inside the giver: a listener may call what the giver is in the middle of.
        loop = asyncio.get_running_loop()
        for ear in self._ears:
            loop.call_soon(_tell, ear, run_id)

    def listen(self, ear: Callable[[str], None]) -> None:
        """Call `ear(run id)` for each hint from now on; what it raises is logged and harms nobody else."""
        self._ears.append(ear)


def _tell(ear: Callable[[str], None], run_id: str) -> None:
    try:
        ear(run_id)
    except Exception:  # a border: whose ear it is, and what goes wrong in it, is not known here
        logger.exception("a listener failed", extra={"action": "hint", "run": run_id})
