"""What every store promises to lists and choices: summaries, counts, how much output there is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Boolean, Connection, Executable, Float, Integer, Result, String, column, insert, table, update
from stores import NOW, WIDE, admitted, launched, log

from cluster_bot.runs.ports import Place, Submission
from cluster_bot.runs.run import Member, Origin, Reason, Status
from cluster_bot.runs.spec import RunSpec, Where
from cluster_bot.runs.summary import Summary, Which
from cluster_bot.store import SqlStore
from cluster_bot.store.dialects import dialect_of
from cluster_bot.store.lists import summaries
from cluster_bot.store.schema import MIGRATIONS
from cluster_bot.store.tables import runs as run_rows
from cluster_runner.wire import Event, Outcome


async def _named(store: SqlStore, key: str, main: str, *, owner: str = "1", gpu: str | None = None) -> int:
    spec = RunSpec({main: "print()\n"}, main, "local", 60, gpu=gpu, others=(Where("modal", "L4"),))
    run = (await store.admit(Submission(spec, Member(owner, "ada"), Origin(key, {})), WIDE, NOW)).run
    return run.number


async def _numbers(store: SqlStore, which: Which, limit: int = 100, offset: int = 0) -> list[int]:
    return [one.number for one in await store.summaries(which, limit, offset)]


async def test_a_summary_tells_what_a_line_shows(store: SqlStore) -> None:
    number = await _named(store, "key", "kernel.py", gpu="H100")
    run = await store.by_number(number)
    assert run is not None
    [fresh] = await store.summaries(Which("1"), 10)
    assert fresh == Summary(
        number, "kernel.py", "local", "H100", run.owner, run.origin, Status.QUEUED, None, created_at=NOW
    )
    await store.save(
        replace(
            run,
            status=Status.FAILED,
            reason=Reason.EXIT_CODE,
            declined=("no",),
            started_at=NOW + 1,
            finished_at=NOW + 3,
            outcome=Outcome("exited", exit_code=1, duration_s=1.5),
        )
    )
    await store.save_place(run.id, Place({"room": 7}, 3, closed=True))
    [over] = await store.summaries(Which("1"), 10)
    assert over == replace(
        fresh,
        launcher="modal",
        gpu="L4",
        status=Status.FAILED,
        reason=Reason.EXIT_CODE,
        started_at=NOW + 1,
        finished_at=NOW + 3,
        ran_s=1.5,
        place={"room": 7},
    )


async def test_live_ones_come_first_and_pages_follow_each_other(store: SqlStore) -> None:
    for n in range(7):
        run = await admitted(store, f"key{n}")
        if n % 3:
            await store.save(replace(run, status=Status.SUCCEEDED, finished_at=NOW))
    await admitted(store, "other", owner="2")
    assert await _numbers(store, Which("1")) == [7, 4, 1, 6, 5, 3, 2]
    assert await _numbers(store, Which("1"), 3, 3) == [6, 5, 3]
    assert await _numbers(store, Which("1"), 3, 6) == [2]
    assert await _numbers(store, Which("1"), 3, 9) == []
    assert await _numbers(store, Which("1", only_live=True)) == [7, 4, 1]
    assert await _numbers(store, Which(only_live=True)) == [8, 7, 4, 1]
    assert await _numbers(store, Which("3")) == []
    counts = [await store.count(one) for one in (Which("1"), Which("1", only_live=True), Which(), Which("3"))]
    assert counts == [7, 3, 8, 0]


async def test_what_is_typed_is_looked_for_in_name_and_number(store: SqlStore) -> None:
    names = ["kernel.py", "Matmul_2.cu", "50%.py", "a.py", *("b.py" for _ in range(8))]
    for name in names:
        await _named(store, f"{name}{await store.count(Which())}", name)
    await _named(store, "theirs", "kernel.py", owner="2")
    found = {
        "": list(range(12, 0, -1)),
        "kern": [1],
        "MATMUL": [2],
        "12": [12],
        "#1": [12, 11, 10, 1],
        "2": [12, 2],
        "%": [3],
        "_": [2],
        "/": [],
        "#": [],
        "' or 1=1": [],
        "\0\ud800": [],
        "x" * 3000: [],
        "9" * 30: [],
    }
    for typed, numbers in found.items():
        assert await _numbers(store, Which("1", typed=typed)) == numbers, typed
        assert await store.count(Which("1", typed=typed)) == len(numbers)


async def test_a_run_that_cannot_be_read_is_left_out(store: SqlStore, url: str) -> None:
    await admitted(store, "before")
    spoilt = await admitted(store, "spoilt")
    await admitted(store, "after")
    for document in ('["no object"]', "no JSON", "{}", '{"owner": 5}'):
        engine = dialect_of(url).writer()
        with engine.begin() as connection:
            connection.execute(update(run_rows).where(run_rows.c.id == spoilt.id).values(document=document))
        engine.dispose()
        assert await _numbers(store, Which("1")) == [3, 1]


async def test_how_much_output_there_is(store: SqlStore) -> None:
    run = await launched(store)
    assert await store.log_size(run.id, 1) == 0
    outcome = Event(3, NOW, "outcome", {"result": "exited", "exit_code": 0, "duration_s": 1.0})
    await store.append(run.id, 1, [log(1, "x" * 1000), log(2, "y" * 500), outcome])
    assert await store.log_size(run.id, 1) == 1500
    assert await store.log_size(run.id, 2) == 0


async def test_odd_names_of_gpus_are_kept_as_text(store: SqlStore) -> None:
    spec = RunSpec({"a.py": "print()\n"}, "a.py", "local", 60, gpu="H\x00100\ud800")
    await store.admit(Submission(spec, Member("1", "ada"), Origin("key", {})), WIDE, NOW)
    [one] = await store.summaries(Which("1"), 10)
    assert one.gpu == "H100?"


class Meanwhile:
    """A connection, after whose first answer something happens."""

    def __init__(self, connection: Connection, happens: Iterator[None]) -> None:
        self._connection = connection
        self._happens = happens

    def execute(self, asked: Executable) -> Result[Any]:
        """The answer, and then it happens."""
        answer = self._connection.execute(asked).freeze()()
        next(self._happens, None)
        return answer


async def test_a_run_that_ends_while_they_are_listed_is_listed_once(url: str, store: SqlStore) -> None:
    for key in "abc":
        await admitted(store, key)

    def ends() -> Iterator[None]:
        writer = dialect_of(url).writer()
        with writer.begin() as connection:
            connection.execute(update(run_rows).where(run_rows.c.number == 3).values(status="succeeded"))
        writer.dispose()
        yield

    readers = dialect_of(url).readers()
    with readers.connect() as connection:
        listed = summaries(Meanwhile(connection, ends()), Which("1"), 10, 0)  # type: ignore[arg-type]
    readers.dispose()
    assert [one.number for one in listed] == [3, 2, 1]


@pytest.fixture
def old_url(url: str) -> str:
    """A database as the revision before left it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with dialect_of(url).migrating() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
    return url


