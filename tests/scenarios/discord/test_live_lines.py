"""Lines reach the server as they are printed, a flood does not, and files the program leaves come with the verdict."""

from __future__ import annotations

import shutil

import pytest
from town import Town

from cluster_bot.runs.run import Status

# Neither flushes: what makes them live is the terminal they believe to speak to.
PYTHON = "import time\nfor n in range(12):\n    print('line', n)\n    time.sleep(0.5)\n"
CPP = """
#include <cstdio>
#include <unistd.h>
int main() {
    for (int n = 0; n < 12; n++) {
        printf("line %d\\n", n);
        usleep(500000);
    }
}
"""
LINES = [f"line {n}" for n in range(12)]

FLOOD = "for n in range(20000):\n    print('line', n)\n"
PLOT = """
import os, pathlib
folder = pathlib.Path(os.environ["CLUSTER_ARTIFACTS"])
(folder / "plot.png").write_bytes(b"\\x89PNG\\r\\n\\x1a\\n" + b"plot")
print("drawn")
"""


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(("name", "program"), [("slow.py", PYTHON), ("slow.cpp", CPP)])
async def test_lines_are_live(town: Town, monkeypatch: pytest.MonkeyPatch, name: str, program: str) -> None:
    if name.endswith(".cpp") and shutil.which("g++") is None:
        pytest.skip("no g++ here: that a C++ program's lines are live was NOT tested")
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    place = await town.open(program, name)
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == LINES
    first, last = await town.line(place, LINES[0]), await town.line(place, LINES[-1])
    assert last.time - first.time >= 4.0


@pytest.mark.usefixtures("bot")
async def test_a_flood_shows_head_and_newest_tail_and_disturbs_nobody(town: Town) -> None:
    bob = town.server.member("bob")
    quiet, go = await town.hold(member=bob)
    place = await town.open(FLOOD)
    await town.line(place, "line 0")
    go()
    assert await town.verdict(quiet) is Status.SUCCEEDED
    assert town.lines(quiet) == ["before", "after"]

    assert await town.verdict(place) is Status.SUCCEEDED
    shown = town.lines(place)
    head = [f"line {n}" for n in range(len(shown))]
    cut = next(n for n, (there, wanted) in enumerate(zip(shown, head, strict=True)) if there != wanted)
    assert cut > 500
    assert shown[cut:] == [f"line {n}" for n in range(20000 - len(shown) + cut, 20000)]
    assert all(len(one.content) <= 2000 for one in town.of(place))
    assert len(town.of(place)) < 12
    assert any("more line(s) above are left out here" in one.content for one in town.of(place))
    verdict = town.of(place)[-1]
    assert [one.filename for one in verdict.attachments] == ["log.txt"]
    assert town.server.attachment(verdict.id).decode().splitlines() == [f"line {n}" for n in range(20000)]


@pytest.mark.usefixtures("bot")
async def test_a_plot_comes_with_the_verdict(town: Town) -> None:
    place = await town.open(PLOT)
    assert await town.verdict(place) is Status.SUCCEEDED
    verdict = town.of(place)[-1]
    assert [one.filename for one in verdict.attachments] == ["plot.png"]
    assert town.server.attachment(verdict.id) == b"\x89PNG\r\n\x1a\nplot"
