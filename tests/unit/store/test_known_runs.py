"""What is remembered of runs spares reading their specs again, is bounded, and never outlives a change."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore
from cluster_bot.store.known_runs import LEAST_CHARACTERS, KnownRuns
from cluster_bot.store.sqlite import Sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.sqlite3"


@pytest.fixture
async def runs(path: Path) -> list[Run]:
    """Three of them, in the database."""
    store = await SqlStore.open(f"sqlite:///{path}")
    spec = RunSpec({"a.py": "print()"}, "a.py", "local", 60)
    asked = [Submission(spec, Member("1", "ada"), Origin(key, {})) for key in ("one", "two", "three")]
    found = [(await store.admit(one, Limits(), 1.0)).run for one in asked]
    await store.close()
    return found


@pytest.fixture
def connection(path: Path, runs: list[Run]) -> Iterator[Connection]:
    engine = Sqlite(path).readers()
    with engine.connect() as one:
        yield one
    engine.dispose()


@pytest.fixture
def asked(connection: Connection) -> list[str]:
    """Every statement, as it is asked."""
    statements: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
    return statements


def specs_read(asked: list[str]) -> int:
    """How many statements have read specs since this was last asked."""
    count = sum("FROM runs JOIN specs" in one for one in asked)
    asked.clear()
    return count


async def saved(path: Path, run: Run) -> Run:
    """The run as another process has saved it."""
    store = await SqlStore.open(f"sqlite:///{path}")
    newer = await store.save(run)
    await store.close()
    return newer


async def test_a_spec_is_read_once(connection: Connection, asked: list[str], runs: list[Run], path: Path) -> None:
    known = KnownRuns()
    assert [known.one(connection, run.id) for run in runs] == runs
    assert specs_read(asked) == 3
    newer = await saved(path, replace(runs[1], status=Status.STARTING, attempt=1))
    now = [runs[0], newer, runs[2]]
    assert [known.one(connection, run.id) for run in runs] == now
    assert known.unfinished(connection, "local") == [(run.id, run) for run in now]
    assert specs_read(asked) == 0


async def test_the_last_used_are_kept(connection: Connection, asked: list[str], runs: list[Run]) -> None:
    known = KnownRuns(most_characters=2 * LEAST_CHARACTERS)
    first, second, third = runs
    for run in (first, second, first, third):
        known.one(connection, run.id)
    assert specs_read(asked) == 3
    assert [known.one(connection, run.id) for run in (first, third)] == [first, third]
    assert specs_read(asked) == 0
    assert known.one(connection, second.id) == second
    assert specs_read(asked) == 1


async def test_what_is_over_is_forgotten(connection: Connection, asked: list[str], runs: list[Run], path: Path) -> None:
    known = KnownRuns()
    known.unfinished(connection, None)
    over = await saved(path, replace(runs[0], status=Status.CANCELLED, finished_at=2.0))
    assert known.one(connection, over.id) == over
    specs_read(asked)
    assert known.one(connection, over.id) == over
    assert specs_read(asked) == 1
    assert known.unfinished(connection, None) == [(run.id, run) for run in runs[1:]]
