"""Backups: what is written beside a running bot comes back whole on any kind of database, and doubt is marked."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stores
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from stores import NOW, admitted, launched, log, opened

from cluster_bot.errors import StartupError
from cluster_bot.runs.machines import Expected
from cluster_bot.runs.orders import Entry
from cluster_bot.runs.ports import Place
from cluster_bot.runs.run import Handle, Member, Run, Status
from cluster_bot.store import SqlStore, schema, sqlite
from cluster_bot.store.backup import ROUND, Restored, back_up, restore
from cluster_bot.store.dialects import dialect_of
from cluster_bot.store.tables import metadata

LATER = NOW + 60
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def other(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> str:
    """An empty database of the other kind."""
    if url.startswith("postgres"):
        return f"sqlite:///{tmp_path}/other"
    return stores.DATABASES["postgresql"](request, False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a backup may go."""
    return tmp_path / "backups" / "one.backup"


@pytest.fixture(autouse=True)
def _folder(file: Path) -> None:
    file.parent.mkdir()


async def taken(url: str, file: Path) -> None:
    await asyncio.to_thread(back_up, url, file)


async def put_back(file: Path, url: str, **how: Any) -> Restored:
    return await asyncio.to_thread(lambda: restore(file, url, now=LATER, **how))


async def ended(store: SqlStore, key: str) -> Run:
    """A run that is over and shown."""
    run = await launched(store, key)
    assert await store.claim(run.id, 1, "a" * 32)
    await store.append(run.id, 1, [log(n, f"{n} \0é🙂\n") for n in range(1, 1300)])
    await store.put_blob(run.id, "artifact/1/7", bytes(range(256)) * 4096)
    run = await store.save(replace(run, status=Status.SUCCEEDED, finished_at=NOW + 1))
    await store.save_place(run.id, Place({"anchor": 2**60}, shown_version=3, closed=True))
    return run


def rows_at(url: str) -> Rows:
    with dialect_of(url).snapshot() as connection:
        return rows_of(connection)


def rows_of(connection: Any) -> Rows:
    tables = metadata.sorted_tables
    return {one.name: sorted(map(tuple, connection.execute(select(one))), key=repr) for one in tables}


# --- the copy ---------------------------------------------------------------------------------------------------


