"""The store's room for machines that are to appear: the `ExpectedBook` port on a SQL database.

Made by `sql_store`, with whose writer and reader it works. Each is one JSON document; there are few, for an hour each.
"""

import json
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, delete, select

from cluster_bot.log import get_logger
from cluster_bot.runs.machines import Expected
from cluster_bot.store.codec import plain, text_of
from cluster_bot.store.dialects import Dialect
from cluster_bot.store.reader import Reader
from cluster_bot.store.tables import expected_machines as machines
from cluster_bot.store.writer import Writer

log = get_logger(__name__)

_EXPECTED = TypeAdapter(Expected)


class SqlExpectedBook:
    """The `ExpectedBook` port."""

    def __init__(self, dialect: Dialect, writer: Writer, reader: Reader) -> None:
        self._dialect = dialect
        self._writer = writer
        self._reader = reader

    async def put(self, one: Expected) -> None:
        """Keep it, in the place of one with its id."""
        # A name may hold what is no text to a database.
        document = json.dumps(plain(replace(one, by=replace(one.by, name=text_of(one.by.name)))))

        def work(connection: Connection) -> None:
            put = self._dialect.insert(machines).values(id=one.id, document=document)
            connection.execute(put.on_conflict_do_update(index_elements=["id"], set_={"document": document}))

        await self._writer.transaction(work)

    async def all(self) -> list[Expected]:
        """Those that are kept; what can't be read is left out, and logged."""
        found = []
        for row in await self._reader.rows(select(machines)):
            try:
                found.append(_EXPECTED.validate_json(row["document"]))
            except ValidationError:
                log.error("an expected machine can't be read", extra={"action": "expected_unreadable", "id": row["id"]})
        return found

    async def drop(self, id: str) -> None:
        """Forget it."""

        def work(connection: Connection) -> None:
            connection.execute(delete(machines).where(machines.c.id == id))

        await self._writer.transaction(work)
