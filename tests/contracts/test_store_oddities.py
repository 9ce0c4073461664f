"""What every store makes of what it would rather not have: text with odd characters, and runs it can't read."""

import pytest
from sqlalchemy import delete, update
from stores import NOW, WIDE, admitted, launched, log, submission

from cluster_bot.errors import UnknownRunError, UnreadableRunError, UserError
from cluster_bot.runs.ports import Place
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Run
from cluster_bot.store import SqlStore
from cluster_bot.store.dialects import dialect_of
from cluster_bot.store.tables import runs as run_rows
from cluster_bot.store.tables import specs as spec_rows

# --- runs that a stricter program can't read --------------------------------------------------------------------


def spoil(url: str, spoilt: Run, *, document: str) -> None:
    """Make what is stored of a run what no version of the program would write."""
    engine = dialect_of(url).writer()
    with engine.begin() as connection:
        connection.execute(update(spec_rows).where(spec_rows.c.run_id == spoilt.id).values(document=document))
    engine.dispose()


@pytest.mark.parametrize(
    "document",
    [
        '{"files": {}, "main": "a.py", "launcher": "local", "time_limit_s": 60}',
        '{"files": {"a.py": "secret source"}, "main": 5}',
        '["no object"]',
        "no JSON",
    ],
)
async def test_a_run_that_cannot_be_read_keeps_nobody_else_from_going_on(
    store: SqlStore, url: str, document: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, spoilt, after = [await admitted(store, key) for key in ("before", "spoilt", "after")]
    spoil(url, spoilt, document=document)
    for _ in range(3):
        assert await store.unfinished() == [before, after]
        assert await store.unfinished("local") == [before, after]
        assert await store.of_member("1", 10) == [after, before]
    [record] = caplog.records
    assert (record.levelname, vars(record)["action"], vars(record)["run"]) == ("ERROR", "run_unreadable", spoilt.id)
    assert "secret" not in record.getMessage()
    for asked in (store.load(spoilt.id), store.by_number(spoilt.number), store.admit(submission("spoilt"), WIDE, NOW)):
        with pytest.raises(UnreadableRunError, match=spoilt.id) as caught:
            await asked
        assert "secret" not in str(caught.value)
    # It is ours all the same: it counts, its events are kept, and a later version may read it.
    with pytest.raises(UserError):
        await store.admit(submission("fourth"), Limits(live_per_member=3), NOW)
    assert await store.append(spoilt.id, 0, [log(1)]) == 1


async def test_a_run_whose_spec_is_gone_keeps_nobody_else_from_going_on(
    store: SqlStore, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, spoilt, after = [await admitted(store, key) for key in ("before", "spoilt", "after")]
    engine = dialect_of(url).writer()
    with engine.begin() as connection:
        connection.execute(delete(spec_rows).where(spec_rows.c.run_id == spoilt.id))
    engine.dispose()
    for _ in range(2):
        assert await store.unfinished() == [before, after]
    [record] = caplog.records
    assert (vars(record)["action"], vars(record)["run"]) == ("run_unreadable", spoilt.id)


async def test_a_status_nobody_knows_any_more_is_no_live_one(store: SqlStore, url: str) -> None:
    run, other = await admitted(store, "one"), await admitted(store, "two")
    engine = dialect_of(url).writer()
    with engine.begin() as connection:
        connection.execute(update(run_rows).where(run_rows.c.id == run.id).values(status="dreaming"))
    engine.dispose()
    assert await store.unfinished() == [other]
    for asked in (store.load(run.id), store.standing(run.id), store.claim(run.id, 0, "a" * 32)):
        with pytest.raises(UnreadableRunError, match=run.id):
            await asked


# --- text that a database may not like --------------------------------------------------------------------------

ODD = ["a\0b", "a\\0b", "\0", "a\\b", "a\\\\b", "\ud800", "\\ud800", "ü \U0001f600\u2028", "'; --", "%s %(x)s :x", ""]


async def test_keys_may_hold_any_text(store: SqlStore) -> None:
    asked = [submission(text, owner=f"by {text}") for text in ODD]
    runs = [(await store.admit(one, WIDE, NOW)).run for one in asked]
    assert len({run.id for run in runs}) == len(ODD)
    for run, one, text in zip(runs, asked, ODD, strict=True):
        assert (await store.admit(one, WIDE, NOW)).run.id == run.id
        assert [found.id for found in await store.of_member(f"by {text}", 10)] == [run.id]


async def test_names_of_blobs_may_hold_any_text(store: SqlStore) -> None:
    run = await admitted(store)
    for text in ODD:
        await store.put_blob(run.id, text, text.encode("utf-8", "surrogatepass"))
    for text in ODD:
        assert await store.blob(run.id, text) == text.encode("utf-8", "surrogatepass")


async def test_a_run_may_be_asked_for_by_any_text(store: SqlStore) -> None:
    for text in ODD:
        with pytest.raises(UnknownRunError):
            await store.load(text)
        assert await store.append(text, 1, [log(1)]) == 0
        assert await store.events(text, 1, 0) == []
        assert await store.place(text) == Place()
        assert await store.blob(text, "x") is None
        assert await store.unfinished(text) == []


async def test_what_a_program_printed_is_kept_to_the_last_character(store: SqlStore) -> None:
    run = await launched(store)
    printed = [*ODD, "".join(map(chr, range(0x20))), "\x7f\x80\xff\ufffe\uffff", "\0" * 10_000]
    events = [log(n, text) for n, text in enumerate(printed, 1)]
    assert await store.append(run.id, 1, events) == len(events)
    assert await store.events(run.id, 1, 0) == events
