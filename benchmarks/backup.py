"""What a backup takes, and what it costs a bot that works meanwhile, on SQLite and on PostgreSQL.

    .venv/bin/python benchmarks/backup.py [--events N] [--files N] [--rounds N]

The database has so many events and files of 10 MB. The live bot is stood for by a store that appends an event and asks
for a run, one after the other, in a process of its own: how long each takes while nothing else goes on, and while
`cluster-bot backup` runs. Memory is the most that the command's process held.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from bench import Series, spread
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin, Run
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore
from cluster_runner.wire import Event

sys.path.append(str(Path(__file__).parents[1] / "tests" / "contracts"))
RUNS = 100
FILE = os.urandom(10 * 2**20)


async def filled(url: str, events: int, files: int) -> None:
    """Put runs with events and files into the database."""
    store = await SqlStore.open(url, run_blob_bytes=10**10)
    for n in range(RUNS):
        run = await admitted(store, f"run {n}")
        lines = [
            Event(k, 0.0, "log", {"stream": "stdout", "text": "x" * 80 + "\n"}) for k in range(1, events // RUNS + 1)
        ]
        await store.append(run.id, 0, lines)
        for k in range(files // RUNS + (n < files % RUNS)):
            await store.put_blob(run.id, f"artifact/1/{k}", FILE)
    await store.close()


async def admitted(store: SqlStore, key: str) -> Run:
    """A new run."""
    spec = RunSpec({"a.py": "print()\n" * 100}, "a.py", "local", 60)
    asked = Submission(spec, Member("1", "ann"), Origin(key, {"channel": 5}))
    return (await store.admit(asked, Limits(live_per_member=10**6, live_in_all=10**6), 0.0)).run


async def work(url: str, done: asyncio.Event) -> list[float]:
    """How long an append and a question took, again and again until it is done, in milliseconds."""
    store = await SqlStore.open(url)
    run = await admitted(store, f"live {time.time_ns()}")
    took, number = [], 0
    while not done.is_set():
        number += 1
        begun = time.perf_counter()
        await store.append(run.id, 0, [Event(number, 0.0, "log", {"stream": "stdout", "text": "line\n"})])
        await store.load(run.id)
        took.append((time.perf_counter() - begun) * 1000)
        # As often as a lively run says something.
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 0.01)
    await store.close()
    return took


def command(url: str, *words: str) -> tuple[float, int]:
    """How long `cluster-bot WORDS` took in seconds, and the most memory it held in bytes."""
    code = (
        "import resource, sys\nfrom cluster_bot.cli import cli\n"
        "try: cli()\nfinally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)"
    )
    with tempfile.TemporaryDirectory() as data:
        environment = {**os.environ, "DATABASE_URL": url, "DATA_DIR": data}
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, *words], env=environment, cwd=data, check=True, capture_output=True, text=True
        )
    return time.perf_counter() - begun, int(done.stderr.rpartition("peak ")[2])


async def measure(name: str, url: str, empty: list[str], folder: Path, rounds: int) -> list[Series]:
    """Back up and restore in turn."""
    quiet, busy, backup, memory, restore = [], [], [], [], []
    for n in range(rounds):
        for target in (quiet, busy):
            done = asyncio.Event()
            working = asyncio.create_task(work(url, done))
            file = folder / f"{name}-{n}"
            if target is busy:
                took_s, peak = await asyncio.to_thread(command, url, "backup", str(file))
                backup.append(took_s)
                memory.append(peak / 2**20)
            else:
                await asyncio.sleep(1.0)
            done.set()
            target += await working
        took_s, _ = await asyncio.to_thread(command, empty[n], "restore", str(file))
        restore.append(took_s)
        file.unlink()
    return [
        Series(f"{name}: backup, s", backup),
        Series(f"{name}: its memory, MiB", memory),
        Series(f"{name}: restore, s", restore),
        Series(f"{name}: append and load, quiet, ms", quiet),
        Series(f"{name}: append and load beside a backup, ms", busy),
    ]


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from stores_postgres import Postgres

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(Postgres())
        lite = [f"sqlite:///{folder}/{n}.sqlite3" for n in range(given.rounds + 1)]
        full = [postgres.new_database() for _ in range(given.rounds + 1)]
        print("| what | median | 10 % | 90 % | n |\n|---|---:|---:|---:|---:|")
        for name, (url, *empty) in (("SQLite", lite), ("PostgreSQL", full)):
            asyncio.run(filled(url, given.events, given.files))
            for one in asyncio.run(measure(name, url, empty, folder, given.rounds)):
                low, high = spread(one.values)
                print(f"| {one.name} | {one.median:.2f} | {low:.2f} | {high:.2f} | {len(one.values)} |")


if __name__ == "__main__":
    main()