async def test_all_there_is_comes_back_on_any_database(store: SqlStore, url: str, other: str, file: Path) -> None:
    run = await ended(store, "over")
    entry = Entry("5", "paused", NOW, Member("1", "ann"))
    await store.book.change("5", lambda orders: replace(orders, log_channel="7"), entry)
    await store.expected.put(Expected("b" * 32, "box", "H100", "github", entry.by or Member("", ""), "5", LATER))
    before = rows_at(url)
    assert all(before.values()), "a table is empty, so its copy shows nothing"
    await taken(url, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    done = await put_back(file, other)
    assert (done.runs, done.unfinished, done.next_number) == (1, 0, ROUND + 1)
    assert rows_at(other) == before
    async with opened(other) as restored:
        assert await restored.load(run.id) == run
        assert (await admitted(restored, "next")).number == ROUND + 1
        assert (await admitted(restored, "next but one")).number == ROUND + 2
        # By its number an entry is looked for in a channel, where lost ones may stand.
        assert await restored.book.note(Entry("5", "resumed", NOW))
        assert [one.number for one in await restored.book.unshown(9)] == [1, ROUND + 1]


ids = st.integers(0, 2**128 - 1).map("{:032x}".format)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
contents = st.lists(
    st.tuples(ids, texts, texts, st.lists(texts, max_size=3), st.lists(st.binary(), max_size=3)),
    max_size=4,
    unique_by=lambda one: one[0],
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents)
def test_whatever_the_tables_hold_is_copied(tmp_path_factory: pytest.TempPathFactory, made: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("copy")
    url = f"sqlite:///{folder}/a.sqlite3"
    schema.bring_up_to_date(dialect_of(url))
    engine = dialect_of(url).writer()
    tables = metadata.tables
    with engine.begin() as connection:
        for run_id, text, owner, lines, files in made:
            run = {"id": run_id, "origin_key": run_id + text, "owner_id": owner, "launcher": "x", "status": "succeeded"}
            run |= {"attempt": 1, "version": 0, "created_at": 0.1, "document": text, "main": text, "gpu": None}
            connection.execute(insert(tables["runs"]), run)
            connection.execute(insert(tables["specs"]), {"run_id": run_id, "document": text})
            place = '{"state": {}, "shown_version": 1}'
            connection.execute(insert(tables["feeds"]), {"run_id": run_id, "closed": True, "place": place})
            of_run = {"run_id": run_id, "attempt": 1}
            for n, line in enumerate(lines):
                event = {**of_run, "number": n, "at": n / 3, "kind": "log", "body": line}
                connection.execute(insert(tables["events"]), event)
            for n, content in enumerate(files):
                blob = {"run_id": run_id, "name": str(n), "size": len(content), "content": content}
                connection.execute(insert(tables["blobs"]), blob)
    engine.dispose()
    before = rows_at(url)
    back_up(url, folder / "b")
    with sqlite.read_only(folder / "b") as connection:
        assert rows_of(connection) == before
    restore(folder / "b", f"sqlite:///{folder}/c.sqlite3", now=1.0)
    assert rows_at(f"sqlite:///{folder}/c.sqlite3") == before


async def test_a_backup_is_of_one_moment_while_others_write(store: SqlStore, url: str, file: Path) -> None:
    run = await ended(store, "first")
    live = await launched(store, "live")
    done = asyncio.Event()

    async def write() -> int:
        number = 0
        while not done.is_set():
            number += 1
            await store.append(live.id, 1, [log(number)])
            # An event is kept before the run that knows of it.
            await store.save(replace(await store.load(live.id), applied=number))
            await admitted(store, f"more {number}")
        return number

    writing = asyncio.create_task(write(), name="write")
    await taken(url, file)
    done.set()
    assert await writing > 1
    with closing(sqlite3.connect(file)) as found:
        assert found.execute("PRAGMA foreign_key_check").fetchall() == []
        (runs, specs, feeds), *_ = found.execute(
            "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM specs), (SELECT count(*) FROM feeds)"
        )
        assert runs == specs == feeds
        events = [number for (number,) in found.execute("SELECT number FROM events WHERE run_id = ?", (live.id,))]
        assert sorted(events) == list(range(1, len(events) + 1))
        ((applied,),) = found.execute("SELECT json_extract(document, '$.applied') FROM runs WHERE id = ?", (live.id,))
        assert len(events) in (applied, applied + 1)
        assert found.execute("SELECT count(*) FROM events WHERE run_id = ?", (run.id,)).fetchone() == (1299,)


# --- what is marked ---------------------------------------------------------------------------------------------


async def test_what_was_not_over_is_in_doubt(store: SqlStore, url: str, other: str, file: Path) -> None:
    waits = await admitted(store, "waits")
    runs = await store.save(replace(await launched(store, "runs"), status=Status.RUNNING, handle=Handle("h")))
    shown = await launched(store, "over, and not shown")
    shown = await store.save(replace(shown, status=Status.FAILED, finished_at=NOW))
    unseen = await admitted(store, "shown nowhere any more")
    await store.save_place(unseen.id, Place(closed=True))
    over = await ended(store, "over")
    await store.save_place(runs.id, Place({"anchor": 5}, shown_version=1))
    await taken(url, file)
    assert (await put_back(file, other)).unfinished == 3
    async with opened(other) as restored:
        # It may have been launched since: its launcher is asked before anything is repeated.
        wished = replace(waits, status=Status.STARTING, attempt=1, launched_at=LATER, doubted=True, version=1)
        assert await restored.load(waits.id) == wished
        assert await restored.load(runs.id) == replace(runs, doubted=True, version=runs.version + 1)
        assert await restored.load(unseen.id) == replace(
            unseen, status=Status.STARTING, attempt=1, launched_at=LATER, version=1
        )
        assert await restored.load(shown.id) == shown
        assert await restored.load(over.id) == over
        assert await restored.place(runs.id) == Place({"anchor": 5}, shown_version=1, restored=True)
        assert (await restored.place(shown.id)).restored
        assert not (await restored.place(over.id)).restored
        # A runner that was started since reports as it would have.
        assert await restored.append(waits.id, 1, [log(1)]) == 1
        assert await restored.claim(waits.id, 1, "b" * 32)


async def test_no_number_is_given_twice(store: SqlStore, url: str, other: str, file: Path) -> None:
    for key in range(3):
        await admitted(store, str(key))
    await taken(url, file)
    assert (await put_back(file, other)).next_number == ROUND + 1
    # Restored and backed up before there was a run, and then lost again with some.
    second = file.with_name("two")
    await taken(other, second)
    async with opened(other) as restored:
        assert (await admitted(restored, "a")).number == ROUND + 1
    third = f"sqlite:///{file.parent}/third.sqlite3"
    assert (await put_back(second, third)).next_number == 2 * ROUND + 1


async def test_the_next_number_may_be_told(store: SqlStore, url: str, other: str, file: Path) -> None:
    await admitted(store)
    await taken(url, file)
    with pytest.raises(StartupError, match="a higher one"):
        await put_back(file, other, next_number=1)
    assert (await put_back(file, other, next_number=2)).next_number == 2
    async with opened(other) as restored:
        assert (await admitted(restored, "next")).number == 2


# --- what is refused --------------------------------------------------------------------------------------------


async def test_a_database_with_runs_is_left_alone(store: SqlStore, url: str, other: str, file: Path) -> None:
    await admitted(store)
    await taken(url, file)
    async with opened(other) as restored:
        await admitted(restored, "here already")
    before = rows_at(other)
    with pytest.raises(StartupError, match="has 1 run"):
        await put_back(file, other)
    assert rows_at(other) == before


async def test_a_database_that_a_first_start_has_made_is_filled(
    store: SqlStore, url: str, other: str, file: Path
) -> None:
    await admitted(store)
    await taken(url, file)
    async with opened(other):
        pass
    assert (await put_back(file, other)).runs == 1


async def test_a_backup_of_an_older_version_is_brought_up_to_date(other: str, file: Path) -> None:
    old = file.with_name("old")
    with sqlite.written_once(old) as connection:
        schema.upgrade(connection, "0002")
        connection.exec_driver_sql(
            "INSERT INTO runs (number, id, origin_key, owner_id, launcher, status, attempt, version, created_at, "
            "document) VALUES (7, 'a', 'k', '1', 'local', 'failed', 1, 2, 1.5, '{}')"
        )
    await taken(f"sqlite:///{old}", file)
    assert (await put_back(file, other)).runs == 1
    with dialect_of(other).snapshot() as connection:
        assert schema.revision_of(connection) == schema.NEWEST
        assert [row.number for row in connection.execute(select(metadata.tables["runs"].c.number))] == [7]


def test_what_is_no_backup_is_refused(other: str, file: Path, tmp_path: Path) -> None:
    empty, text, newer, whole = (tmp_path / name for name in ("empty", "text", "newer", "whole"))
    empty.touch()
    text.write_text("hello " * 1000)
    with sqlite.written_once(newer) as connection:
        schema.upgrade(connection)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with sqlite.written_once(whole) as connection:
        schema.upgrade(connection)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(whole.read_bytes()[: -3 * 4096])
    problems = {
        file: "There is no file",
        empty: "is no backup",
        text: "is no backup",
        newer: "newer version",
        damaged: "damaged",
    }
    for given_file, problem in problems.items():
        with pytest.raises(StartupError, match=problem) as caught:
            restore(given_file, other, now=LATER)
        assert str(caught.value).endswith(".")
    # Nothing came of it.
    with suppress(StartupError), dialect_of(other).snapshot() as connection:
        assert schema.revision_of(connection) is None


async def test_no_file_is_written_over_unasked(store: SqlStore, url: str, file: Path) -> None:
    file.write_text("precious")
    with pytest.raises(StartupError, match="exists"):
        await taken(url, file)
    assert file.read_text() == "precious"
    await asyncio.to_thread(lambda: back_up(url, file, replace_it=True))
    with sqlite.read_only(file) as connection:
        assert schema.revision_of(connection) == schema.NEWEST


def test_nothing_is_left_of_a_backup_that_fails(file: Path, tmp_path: Path) -> None:
    for source in (tmp_path / "missing", tmp_path / "empty"):
        if source.name == "empty":
            source.touch()
        with pytest.raises(StartupError):
            back_up(f"sqlite:///{source}", file)
        assert list(file.parent.iterdir()) == []
    with pytest.raises(StartupError, match="can't be written"):
        back_up(f"sqlite:///{tmp_path}/empty", tmp_path / "no folder" / "file")
