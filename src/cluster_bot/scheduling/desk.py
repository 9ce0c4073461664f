"""Where admins' orders are given, and where everybody asks which are in force.

Made by the composition root; called by the admins' commands, and by whoever obeys an order. The database is asked each
time, so that an order holds at once for every process on it. What is needed where nothing can be awaited (clocks, the
log's level) goes by what was read or given last in this process.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from cluster_bot.errors import ClusterBotError, StartupError
from cluster_bot.log import get_logger
from cluster_bot.runs.knobs import KNOBS
from cluster_bot.runs.orders import EVERYTHING, EVERYWHERE, Entry, InForce, OrderBook, Orders
from cluster_bot.runs.rules import Limits, Rules
from cluster_bot.runs.run import Member
from cluster_bot.runs.shares import Shares

log = get_logger(__name__)

Ear = Callable[[], None]


class Desk:
    """`usual`, `shares`, `rules` and `values` are what the settings say, which holds where no order says otherwise.

    `home` is the one community that the bot serves, None where it serves several: what is decided there holds
    everywhere.
    """

    def __init__(
        self,
        book: OrderBook,
        *,
        usual: Limits | None = None,
        shares: Shares | None = None,
        rules: Rules | None = None,
        values: dict[str, Any] | None = None,
        home: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._book = book
        self._usual = usual or Limits()
        self._shares = shares or Shares()
        self._rules = rules or Rules()
        self._values = values or {}
        self._clock = clock
        self._everywhere = Orders()
        self._changes = 0
        self._ears: list[Ear] = []
        self.home = home

    async def open(self) -> None:
        """Read what holds everywhere; before anything else. Raises StartupError where that can't be understood."""
        try:
            await self.in_force(EVERYWHERE)
        except ClusterBotError as error:
            log.error("no start: %s", error, extra={"action": "orders_unreadable"})
            raise StartupError(
                "What admins ordered for all servers can't be read; use the version that wrote it, or restore a backup."
            ) from None

    def listen(self, ear: Ear) -> None:
        """Call `ear()` after each change and each entry of the journal that this process makes, from the loop."""
        self._ears.append(ear)

    # --- asking -------------------------------------------------------------------------------------------------

    async def in_force(self, scope: str) -> InForce:
        """What holds in a scope, now."""
        before = self._changes
        found = await self._book.orders(EVERYWHERE, scope)
        # What was read while an order was given may be older than it.
        if before == self._changes:
            self._everywhere = found[EVERYWHERE]
        now = self._clock()
        return InForce(found[EVERYWHERE].at(now), Orders() if scope == EVERYWHERE else found[scope].at(now))

    def spans(self, scope: str) -> bool:
        """Whether what is decided for a scope holds for several communities."""
        return scope == EVERYWHERE and self.home is None

    async def orders(self, scope: str) -> Orders:
        """The orders of one scope alone, without what is over."""
        return (await self._book.orders(scope))[scope].at(self._clock())

    def limits(self, orders: InForce, member: str = "", groups: Collection[str] = ()) -> Limits:
        """What a member may have; without one: what everybody has."""
        return orders.limits(self._usual, self._shares, member, groups)

    def value(self, name: str) -> Any:
        """A setting that holds everywhere, as it was when this process read or changed the orders last."""
        field = KNOBS[name].field
        return self._everywhere.values.get(field, self.usual(name))

    def usual(self, name: str) -> Any:
        """What a setting is where no order says otherwise."""
        field = KNOBS[name].field
        if field in self._values:
            return self._values[field]
        return getattr(self._rules if hasattr(self._rules, field) else self._usual, field)

    @property
    def draining_since(self) -> float | None:
        """When the bot was drained, None where it is not; by what was read last."""
        pause = self._everywhere.pauses.get(EVERYTHING)
        return pause.at if pause is not None and pause.drain else None

    @property
    def rules(self) -> Rules:
        """The clocks, by what was read last."""
        return replace(self._rules, queue_limit_s=float(self.value("queue_limit_s")))

    async def journal(self, scope: str, limit: int) -> Sequence[Entry]:
        """The newest entries of a scope, newest first."""
        return await self._book.journal(scope, limit)

    async def log_channel(self, scope: str) -> str:
        """Where a scope's journal is shown, "" nowhere. Where there is one community, its channel is everybody's."""
        own = (await self.orders(scope)).log_channel
        if own or scope != EVERYWHERE or self.home is None:
            return own
        return (await self.orders(self.home)).log_channel

    # --- deciding -----------------------------------------------------------------------------------------------

    async def change(self, scope: str, by: Member, text: str, change: Callable[[Orders], Orders]) -> Orders:
        """Give an order; `text` is its entry in the journal. Raises what `change` raises, and nothing is changed."""
        now = self._clock()
        # What is over goes with it: else a community's orders would grow for ever.
        after = await self._book.change(scope, lambda orders: change(orders.at(now)), Entry(scope, text, now, by))
        if scope == EVERYWHERE:
            self._everywhere = after
            self._changes += 1
        log.info("order given", extra={"action": "order", "scope": scope, "by": by.id})
        self._tell()
        return after

    async def remember(self, scope: str, change: Callable[[Orders], Orders]) -> Orders:
        """Change a scope's orders without a word: what the bot itself must know the next time."""
        return await self._book.change(scope, change, None)

    async def note(self, scope: str, text: str, *, by: Member | None = None, key: str = "") -> bool:
        """Tell a scope's admins something: it is kept, then shown once in their log channel, where they have one.

        `text` is ready for the front end. With a `key` it is told once, however often this is called; False where it
        had been told.
        """
        fresh = await self._book.note(Entry(scope, text, self._clock(), by, key))
        if fresh:
            self._tell()
        return fresh

    async def unshown(self, limit: int) -> Sequence[Entry]:
        """Entries that have not been shown, oldest first; for whoever shows them."""
        return await self._book.unshown(limit)

    async def shown(self, numbers: Collection[int]) -> None:
        """They were shown, or need not be."""
        await self._book.shown(numbers)

    def now(self) -> float:
        """The time by which orders end, seconds since the epoch."""
        return self._clock()

    def _tell(self) -> None:
        for ear in self._ears:
            ear()
