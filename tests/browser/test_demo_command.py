"""`cluster-bot demo` as it is typed: it names the page, serves it, and Ctrl+C ends all of it."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

import warm

PATIENCE_S = 90.0


# Once from the cold, as it is typed; the other end is not about the start.
@pytest.mark.parametrize(
    ("python", "told"),
    [(lambda: sys.executable, signal.SIGINT), (warm.python, signal.SIGTERM)],
    ids=["SIGINT", "SIGTERM"],
)
async def test_the_demo_names_its_page_and_ends_when_told(
    tmp_path: Path, python: Callable[[], str], told: signal.Signals
) -> None:
    demo = await asyncio.create_subprocess_exec(
        *(python(), "-m", "cluster_bot", "demo"), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert demo.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            first = (await demo.stdout.readline()).decode()
            found = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+) in a browser.*\n", first)
            assert found, first
            async with aiohttp.ClientSession() as session, session.get(found[1]) as answer:
                assert answer.status == 200 and "<!doctype html>" in await answer.text()
            demo.send_signal(told)
            rest = (await demo.stdout.read()).decode()
            assert (await demo.wait(), rest) == (0, "Ctrl+C ends the demo.\n")
    finally:
        if demo.returncode is None:
            demo.kill()
            await demo.wait()
