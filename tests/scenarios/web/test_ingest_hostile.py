"""Whoever comes to the door in bad faith: the others do not notice, the log holds no token, the store no rubbish."""

import asyncio
import gzip
import logging
import zlib
from pathlib import Path

import pytest
from porch import HELLO, NOW, Porch, answer_on, lines, log, porch

from cluster_bot.web.bounds import Bounds

EVENTS = 256 * 1024


async def test_a_body_over_its_bound_is_refused_unread(home: Porch) -> None:
    run = await home.launched()
    async with home.socket() as (reader, writer):
        writer.write(home.head(run, "events", f"Content-Length: {EVENTS + 1}"))
        status, said = await answer_on(reader)
        assert (status, said) == (413, {"error": f"The body is larger than {EVENTS} bytes."})


async def test_a_body_in_chunks_is_bounded_all_the_same(home: Porch) -> None:
    run = await home.launched()
    async with home.socket() as (reader, writer):
        writer.write(home.head(run, "events", "Transfer-Encoding: chunked"))
        writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        writer.write((b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 8)
        assert (await answer_on(reader))[0] == 413


async def test_a_good_body_in_chunks(home: Porch) -> None:
    run = await home.launched()
    body = lines(HELLO, log(2))
    async with home.socket() as (reader, writer):
        writer.write(home.head(run, "events", "Transfer-Encoding: chunked"))
        for byte in body:
            writer.write(b"1\r\n%c\r\n" % byte)
        writer.write(b"0\r\n\r\n")
        assert await answer_on(reader) == (200, {"ack": 2, "stop": False})
        # And the connection serves the next request.
        writer.write(home.head(run, "events", "Content-Length: 0"))
        assert await answer_on(reader) == (200, {"ack": 2, "stop": False})


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x", "gzip, identity"])
async def test_nothing_is_unfolded(home: Porch, coding: str) -> None:
    run = await home.launched()
    token = home.tokens.mint(run.id, 1, NOW + 9)
    for bomb in (gzip.compress(b"x" * 2**22), zlib.compress(b"x" * 2**22), b"rubbish"):
        headers = {"Content-Encoding": coding}
        assert (await home.ask("POST", f"/runs/{run.id}/events", bomb, token=token, headers=headers)).status == 400
    assert await home.store.events(run.id, 1, 0) == []


async def test_a_slow_body(tmp_path: Path) -> None:
    async with porch(tmp_path, Bounds(body_s=0.05, linger_s=0.05)) as home:
        run = await home.launched()
        async with home.socket() as (reader, writer):
            writer.write(home.head(run, "events", "Content-Length: 100") + b"{")
            status, _ = await answer_on(reader)
            assert status == 503


async def test_a_slow_head(tmp_path: Path) -> None:
    async with porch(tmp_path, Bounds(idle_s=0.05)) as home, home.socket() as (reader, writer):
        writer.write(b"POST /runs/")
        assert await reader.read() == b""


async def test_whoever_hangs_up_in_a_body_leaves_nothing(home: Porch, caplog: pytest.LogCaptureFixture) -> None:
    run = await home.launched()
    for framing in ("Content-Length: 1000", "Transfer-Encoding: chunked"):
        async with home.socket() as (_, writer):
            writer.write(home.head(run, "events", framing) + b"10\r\n{")
            await writer.drain()
    assert (await home.post(run, HELLO)).said["ack"] == 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: -1",
        "Content-Length: x",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Bad Header: x",
        f"X: {'x' * 20_000}",
        "\r\n".join(f"X{n}: x" for n in range(500)),
    ],
)
async def test_what_is_no_http_is_refused_and_its_token_not_logged(
    home: Porch, caplog: pytest.LogCaptureFixture, framing: str
) -> None:
    caplog.set_level(logging.DEBUG)
    run = await home.launched()
    async with home.socket() as (reader, writer):
        writer.write(home.head(run, "events", framing) + b"x" * 10)
        assert int((await reader.readuntil(b"\r\n")).split()[1]) in (400, 413)
    token = home.tokens.mint(run.id, 1, NOW + 3600)
    assert token not in caplog.text
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "rubbish", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 300, b"\r\n" * 5000, b"GET"]
)
async def test_what_is_not_meant_for_us(home: Porch, caplog: pytest.LogCaptureFixture, rubbish: bytes) -> None:
    async with home.socket() as (_, writer):
        writer.write(rubbish)
        await writer.drain()
    assert (await home.ask("GET", "/healthz")).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_no_token_is_ever_logged(home: Porch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    run = await home.launched()
    for what, body in (("claim", b"{}"), ("claim", b'{"instance": "' + b"a" * 32 + b'"}'), ("events", b"rubbish")):
        await home.as_runner(run, "POST", what, body)
    mac = home.tokens.mint(run.id, 1, NOW + 3600).rpartition(".")[2]
    assert "refused" in caplog.text
    assert mac not in caplog.text


async def test_thousands_of_requests_without_a_token(home: Porch) -> None:
    run = await home.launched()
    head = f"POST /runs/{run.id}/events HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n".encode()

    async def some() -> int:
        async with home.socket() as (reader, writer):
            for _ in range(200):
                writer.write(head)
                assert (await answer_on(reader))[0] == 401
        return 200

    assert sum(await asyncio.gather(*(some() for _ in range(10)))) == 2000
    assert (await home.post(run, HELLO)).said["ack"] == 1


async def test_thousands_of_requests_with_one(tmp_path: Path) -> None:
    # Slowly enough that nothing is forgiven while the test runs.
    async with porch(tmp_path, Bounds(a_second=1e-6, in_a_go=50)) as home:
        run, other = await home.launched("one"), await home.launched("other")
        async with home.socket() as (reader, writer):
            statuses = []
            for _ in range(1000):
                writer.write(home.head(run, "events", "Content-Length: 0"))
                statuses.append((await answer_on(reader))[0])
        assert statuses == [200] * 50 + [429] * 950
        answer = await home.post(run)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert (await home.post(other, HELLO)).said["ack"] == 1


async def test_many_slow_bodies_of_one_attempt_leave_room_for_the_others(tmp_path: Path) -> None:
    async with porch(tmp_path, Bounds(at_once=2, linger_s=0.05, bodies_bytes=40 * 2**20)) as home:
        runs = [await home.launched(f"key{n}") for n in range(3)]
        async with home.socket() as one, home.socket() as two, home.socket() as three:
            for run, (_, writer) in zip((runs[0], runs[0], runs[1]), (one, two, three), strict=True):
                size = 16 * 2**20 if run is runs[0] else 7 * 2**20
                head = home.head(run, "artifacts/1", f"Content-Length: {size}", "Expect: 100-continue", method="PUT")
                writer.write(head)
            for reader, _ in (one, two, three):
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            # A heartbeat holds nothing, so it comes through, but for whoever holds too much already.
            while (await home.post(runs[0])).status != 429:
                pass
            assert (await home.post(runs[2], HELLO)).said["ack"] == 1
            answer = await home.as_runner(runs[2], "PUT", "artifacts/1", b"x" * 2 * 2**20)
            while answer.status != 503:  # until all three are being received
                answer = await home.as_runner(runs[2], "PUT", "artifacts/1", b"x" * 2 * 2**20)
            assert answer.headers["Retry-After"] == "2"
