"""Reads of the database beside the loop: a few threads, each statement one trip there and back.

Used by `sql_store`. Threads and not an asynchronous driver, because that makes a trip of every step of a statement: to
connect, to execute, to fetch; with SQLite it halved the speed.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, RowMapping, Select

# As many reads go on at once; the engine needs a connection for each.
READERS = 4


class Reader:
    """Reads through `engine`, which it owns. A read that was begun is ended even when whoever asked is cancelled."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    async def rows(self, query: Select[Any]) -> list[RowMapping]:
        """All rows of `query`."""
        return await asyncio.wrap_future(self._threads.submit(self._rows, query))

    async def close(self) -> None:
        """End the reads under way, then let go of the database."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    def _rows(self, query: Select[Any]) -> list[RowMapping]:
        with self._engine.connect() as connection:
            return list(connection.execute(query).mappings())
