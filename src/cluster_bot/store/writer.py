"""The one place of this process that writes to the database: one transaction after the other.

Used by `sql_store`. Waiting for the turn in the process costs nothing, waiting for a lock of the database is a busy
wait. Inserts that wait for the turn at the same time share a transaction, and so its flush to the disk, which is most
of what a small write costs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")

# So many inserts share a transaction at most, to keep the turn short for the others.
_TOGETHER = 100


class _Insert(NamedTuple):
    statement: Executable
    rows: Sequence[dict[str, Any]]
    done: asyncio.Future[int]


class Writer:
    """Writes through `engine`, which it owns, in the order of asking.

    A write that was begun goes on when whoever asked is cancelled: a cancellation in the middle of a driver's call
    would cost the connection, and others may share the transaction.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()
        self._waiting: list[_Insert] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def transaction(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """What `work` returns, once it is committed; rolled back where it raises."""
        return await asyncio.shield(self._start(self._transaction(work)))

    async def insert(self, statement: Executable, rows: Sequence[dict[str, Any]]) -> int:
        """Insert `rows`, all or none, and return how many of them `statement` took, once they are committed."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Insert(statement, rows, done))
        if len(self._waiting) % _TOGETHER == 1:
            self._start(self._insert_together())
        return await done

    async def close(self) -> None:
        """End the writes under way, then let go of the database."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._engine.dispose()

    def _start(self, write: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(write, name="store write")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _transaction(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._turn, self._engine.begin() as connection:
            return await work(connection)

    async def _insert_together(self) -> None:
        async with self._turn:
            taken, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
            try:
                counts = await self._counts_in_one(taken) or await self._counts_one_by_one(taken)
            except Exception as error:
                # Whatever it is belongs to those who asked; here nobody waits for it.
                for one in taken:
                    if not one.done.done():
                        one.done.set_exception(error)
                return
        for one, count in zip(taken, counts, strict=True):
            if not one.done.done():
                one.done.set_result(count)

    async def _counts_in_one(self, taken: Sequence[_Insert]) -> list[int] | None:
        """Insert by one statement; None, and nothing inserted, where it would not tell who had how many."""
        if any(one.statement is not taken[0].statement for one in taken):
            return None
        rows = [row for one in taken for row in one.rows]
        async with self._engine.connect() as connection, connection.begin() as transaction:
            if (await connection.execute(taken[0].statement, rows)).rowcount == len(rows):
                return [len(one.rows) for one in taken]
            await transaction.rollback()
        return None

    async def _counts_one_by_one(self, taken: Sequence[_Insert]) -> list[int]:
        async with self._engine.begin() as connection:
            return [(await connection.execute(one.statement, one.rows)).rowcount for one in taken]
