"""Lines a second from a program to the database, the bot and its Discord going on as always.

    .venv/bin/python benchmarks/throughput.py [--lines N] [--runs N]

The clock runs from the program's own start, by its own clock, to the verdict's arrival at the server: by then every
line is stored. The count is checked in the database. The floor is the same program writing to nowhere.
"""

import argparse
import asyncio
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import FREE, run_program
from cluster_bot.demo.bot_process import started_bot
from cluster_sandbox.discord import DiscordServer

PROGRAM = """
import time
print("began", repr(time.time()), flush=True)
for number in range({lines}):
    print("line", number, "of a program that has much to say")
"""
BEGAN = re.compile(r"began (\d+\.\d+)")


def floor(lines: int) -> float:
    """Lines a second of the program alone, its output thrown away."""
    source = PROGRAM.format(lines=lines) + "import sys; sys.stderr.write(repr(time.time()))"
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    began = BEGAN.search(done.stdout)
    assert began is not None
    return lines / (float(done.stderr) - float(began[1]))


def stored_lines(database: Path) -> int:
    """How many lines of output the database has."""
    with sqlite3.connect(database) as connection:
        bodies = connection.execute("SELECT body FROM events WHERE kind = 'log'")
        return sum(body.count("\\n") for (body,) in bodies)


async def main(lines: int, runs: int) -> None:
    rates = []
    with tempfile.TemporaryDirectory(prefix="cluster-bot-bench-") as folder:
        async with DiscordServer(policy=FREE) as server, started_bot(server, Path(folder)):
            for number in range(1, runs + 1):
                _, events = await run_program(server, PROGRAM.format(lines=lines))
                began = next(float(found[1]) for event in events if (found := BEGAN.search(event.content)))
                rates.append(lines / (events[-1].time - began))
                stored = stored_lines(Path(folder) / "data" / "cluster-bot.sqlite3")
                assert stored == number * (lines + 1), f"{stored} lines stored of {number * (lines + 1)}"
    alone = statistics.median(floor(lines) for _ in range(runs))
    median = statistics.median(rates)
    print("| what | lines a second, median | lowest | highest | n |")
    print("|---|---:|---:|---:|---:|")
    print(f"| program to database and verdict | {median:,.0f} | {min(rates):,.0f} | {max(rates):,.0f} | {runs} |")
    print(f"| the program alone, output thrown away | {alone:,.0f} | | | {runs} |")
    print(f"\nthe program alone / with us: {alone / median:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=80_000, help="lines a run (default 80,000; 4 MiB are kept)")
    parser.add_argument("--runs", type=int, default=5, help="runs to measure (default 5)")
    given = parser.parse_args()
    asyncio.run(main(given.lines, given.runs))
