"""The store's room for admins' orders and their journal: the `OrderBook` port on a SQL database.

Made by `sql_store`, with whose writer and reader it works. The orders of a scope are one JSON document, changed in a
serialised transaction, so that of two admins at once neither undoes the other.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, bindparam, select, update

from cluster_bot.errors import ClusterBotError
from cluster_bot.runs.orders import Entry, Orders
from cluster_bot.runs.run import Member
from cluster_bot.store.codec import dumps, plain, text_of
from cluster_bot.store.dialects import Dialect
from cluster_bot.store.reader import Reader
from cluster_bot.store.tables import journal, orders
from cluster_bot.store.writer import Writer

_ORDERS = TypeAdapter(Orders)
# :scopes
_OF_SCOPES = select(orders.c.scope, orders.c.document).where(orders.c.scope.in_(bindparam("scopes", expanding=True)))
# :scope
_OF_ONE = select(orders.c.document).where(orders.c.scope == bindparam("scope"))
# :scope, :most
_NEWEST = (
    select(journal)
    .where(journal.c.scope == bindparam("scope"))
    .order_by(journal.c.number.desc())
    .limit(bindparam("most"))
)
# :most
_UNSHOWN = select(journal).where(journal.c.shown.is_(False)).order_by(journal.c.number).limit(bindparam("most"))


class UnreadableOrdersError(ClusterBotError):
    """A scope's orders can't be understood: better nothing runs than what an admin forbade."""


class SqlOrderBook:
    """The `OrderBook` port."""

    def __init__(self, dialect: Dialect, writer: Writer, reader: Reader) -> None:
        self._dialect = dialect
        self._writer = writer
        self._reader = reader
        # What was read last, by the text it was read from.
        self._known: dict[str, tuple[str, Orders]] = {}

    async def orders(self, *scopes: str) -> Mapping[str, Orders]:
        """The orders of each scope; empty ones where there are none."""
        rows = await self._reader.rows(_OF_SCOPES, scopes=list(set(scopes)))
        found = {row["scope"]: self._read(row["scope"], row["document"]) for row in rows}
        return {scope: found.get(scope, Orders()) for scope in scopes}

    async def change(self, scope: str, change: Callable[[Orders], Orders], entry: Entry | None) -> Orders:
        """Put what `change` makes of a scope's orders in their place, with its entry in the journal."""

        def work(connection: Connection) -> Orders:
            self._dialect.one_at_a_time(connection)
            row = connection.execute(_OF_ONE, {"scope": scope}).mappings().first()
            before = Orders() if row is None else self._read(scope, row["document"])
            after = change(before)
            if after == before and entry is None:
                return before
            document = dumps(plain(after))
            put = self._dialect.insert(orders).values(scope=scope, document=document)
            connection.execute(put.on_conflict_do_update(index_elements=["scope"], set_={"document": document}))
            if entry is not None:
                connection.execute(self._entering(entry))
            return self._read(scope, document)

        return await self._writer.transaction(work)

    async def note(self, entry: Entry) -> bool:
        """Keep an entry of the journal; False where one with its key is there."""

        def work(connection: Connection) -> bool:
            return connection.execute(self._entering(entry)).first() is not None

        return await self._writer.transaction(work)

    async def journal(self, scope: str, limit: int) -> list[Entry]:
        """The newest entries of a scope, newest first."""
        return [_entry_of(row) for row in await self._reader.rows(_NEWEST, scope=scope, most=limit)]

    async def unshown(self, limit: int) -> list[Entry]:
        """Entries that no log channel has been shown, oldest first."""
        return [_entry_of(row) for row in await self._reader.rows(_UNSHOWN, most=limit)]

    async def shown(self, numbers: Collection[int]) -> None:
        """They were shown, or are not to be."""

        def work(connection: Connection) -> None:
            connection.execute(update(journal).where(journal.c.number.in_(list(numbers))).values(shown=True))

        await self._writer.transaction(work)

    def _entering(self, entry: Entry) -> Any:
        values = {
            "at": entry.at,
            "scope": entry.scope,
            "by_id": entry.by.id if entry.by else None,
            "by_name": text_of(entry.by.name) if entry.by else "",
            "text": text_of(entry.text),
            "entry_key": entry.key or None,
            "shown": False,
        }
        return self._dialect.insert(journal).values(values).on_conflict_do_nothing().returning(journal.c.number)

    def _read(self, scope: str, document: str) -> Orders:
        known = self._known.get(scope)
        if known is None or known[0] != document:
            self._known[scope] = known = (document, _orders_of(scope, document))
        return known[1]


def _orders_of(scope: str, document: str) -> Orders:
    try:
        read = _ORDERS.validate_json(document)
    except ValidationError as error:
        raise UnreadableOrdersError(f"the orders of {scope or 'everywhere'} can't be read: {error}") from None
    shares = ({key: _tuples(share) for key, share in each.items()} for each in (read.roles, read.members))
    roles, members = shares
    return replace(read, values=_tuples(read.values), roles=roles, members=members)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """With tuples for lists, as the domain has them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _entry_of(row: Mapping[Any, Any]) -> Entry:
    by = None if row["by_id"] is None else Member(row["by_id"], row["by_name"])
    return Entry(row["scope"], row["text"], row["at"], by, row["entry_key"] or "", row["number"])
