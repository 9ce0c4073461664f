"""The one place of this process that writes to the database: one thread, one transaction after the other.

Used by `sql_store`. A transaction is one trip to the thread and back, however many statements it has: each trip costs
as much as a small statement. Inserts that wait at the same time share a transaction, and so its flush to the disk,
which is most of what a small write costs.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, Executable

T = TypeVar("T")

# So many inserts share a transaction at most, to keep the turn short for the others.
_TOGETHER = 100


class _Insert(NamedTuple):
    statement: Executable
    rows: Sequence[dict[str, Any]]
    done: asyncio.Future[int]


class Writer:
    """Writes through `engine`, which it owns, in the order of asking.

    A write that was begun goes on when whoever asked is cancelled; one that was not may still take place.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._waiting: deque[_Insert] = deque()

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once it is committed; rolled back where it raises. Called in the writer's thread."""
        return await asyncio.wrap_future(self._thread.submit(self._transaction, work))

    async def insert(self, statement: Executable, rows: Sequence[dict[str, Any]], key: Sequence[str]) -> int:
        """Insert `rows`, all or none, and return how many of them `statement` took, once they are committed.

        `key` names what tells rows apart. All processes insert in its order, so that no two wait for each other.
        """
        loop = asyncio.get_running_loop()
        one = _Insert(statement, sorted(rows, key=itemgetter(*key)), loop.create_future())
        self._waiting.append(one)
        # A call each, though one may find that another has done its work.
        self._thread.submit(self._insert_together, loop, key)
        return await one.done

    async def close(self) -> None:
        """End the writes under way, then let go of the database."""
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def _insert_together(self, loop: asyncio.AbstractEventLoop, key: Sequence[str]) -> None:
        taken: list[_Insert] = []
        while self._waiting and len(taken) < _TOGETHER:
            taken.append(self._waiting.popleft())
        if taken:
            answers = self._answers(taken, key)
            loop.call_soon_threadsafe(_tell, taken, answers)

    def _answers(self, taken: Sequence[_Insert], key: Sequence[str]) -> list[int | Exception]:
        """For each how many were new, or what it is to raise."""
        answers: list[int | Exception] = []
        try:
            answers += self._counts_in_one(taken, key)
            # Where one statement would not tell who had how many: a transaction each.
            for one in taken[len(answers) :]:
                answers.append(self._count_of_one(one))
        except Exception as error:
            # Whatever it is belongs to those who asked; here nobody waits for it. The next ones would only meet it too.
            answers += [error] * (len(taken) - len(answers))
        return answers

    def _counts_in_one(self, taken: Sequence[_Insert], key: Sequence[str]) -> list[int]:
        """Insert by one statement; [], and nothing inserted, where not all rows of all were new."""
        if any(one.statement is not taken[0].statement for one in taken):
            return []
        rows = sorted((row for one in taken for row in one.rows), key=itemgetter(*key))
        with self._engine.connect() as connection, connection.begin() as transaction:
            if connection.execute(taken[0].statement, rows).rowcount == len(rows):
                return [len(one.rows) for one in taken]
            transaction.rollback()
        return []

    def _count_of_one(self, one: _Insert) -> int:
        with self._engine.begin() as connection:
            return connection.execute(one.statement, one.rows).rowcount


def _tell(taken: Sequence[_Insert], answers: Sequence[int | Exception]) -> None:
    for one, answer in zip(taken, answers, strict=True):
        if one.done.done():
            continue  # whoever asked was cancelled
        if isinstance(answer, Exception):
            one.done.set_exception(answer)
        else:
            one.done.set_result(answer)
