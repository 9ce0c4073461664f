"""One bot per database: the data folder's lock says so for SQLite in it, a lock of PostgreSQL's for a server.

Held by the composition root around everything else. Stores themselves may be opened by any number of processes; what
must not be doubled is who follows and shows runs. The lock is a session's, on a connection of its own, so it ends with
the bot however the bot ends: at once where its machine lives, after a minute where that is gone too.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from cluster_bot.errors import StartupError
from cluster_bot.log import get_logger
from cluster_bot.store.dialects import Dialect, dialect_of
from cluster_bot.store.postgresql import WORKING, is_lock_timeout

log = get_logger(__name__)

# How often the session is looked at: for about so long another bot may be at work beside one that was cut off.
LOOK_S = 10.0
# A bot that was just killed, or is being stopped, lets go within moments.
WAIT_S = 5.0


class Alone:
    """The lock, while it is held."""

    def __init__(self, dialect: Dialect, engine: Engine | None, look_s: float) -> None:
        self._dialect = dialect
        self._engine = engine
        self._look_s = look_s
        self._session: Connection | None = None
        # A look goes on in its thread when whoever waited for it is cancelled: it must not take anything after the end.
        self._turn = threading.RLock()
        self._ended = False

    async def during(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` as long as no other bot has the database; raises StartupError once one has, and what `work` raises.

        A session that was lost is made anew and takes the lock again: a restart of the server ends no bot.
        """
        working = asyncio.create_task(work, name="work")
        watching = asyncio.create_task(self._watch(), name="alone")
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, working):
                task.cancel()
            await asyncio.wait({working, watching})
        for task in (watching, working):
            if not task.cancelled():
                task.result()

    async def _watch(self) -> None:
        never = asyncio.Event()
        while True:
            try:
                await asyncio.wait_for(never.wait(), self._look_s)
            except TimeoutError:
                await asyncio.to_thread(self._look)

    def _look(self) -> None:
        with self._turn:
            if self._session is None:
                self.take()
                return
            try:
                self._session.execute(select(1))
            except SQLAlchemyError as error:
                said = self._dialect.sentence(error)
                log.warning("the lock's session is lost: %s", said, extra={"action": "lock_lost"})
                self._let_go()
                self.take()

    def take(self) -> None:
        """Take the lock, or log why nobody can at the moment; raises StartupError where another bot has it. Blocks."""
        if self._engine is None or self._ended:
            return
        try:
            self._session = self._engine.connect()
            self._session.execute(select(func.pg_advisory_lock(WORKING)))
        except SQLAlchemyError as error:
            self._let_go()
            if is_lock_timeout(error):
                raise StartupError(
                    "Another bot is using this PostgreSQL database; stop it, or give this one a database of its own in "
                    "DATABASE_URL (staging: DISCORD_DEBUG_DATABASE_URL)."
                ) from None
            log.warning("the lock can't be taken: %s", self._dialect.sentence(error), extra={"action": "lock_lost"})

    def _let_go(self) -> None:
        if self._session is not None:
            self._session.invalidate()
            self._session.close()
            self._session = None

    def close(self) -> None:
        """Let go of the lock, for good. Blocks."""
        with self._turn:
            self._ended = True
            self._let_go()
            if self._engine is not None:
                self._engine.dispose()


@contextmanager
def no_bot(url: str) -> Iterator[None]:
    """Keep bots from the database while it is worked on; raises StartupError where one has it. Blocks."""
    dialect = dialect_of(url)
    alone = Alone(dialect, dialect.holding(WAIT_S), LOOK_S)
    try:
        alone.take()
        yield
    finally:
        alone.close()


@asynccontextmanager
async def only_bot(url: str, *, look_s: float = LOOK_S, wait_s: float | None = None) -> AsyncIterator[Alone]:
    """Hold the database at `url` against other bots; raises StartupError with one sentence where one has it.

    A server that does not answer is no reason: opening the store says so better.
    """
    dialect = dialect_of(url)
    alone = Alone(dialect, dialect.holding(WAIT_S if wait_s is None else wait_s), look_s)
    try:
        await asyncio.to_thread(alone.take)
        yield alone
    finally:
        await asyncio.to_thread(alone.close)
