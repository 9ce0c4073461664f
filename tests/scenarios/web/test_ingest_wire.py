"""Every row of the table in workflows/run-job/README.md, and every answer below it, over real sockets."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from porch import HELLO, NOW, Porch, log, outcome, porch

from cluster_bot.runs.ports import artifact_blob
from cluster_bot.runs.run import Reason, Run, Status, StopWish
from cluster_bot.web.bounds import Bounds
from cluster_runner.wire import Event, payload_from_json

ONE, OTHER = "a" * 32, "b" * 32
FINAL = [status for status in Status if status.final]
ROWS = [("POST", "claim"), ("GET", "payload"), ("POST", "events"), ("PUT", "artifacts/1")]


def instance(name: str) -> bytes:
    return json.dumps({"instance": name}).encode()


async def ended(home: Porch, run: Run, status: Status = Status.LOST) -> Run:
    return await home.store.save(replace(run, status=status, finished_at=NOW))


# --- tokens -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "what"), ROWS)
async def test_nothing_without_the_token_of_this_run(home: Porch, method: str, what: str) -> None:
    run, other = await home.launched("one"), await home.launched("other")
    path = f"/runs/{run.id}/{what}"
    good = home.tokens.mint(run.id, 1, NOW + 1)
    for token in (
        "",
        "xyzzy",
        home.tokens.mint(other.id, 1, NOW + 1),
        good + "x",
        good[:-1],
        good.replace(".1.", ".2."),
    ):
        answer = await home.ask(method, path, token=token)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for header in (f"Basic {good}", good, "Bearer", f"Bearer {good} {good}", "Bearer \xfc"):
        assert (await home.ask(method, path, headers={"Authorization": header})).status == 401
    home.now[0] = NOW + 1
    assert (await home.ask(method, path, token=good)).status == 401
    # Nor does anybody learn in this way which runs there are.
    assert (await home.ask(method, f"/runs/{'0' * 32}/{what}")).status == 401


@pytest.mark.parametrize(("method", "what"), ROWS)
async def test_a_run_that_is_none(home: Porch, method: str, what: str) -> None:
    run = replace(await home.launched(), id="0" * 32)
    assert (await home.as_runner(run, method, what, instance(ONE))).status == 404


@pytest.mark.parametrize(("method", "what"), ROWS[1:])
async def test_a_run_that_has_been_over_for_a_while(home: Porch, method: str, what: str) -> None:
    run = await ended(home, await home.launched())
    home.now[0] = NOW + 600
    assert (await home.as_runner(run, method, what)).status < 300
    home.now[0] = NOW + 601
    assert (await home.as_runner(run, method, what)).status == 410
    assert await home.store.events(run.id, 1, 0) == []


# --- claim and payload ------------------------------------------------------------------------------------------


async def test_a_claim(home: Porch) -> None:
    run = await home.launched()
    for _ in range(2):
        answer = await home.as_runner(run, "POST", "claim", instance(ONE))
        assert (answer.status, answer.said) == (200, {"claimed": True})
        assert (await home.as_runner(run, "POST", "claim", instance(OTHER))).status == 409
    stopping = replace(run, status=Status.STOPPING, stop=StopWish(Reason.CANCELLED_BY_USER, "ann", NOW))
    await home.store.save(stopping)
    assert (await home.as_runner(run, "POST", "claim", instance(ONE))).status == 409


async def test_of_many_that_claim_at_once_one_may_execute(home: Porch) -> None:
    run = await home.launched()
    tries = [home.as_runner(run, "POST", "claim", instance(f"{n:032x}")) for n in range(4)]
    assert sorted(answer.status for answer in await asyncio.gather(*tries)) == [200, 409, 409, 409]


async def test_a_claim_of_a_superseded_attempt_or_of_a_run_that_is_over(home: Porch) -> None:
    run = await home.launched(attempt=2)
    assert (await home.as_runner(run, "POST", "claim", instance(ONE), attempt=1)).status == 409
    await ended(home, run)
    home.now[0] = NOW + 10_000
    assert (await home.as_runner(run, "POST", "claim", instance(ONE), attempt=2)).status == 409


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"\xff", b"[]", b"{}", b'{"instance": 5}', b'{"instance": "A"}', instance("A" * 32), b"[" * 4000],
)
async def test_a_claim_that_is_none(home: Porch, body: bytes) -> None:
    assert (await home.as_runner(await home.launched(), "POST", "claim", body)).status == 400


async def test_the_payload(home: Porch) -> None:
    run = await home.launched()
    answer = await home.as_runner(run, "GET", "payload")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"
    payload = payload_from_json(json.dumps(answer.said))
    assert (payload.run, payload.attempt, payload.report_to) == (run.id, 1, None)
    assert (payload.files, payload.main, payload.language) == ({"a.py": "print('ü')\n"}, "a.py", "python")
    assert (payload.time_limit_s, payload.arguments) == (60.0, ("--n", "1"))
    await home.store.save(replace(run, attempt=2))
    assert (await home.as_runner(run, "GET", "payload")).status == 410


# --- events -----------------------------------------------------------------------------------------------------


async def test_events_are_kept_and_acknowledged(home: Porch) -> None:
    run = await home.launched()
    assert (await home.post(run)).said == {"ack": 0, "stop": False}
    assert (await home.post(run, HELLO, log(2))).said == {"ack": 2, "stop": False}
    # Sent again; then with what is new; then what comes after a gap, which is not kept.
    assert (await home.post(run, HELLO, log(2, "other"))).said["ack"] == 2
    assert (await home.post(run, log(2, "other"), log(3))).said["ack"] == 3
    assert (await home.post(run, log(5))).said["ack"] == 3
    assert (await home.post(run, log(4), log(6), log(5))).said["ack"] == 5
    assert await home.store.events(run.id, 1, 0) == [HELLO, log(2), log(3), log(4), log(5)]


async def test_the_last_line_needs_no_end(home: Porch) -> None:
    run = await home.launched()
    body = b'{"n":1,"t":1,"kind":"phase","phase":"run"}\n{"n":2,"t":1,"kind":"phase","phase":"run"}'
    assert (await home.as_runner(run, "POST", "events", body)).said["ack"] == 2


async def test_as_many_events_as_a_body_holds(home: Porch) -> None:
    run = await home.launched()
    events = [log(n, "") for n in range(1, 3500)]
    assert (await home.post(run, *events)).said == {"ack": 3499, "stop": False}
    assert await home.store.events(run.id, 1, 0, limit=4000) == events


async def test_what_comes_in_is_hinted_at(home: Porch) -> None:
    run = await home.launched()
    hints = []
    for events in ([], [HELLO], [log(2)], [log(2)], [log(9)], [log(3), Event(4, NOW, "phase", {"phase": "run"})]):
        await home.post(run, *events)
        hints.append((len(home.news), len(home.wished)))
    await home.post(run, outcome(5))
    hints.append((len(home.news), len(home.wished)))
    assert hints == [(0, 0), (1, 1), (2, 1), (2, 1), (2, 1), (3, 2), (4, 3)]
    assert set(home.news) == set(home.wished) == {run.id}


@pytest.mark.parametrize("status", [Status.QUEUED, Status.STOPPING, *FINAL])
async def test_who_should_stop_hears_it_at_the_next_heartbeat(home: Porch, status: Status) -> None:
    run = await home.launched()
    await home.store.save(replace(run, status=status, finished_at=NOW if status.final else None))
    assert (await home.post(run)).said == {"ack": 0, "stop": True}


async def test_a_superseded_attempt_hears_that_it_should_stop(home: Porch) -> None:
    run = await home.launched()
    await home.post(run, HELLO)
    await home.store.save(replace(run, attempt=2))
    assert (await home.post(run, log(2))).said == {"ack": 1, "stop": True}
    assert (await home.post(run, attempt=2)).said == {"ack": 0, "stop": False}
    assert await home.store.events(run.id, 1, 0) == [HELLO]


@pytest.mark.parametrize("status", [Status.QUEUED, Status.STARTING, Status.RUNNING])
async def test_a_bot_that_was_put_back_learns_of_attempts_from_their_runners(home: Porch, status: Status) -> None:
    run = await home.launched(status=status, attempt=1, doubted=True)
    # Its token is ours, so it was launched: after the backup.
    assert (await home.post(run, HELLO, attempt=3)).said == {"ack": 1, "stop": False}
    now = await home.store.load(run.id)
    assert (now.attempt, now.handle, now.doubted) == (3, None, True)
    assert (await home.as_runner(run, "POST", "claim", instance(ONE), attempt=4)).status == 200
    assert (await home.post(run, log(2), attempt=3)).said == {"ack": 1, "stop": True}
    await ended(home, await home.store.load(run.id))
    assert (await home.post(run, attempt=5)).said == {"ack": 0, "stop": True}
    assert (await home.store.load(run.id)).attempt == 4


async def test_a_late_outcome_is_kept_and_looked_at(home: Porch) -> None:
    run = await ended(home, await home.launched())
    home.now[0] = NOW + 500
    assert (await home.post(run, HELLO, outcome(2))).said == {"ack": 2, "stop": True}
    assert home.wished == [run.id]


@pytest.mark.parametrize(
    "bad",
    [
        b"no JSON\n",
        b"\xff\xfe\n",
        b"\n",
        b"[]\n",
        b'{"n":2,"t":1,"kind":"log","stream":"stdout"}\n',
        b'{"n":0,"t":1,"kind":"gap","lines":1,"bytes":1}\n',
        b'{"n":NaN,"t":1,"kind":"phase","phase":"run"}\n',
        b'{"n":' + b"9" * 60_000 + b"}\n",
        b"[" * 60_000 + b"\n",
        b'{"a":' * 12_000 + b"\n",
        b'{"n":2,"t":1,"kind":"phase","phase":"run","more":{"a":1}}\n',
        b'{"n":2,"t":1,"kind":"log","stream":"stdout","text":"\\ud800"}\n',
        b"\0" * 65_536 + b"\n",
    ],
)
async def test_a_line_that_is_no_event(home: Porch, bad: bytes) -> None:
    # What comes before it is kept, so that the runner learns which one to leave out.
    run = await home.launched()
    body = b'{"n":1,"t":1,"kind":"phase","phase":"run"}\n' + bad + b'{"n":2,"t":1,"kind":"phase","phase":"run"}\n'
    answer = await home.as_runner(run, "POST", "events", body)
    assert (answer.status, answer.said["ack"]) == (400, 1)
    assert answer.said["error"].startswith("Line 2 is no event")
    assert (await home.post(run, Event(2, NOW, "gap", {"lines": 1, "bytes": 1}))).said["ack"] == 2


async def test_an_event_may_be_as_large_as_the_wire_allows(home: Porch) -> None:
    run = await home.launched()
    assert (await home.post(run, log(1, "\U0001f600" * 8192))).said["ack"] == 1


async def test_of_an_attempt_so_much_is_kept_and_its_verdict(tmp_path: Path) -> None:
    async with porch(tmp_path, Bounds(kept_bytes=1000, reserve_bytes=500)) as home:
        run = await home.launched()
        answer = await home.post(run, *[log(n, "x" * 300) for n in range(1, 5)])
        assert (answer.status, answer.said["ack"]) == (413, 2)
        assert (await home.post(run, log(3, "x" * 300))).status == 413
        # What was kept is not counted again when it is sent again; another run has its own room.
        assert (await home.post(run, log(1, "x" * 300), log(2, "x" * 300))).status == 200
        assert (await home.post(run, Event(3, NOW, "gap", {"lines": 1, "bytes": 300}), outcome(4))).said["ack"] == 4
        assert (await home.post(await home.launched("other"), log(1, "x" * 300))).status == 200
        answer = await home.post(run, *[outcome(n) for n in range(5, 20)])
        assert (answer.status, answer.said["ack"] < 12) == (413, True)


# --- artifacts --------------------------------------------------------------------------------------------------


async def test_an_artifact(home: Porch) -> None:
    run = await home.launched()
    answer = await home.as_runner(run, "PUT", "artifacts/3", b"\0\xff")
    assert (answer.status, answer.said) == (204, None)
    assert await home.store.blob(run.id, artifact_blob(1, 3)) == b"\0\xff"
    assert (await home.as_runner(run, "PUT", "artifacts/3", b"")).status == 204
    assert await home.store.blob(run.id, artifact_blob(1, 3)) == b""
    large = b"x" * (8 * 2**20)
    assert (await home.as_runner(run, "PUT", "artifacts/4", large)).status == 204
    assert await home.store.blob(run.id, artifact_blob(1, 4)) == large


async def test_an_artifact_of_an_event_that_cannot_come_soon(home: Porch) -> None:
    run = await home.launched()
    await home.post(run, HELLO)
    assert (await home.as_runner(run, "PUT", "artifacts/10001", b"x")).status == 204
    for n in ("10002", "9" * 16, "0"):
        assert (await home.as_runner(run, "PUT", f"artifacts/{n}", b"x")).status == 400
    for n in ("-1", "x", "9" * 17, "1/2", "", "%2e%2e"):
        assert (await home.as_runner(run, "PUT", f"artifacts/{n}", b"x")).status == 404


async def test_an_artifact_of_a_superseded_attempt(home: Porch) -> None:
    run = await home.launched(attempt=2)
    assert (await home.as_runner(run, "PUT", "artifacts/1", b"x")).status == 410
    assert await home.store.blob(run.id, artifact_blob(1, 1)) is None


async def test_artifacts_too_large(home: Porch) -> None:
    run = await home.launched()
    # Over what is received at all, over what the store keeps of one file, and of all of a run.
    for size in (16 * 2**20 + 1, 10 * 2**20 + 1):
        assert (await home.as_runner(run, "PUT", "artifacts/1", b"x" * size)).status == 413
    statuses = [(await home.as_runner(run, "PUT", f"artifacts/{n}", b"x" * 9 * 2**20)).status for n in range(1, 6)]
    assert statuses == [204, 204, 204, 413, 413]


# --- the rest ---------------------------------------------------------------------------------------------------


async def test_what_is_not_there(home: Porch) -> None:
    run = await home.launched()
    for path in ("/", "/runs", f"/runs/{run.id}", "/runs/x/events", f"/runs/{run.id.upper()}x/claim", "/%00", "/../x"):
        assert (await home.ask("GET", path)).status == 404
    answer = await home.ask("GET", f"/runs/{run.id}/events")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert "aiohttp" not in str(answer.headers)


async def test_health(home: Porch) -> None:
    assert (await home.ask("GET", "/healthz")).said == {"healthy": True}
    assert (await home.ask("GET", "/readyz")).said == {"ready": True}