async def test_runs_of_earlier_versions_are_listed(old_url: str) -> None:
    kinds = {"number": Integer, "attempt": Integer, "version": Integer, "created_at": Float, "closed": Boolean}
    names = ("number", "id", "origin_key", "owner_id", "launcher", "status", "attempt", "version", "created_at")
    old_runs = table("runs", *(column(name, kinds.get(name, String)) for name in (*names, "document")))
    old_specs = table("specs", column("run_id", String), column("document", String))
    old_feeds = table("feeds", column("run_id", String), column("closed", Boolean), column("place", String))
    document = {"owner": {"id": "1", "name": "ada"}, "origin": {"key": "k", "data": {}}, "reason": None}
    engine = dialect_of(old_url).writer()
    with engine.begin() as connection:
        for number in range(1, 121):
            given = (number, f"{number:032}", f"key{number}", "1", "github", "queued", 0, 0, NOW)
            given = (*given, json.dumps(document | ({"declined": ["no"]} if number == 6 else {})))
            connection.execute(insert(old_runs).values(dict(zip((*names, "document"), given, strict=True))))
            spec = {
                "main": f"k{number}.py",
                "gpu": "H100",
                "files": {},
                "time_limit_s": 60,
                "others": [{"gpu": "L4:2"}],
            }
            spec = spec if number != 5 else ["no spec"]
            connection.execute(insert(old_specs).values(run_id=f"{number:032}", document=json.dumps(spec)))
            place = json.dumps({"state": {}, "shown_version": 0})
            connection.execute(insert(old_feeds).values(run_id=f"{number:032}", closed=False, place=place))
    engine.dispose()
    store = await SqlStore.open(old_url)
    try:
        listed = await store.summaries(Which("1"), 200)
        assert [(one.number, one.main, one.gpu) for one in listed[:2]] == [
            (120, "k120.py", "H100"),
            (119, "k119.py", "H100"),
        ]
        assert [(one.main, one.gpu) for one in listed if one.number == 5] == [("", None)]
        assert [one.gpu for one in listed if one.number == 6] == ["L4:2"]  # it went on there
        assert await store.count(Which("1")) == 120
        # What is under way counts from the start: some of it is not saved again before it is over.
        assert (await store.usage("1", NOW)).gpu_s == 119 * 120
    finally:
        await store.close()
