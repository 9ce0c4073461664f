"""Our own runner's shipping against our own ingest: what one side of the wire writes, the other keeps."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from porch import HELLO, NOW, Porch, lines, log, outcome, porch

from cluster_bot.runs.ports import artifact_blob
from cluster_bot.runs.run import Run, Status
from cluster_bot.web.bounds import Bounds
from cluster_runner.home import Home
from cluster_runner.ship import Shipper
from cluster_runner.wire import Event


async def shipped(home: Porch, run: Run, folder: Path, stops: list[int]) -> Shipper:
    """The shipper of a spool, after it has sent all that it can; it counts in `stops` how often it was told to stop."""
    way = Home(f"http://127.0.0.1:{home.server.port}", home.tokens.mint(run.id, 1, home.now[0] + 60))
    made = Shipper(way, run.id, str(folder), lambda: stops.append(1))
    made.hurry = True

    def send() -> None:
        while not made.done:
            made.turn()
        way.close()

    await asyncio.to_thread(send)
    return made


def spool(folder: Path, *events: Event) -> None:
    """Write the events at the end of the spool."""
    with (folder / "events.ndjson").open("ab") as file:
        file.write(lines(*events))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "spool"
    (made / "artifacts").mkdir(parents=True)
    return made


async def test_a_whole_spool_comes_home(home: Porch, folder: Path) -> None:
    run = await home.launched()
    (folder / "artifacts" / "0-plot.png").write_bytes(b"\x89PNG")
    file = {"name": "plot.png", "size": 4, "stored": "0-plot.png", "detail": None}
    left = {"name": "huge", "size": 2**40, "stored": None, "detail": "it is larger than 8 MiB"}
    text = [log(n, "x" * 1000) for n in range(2, 1000)]
    events = [HELLO, *text, Event(1000, NOW, "artifact", file), Event(1001, NOW, "artifact", left), outcome(1002)]
    spool(folder, *events)
    stops: list[int] = []
    sending = await shipped(home, run, folder, stops)
    assert (sending.acknowledged, sending.reason, sending.left_out, stops) == (1002, "", 0, [])
    assert await home.store.events(run.id, 1, 0, limit=2000) == events
    assert await home.store.blob(run.id, artifact_blob(1, 1000)) == b"\x89PNG"
    # A runner that begins anew with the same spool doubles nothing.
    await shipped(home, run, folder, stops)
    assert await home.store.events(run.id, 1, 0, limit=2000) == events


async def test_its_program_is_stopped_when_that_is_wished(home: Porch, folder: Path) -> None:
    run = await home.launched()
    await home.store.save(replace(run, status=Status.STOPPING))
    spool(folder, HELLO, outcome(2))
    stops: list[int] = []
    await shipped(home, run, folder, stops)
    assert stops
    assert await home.store.last_event(run.id, 1) == 2


async def test_it_ships_no_more_once_the_run_has_been_over_for_a_while(home: Porch, folder: Path) -> None:
    run = await home.launched()
    await home.store.save(replace(run, status=Status.LOST, finished_at=NOW))
    home.now[0] = NOW + 3600
    spool(folder, HELLO, outcome(2))
    sending = await shipped(home, run, folder, [])
    assert sending.over == "the run has been over for a while"


async def test_it_finds_the_event_that_is_not_taken(tmp_path: Path, folder: Path) -> None:
    async with porch(tmp_path, Bounds(kept_bytes=1000)) as home:
        run = await home.launched()
        spool(folder, HELLO, *[log(n, "x" * 200) for n in range(2, 9)], outcome(9))
        sending = await shipped(home, run, folder, [])
        assert "refused with status 413" in sending.reason
        assert sending.acknowledged == await home.store.last_event(run.id, 1) == 4
