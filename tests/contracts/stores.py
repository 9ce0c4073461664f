"""The stores that the contract suite runs on, and what it fills them with.

A new kind of database joins by a line in `DATABASES`. `use` is what a process does that uses a store beside the test's:
it says `ready` once it has opened the store, waits for a word, does the verb, and tells each thing that is done.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from cluster_bot.errors import UserError
from cluster_bot.runs.ports import Store, Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore
from cluster_runner.wire import Event

if TYPE_CHECKING:
    import pytest


def _sqlite(given: pytest.FixtureRequest, with_tables: bool) -> str:
    path = given.getfixturevalue("tmp_path") / "cluster-bot.sqlite3"
    if with_tables:
        shutil.copy(given.getfixturevalue("sqlite_with_tables"), path)
    return f"sqlite:///{path}"


def _postgresql(given: pytest.FixtureRequest, with_tables: bool) -> str:
    return str(given.getfixturevalue("new_database")(with_tables=with_tables))


# From the test's fixtures to the URL of an empty database of its own, without tables or as a first start leaves it.
DATABASES: Mapping[str, Callable[[pytest.FixtureRequest, bool], str]] = {"sqlite": _sqlite, "postgresql": _postgresql}
NOW = 1_700_000_000.0
WIDE = Limits(live_per_member=10_000, live_in_all=10_000)


def submission(key: str, owner: str = "1", launcher: str = "local") -> Submission:
    """One request; `key` is what makes it this one."""
    spec = RunSpec({"a.py": "print()\n"}, "a.py", launcher, 60, arguments=("--n", "1"))
    return Submission(spec, Member(owner, f"member {owner}"), Origin(key, {"channel": 5, "token": "t", "thread": None}))


def log(number: int, text: str = "line\n") -> Event:
    """A log event."""
    return Event(number, NOW + number, "log", {"stream": "stdout", "text": text})


@asynccontextmanager
async def opened(url: str, **bounds: int) -> AsyncIterator[SqlStore]:
    """The store at `url`, closed at the end; again, and it is the same database through another store."""
    store = await SqlStore.open(url, **bounds)
    try:
        yield store
    finally:
        await store.close()


async def admitted(store: Store, key: str = "key", **more: str) -> Run:
    """A run as it was submitted."""
    return (await store.admit(submission(key, **more), WIDE, NOW)).run


async def launched(store: Store, key: str = "key") -> Run:
    """A run in its first attempt."""
    run = await admitted(store, key)
    return await store.save(replace(run, status=Status.STARTING, attempt=1, launched_at=NOW))


class _Teller:
    """What a process tells those who started it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, **facts: object) -> None:
        self._connection.send(facts)


async def _admit(store: Store, tell: _Teller, prefix: str, count: str, in_all: str) -> None:
    """Hand in `count` requests at once."""

    async def one(number: int) -> None:
        with suppress(UserError):
            limits = Limits(live_per_member=10_000, live_in_all=int(in_all))
            admission = await store.admit(submission(f"{prefix}{number}"), limits, NOW)
            tell(id=admission.run.id, number=admission.run.number, fresh=admission.fresh)

    async with asyncio.TaskGroup() as group:
        for number in range(int(count)):
            group.create_task(one(number), name=f"admit {number}")


async def _append(store: Store, tell: _Teller, run_id: str, first: str, step: str, count: str) -> None:
    """Append events one by one, and save the run beside them."""
    for number in range(int(first), int(first) + int(step) * int(count), int(step)):
        await store.append(run_id, 0, [log(number)])
        tell(appended=number)


async def _save(store: Store, tell: _Teller, run_id: str, count: str) -> None:
    """Save the run again and again."""
    run = await store.load(run_id)
    for _ in range(int(count)):
        run = await store.save(run)
        tell(version=run.version)


async def _claim(store: Store, tell: _Teller, instance: str, *run_ids: str) -> None:
    """Claim each run's first attempt, all at once."""

    async def one(run_id: str) -> None:
        tell(run=run_id, instance=instance, won=await store.claim(run_id, 1, instance))

    async with asyncio.TaskGroup() as group:
        for run_id in run_ids:
            group.create_task(one(run_id), name=f"claim {run_id}")


async def _stop(store: Store, tell: _Teller, *run_ids: str) -> None:
    """Wish each run to end, all at once."""

    async def one(run_id: str) -> None:
        run = await store.load(run_id)
        await store.save(replace(run, status=Status.STOPPING))
        tell(stopped=run_id)

    async with asyncio.TaskGroup() as group:
        for run_id in run_ids:
            group.create_task(one(run_id), name=f"stop {run_id}")


async def _nothing(store: Store, tell: _Teller) -> None:
    """Having opened it was the point."""


_VERBS = {"admit": _admit, "append": _append, "save": _save, "claim": _claim, "stop": _stop, "open": _nothing}


def use(connection: Connection, verb: str, url: str, *arguments: str) -> None:
    """The whole life of a process."""

    async def live() -> None:
        tell = _Teller(connection)
        async with opened(url) as store:
            tell(ready=True)
            await asyncio.to_thread(connection.recv)
            await _VERBS[verb](store, tell, *arguments)

    asyncio.run(live())
