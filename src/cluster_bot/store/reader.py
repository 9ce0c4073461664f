"""Reads of the database beside the loop: a few threads, each question one trip there and back.

Used by `sql_store`. Threads and not an asynchronous driver, because that makes a trip of every step of a statement: to
connect, to execute, to fetch; with SQLite it halved the speed.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, RowMapping, Select

T = TypeVar("T")

# As many reads go on at once; the engine needs a connection for each.
READERS = 4


class Reader:
    """Reads through `engine`, which it owns. A read that was begun is ended even when whoever asked is cancelled."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    async def rows(self, query: Select[Any], **parameters: Any) -> list[RowMapping]:
        """All rows of `query`."""
        return await self.ask(lambda connection: list(connection.execute(query, parameters).mappings()))

    async def ask(self, work: Callable[[Connection], T]) -> T:
        """What `work` makes of what it reads, all of it beside the loop: to judge a hundred runs takes a while."""
        return await asyncio.wrap_future(self._threads.submit(self._ask, work))

    async def close(self) -> None:
        """End the reads under way, then let go of the database."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    def _ask(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return work(connection)
