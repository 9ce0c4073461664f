"""Tells admins that the last run has ended after they had the bot drained.

Run by the composition root beside the relay. It looks when a run's news come and when an order is given, and at its
start, so that a bot that was stopped too early still says so.
"""

from cluster_bot.log import get_logger
from cluster_bot.runs.orders import EVERYTHING, EVERYWHERE
from cluster_bot.runs.ports import Hints, Store
from cluster_bot.runs.summary import Which
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.workers import Bell

log = get_logger(__name__)

AGAIN_S = 10.0


class Draining:
    """`said` is what admins are told; what could not be looked at is looked at again after `again_s` seconds."""

    def __init__(self, desk: Desk, store: Store, news: Hints, said: str, *, again_s: float = AGAIN_S) -> None:
        self._desk = desk
        self._store = store
        self._said = said
        self._again_s = again_s
        self._bell = Bell()
        desk.listen(self._bell.ring)
        news.listen(lambda run_id: self._bell.ring())

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            looked = True
            # Read where it costs nothing: most of the time nothing is drained, and news come by the hundred.
            if self._desk.draining_since is not None:
                looked = await self._looked()
            await self._bell.wait(None if looked else self._again_s)

    async def _looked(self) -> bool:
        try:
            await self._look()
        except Exception:
            # The border of the loop: a database that is away for a moment must not end the bot.
            log.exception("look failed", extra={"action": "look_failed", "launcher": "draining"})
            return False
        return True

    async def _look(self) -> None:
        pause = (await self._desk.orders(EVERYWHERE)).pauses.get(EVERYTHING)
        if pause is not None and pause.drain and not await self._store.count(Which(only_live=True)):
            await self._desk.note(EVERYWHERE, self._said, key=f"drained:{pause.at}")
