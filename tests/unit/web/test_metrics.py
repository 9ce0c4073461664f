"""What the bot counts, as Prometheus reads it, and who may read it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster_bot.hints import LocalHints
from cluster_bot.meter import LOOP_LAG_S, MEASURES, MOST_SERIES, QUEUE_S, RUNS_ADMITTED, RUNS_ENDED, Meter
from cluster_bot.store import SqlStore
from cluster_bot.web import LoopLag, Metrics, Tokens, WebServer

HERE = "127.0.0.1"


@asynccontextmanager
async def serving(folder: Path, meter: Meter, *, token: str = "", behind_proxy: bool = False) -> AsyncIterator[str]:
    store = await SqlStore.open(f"sqlite:///{folder / 'bot.sqlite3'}")
    hints = LocalHints()
    metrics = Metrics(store, meter, token=token, behind_proxy=behind_proxy)

    async def well() -> str:
        return ""

    server = WebServer(store, Tokens(b"k" * 32), wishes=hints, news=hints, ready=well, port=0, more=[metrics])
    try:
        async with server:
            yield f"http://{HERE}:{server.port}/metrics"
    finally:
        await store.close()


async def get(url: str, token: str = "") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            found[one.name, tuple(value for _, value in sorted(one.labels.items()))] = one.value
    return found


async def test_what_was_counted_is_shown(tmp_path: Path) -> None:
    meter = Meter()
    meter.count(RUNS_ADMITTED, "github", by=2)
    meter.count(RUNS_ENDED, "github", "failed", "exit_code")
    for waited_s in (0.5, 3.0, 99_999.0):
        meter.observe(QUEUE_S, waited_s, "github")
    async with serving(tmp_path, meter) as url:
        status, text = await get(url)
    assert status == 200
    seen = samples(text)
    assert seen["cluster_bot_runs_admitted_total", ("github",)] == 2
    assert seen["cluster_bot_runs_ended_total", ("github", "exit_code", "failed")] == 1
    buckets = [seen["cluster_bot_queue_seconds_bucket", ("github", bound)] for bound in ("0.5", "2.0", "5.0", "+Inf")]
    assert buckets == [1, 1, 2, 3]
    assert seen["cluster_bot_queue_seconds_count", ("github",)] == 3
    assert seen["cluster_bot_open_feeds", ()] == 0
    assert all(f"# HELP {measure.name}" in text for measure in MEASURES)
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize(
    ("token", "behind_proxy", "given", "status"),
    [
        ("", False, "", 200),
        ("", True, "", 403),
        ("", True, "anything", 403),
        ("let me in", True, "let me in", 200),
        ("let me in", False, "", 401),
        ("let me in", False, "let me out", 401),
    ],
)
async def test_who_may_read(tmp_path: Path, token: str, behind_proxy: bool, given: str, status: int) -> None:
    async with serving(tmp_path, Meter(), token=token, behind_proxy=behind_proxy) as url:
        assert (await get(url, given))[0] == status


async def test_a_database_that_is_away_hides_no_number(tmp_path: Path) -> None:
    meter = Meter()
    meter.count(RUNS_ADMITTED, "github")
    store = await SqlStore.open(f"sqlite:///{tmp_path / 'bot.sqlite3'}")
    async with serving(tmp_path, meter) as url:
        for table in ("runs", "feeds", "places"):
            await drop(tmp_path, table)
        status, text = await get(url)
    await store.close()
    assert status == 200
    assert samples(text)["cluster_bot_runs_admitted_total", ("github",)] == 1


async def drop(folder: Path, table: str) -> None:
    script = f"import sqlite3; sqlite3.connect({str(folder / 'bot.sqlite3')!r}).execute('DROP TABLE IF EXISTS {table}')"
    child = await asyncio.create_subprocess_exec("python3", "-c", script)
    assert await child.wait() == 0


def test_labels_are_bounded_and_counted() -> None:
    meter = Meter()
    for number in range(MOST_SERIES + 50):
        meter.count(RUNS_ADMITTED, str(number))
    assert meter.numbers(RUNS_ADMITTED)[("other",)] == 50
    assert len(meter.numbers(RUNS_ADMITTED)) == MOST_SERIES + 1
    with pytest.raises(ValueError, match="launcher"):
        meter.count(RUNS_ADMITTED)


async def test_a_loop_that_is_held_is_late() -> None:
    meter = Meter()
    lag = LoopLag(meter, every_s=0.001)
    lag.start()
    loop, held = asyncio.get_running_loop(), asyncio.Event()

    def hold() -> None:
        until = loop.time() + 0.03
        while loop.time() < until:
            pass
        loop.call_later(0.01, held.set)

    loop.call_soon(hold)
    await held.wait()
    lag.stop()
    (spread,) = meter.spreads(LOOP_LAG_S).values()
    assert sum(spread.counts[LOOP_LAG_S.bounds.index(0.025) :]) >= 1
