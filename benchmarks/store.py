"""What the store does in a second, on SQLite and on PostgreSQL side by side.

    .venv/bin/python benchmarks/store.py [--rounds N] [--folder DIR] [--postgres URL]

The databases are new: a SQLite file under DIR, and an empty PostgreSQL that is started here and, like SQLite, syncs
every commit to the same disk (or the one at URL, which must be empty too). Every round does the same on both in turn,
so that what else the machine does weighs on both; a rate is a round's, the table gives the median and the deciles.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench import Series, spread
from cluster_bot.runs.ports import Store, Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin, Run
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore
from cluster_runner.wire import Event

sys.path.append(str(Path(__file__).parents[1] / "tests" / "contracts"))
WIDE = Limits(live_per_member=1_000_000, live_in_all=1_000_000)
KEYS = count()


@dataclass(frozen=True)
class Work:
    """One kind of use: what is counted, and the coroutine that does it and returns how many were done."""

    name: str
    do: Callable[[Store], Awaitable[int]]


async def admitted(store: Store) -> Run:
    """A new run."""
    spec = RunSpec({"a.py": "print()\n" * 100}, "a.py", "local", 60)
    asked = Submission(spec, Member("1", "ann"), Origin(f"{time.time_ns()}-{next(KEYS)}", {"channel": 5}))
    return (await store.admit(asked, WIDE, 0.0)).run


def lines(first: int, last: int) -> list[Event]:
    """Log events of one line each."""
    return [Event(n, 0.0, "log", {"stream": "stdout", "text": f"line {n} of a program\n"}) for n in range(first, last)]


async def appends_in_turn(store: Store) -> int:
    """One event a call, one call after the other."""
    run = await admitted(store)
    for event in lines(1, 301):
        await store.append(run.id, 0, [event])
    return 300


async def appends_at_once(store: Store) -> int:
    """One event a call, fifty runs at once."""
    runs = [await admitted(store) for _ in range(50)]

    async def one(run: Run) -> None:
        for event in lines(1, 21):
            await store.append(run.id, 0, [event])

    await asyncio.gather(*map(one, runs))
    return 1000


async def batches(store: Store) -> int:
    """Five hundred events a call."""
    run = await admitted(store)
    for first in range(1, 5001, 500):
        await store.append(run.id, 0, lines(first, first + 500))
    return 5000


async def saves(store: Store) -> int:
    """Saves of one run."""
    run = await admitted(store)
    for _ in range(200):
        run = await store.save(run)
    return 200


async def admissions(store: Store) -> int:
    """New runs."""
    for _ in range(100):
        await admitted(store)
    return 100


async def loads(store: Store) -> int:
    """Loads of one run, one after the other."""
    run = await admitted(store)
    for _ in range(300):
        await store.load(run.id)
    return 300


async def reads(store: Store) -> int:
    """Events read back, a thousand a call."""
    run = await admitted(store)
    await store.append(run.id, 0, lines(1, 1001))
    for _ in range(10):
        await store.events(run.id, 0, 0)
    return 10_000


WORKS = (
    Work("appends of one event, in turn", appends_in_turn),
    Work("appends of one event, 50 runs at once", appends_at_once),
    Work("lines appended 500 at a time", batches),
    Work("saves of a run, in turn", saves),
    Work("admissions, in turn", admissions),
    Work("loads of a run, in turn", loads),
    Work("events read 1,000 at a time", reads),
)


async def main(addresses: Mapping[str, str], rounds: int) -> None:
    """Measure and print."""
    stores = {name: await SqlStore.open(url) for name, url in addresses.items()}
    rates = {(work.name, name): Series(f"{work.name}, {name}") for work in WORKS for name in stores}
    for round_ in range(rounds + 1):
        for work in WORKS:
            for name, store in stores.items():
                began = time.perf_counter()
                done = await work.do(store)
                if round_:  # the first one warms up
                    rates[work.name, name].add(done / (time.perf_counter() - began))
    for store in stores.values():
        await store.close()
    print(f"Each a second: median (10 %, 90 %) of {rounds} rounds.\n")
    print("| what |" + "".join(f" {name} |" for name in stores))
    print("|---|" + "---:|" * len(stores))
    for work in WORKS:
        cells = []
        for name in stores:
            one = rates[work.name, name]
            low, high = spread(one.values)
            cells.append(f" {one.median:,.0f} ({low:,.0f}, {high:,.0f}) |")
        print(f"| {work.name} |" + "".join(cells))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies for a while; default: TMPDIR")
    parser.add_argument("--postgres", metavar="URL", help="an empty PostgreSQL database instead of one started here")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-bot-bench-", dir=given.folder))
        if given.postgres is None:
            from stores_postgres import Postgres

            given.postgres = stack.enter_context(Postgres()).new_database()
        urls = {"SQLite": f"sqlite+aiosqlite:///{folder}/bench.sqlite3", "PostgreSQL": given.postgres}
        asyncio.run(main(urls, given.rounds))
