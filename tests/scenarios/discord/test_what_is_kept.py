"""What the bot keeps of runs that are over: nothing.

discord.py keeps a thread until Discord archives it, and a message route's rate limit for five minutes: some kilobytes a
run, which those two bound (`benchmarks/memory.py` tells more).
"""

from __future__ import annotations

import asyncio
import gc
import re
from collections import Counter

import pytest
from town import PATIENCE_S, Town

from cluster_bot.runs.run import Status
from cluster_sandbox.discord import DiscordServer, Policy

# What the task of one run is called.
_WORKER = re.compile(r"-[0-9a-f]{8}$")


@pytest.fixture
def server() -> DiscordServer:
    """A Discord without rate limits."""
    many = (10_000, 1.0)
    return DiscordServer(
        policy=Policy(message_bucket=many, edit_bucket=many, default_bucket=many, global_per_s=100_000)
    )


def living() -> Counter[str]:
    """How many objects there are of the bot's own classes, and of discord.py's views."""
    gc.collect()
    # Some give a descriptor for their module's name.
    kinds = (type(one) for one in gc.get_objects())
    ours = (
        kind for kind in kinds if str(kind.__module__).startswith(("cluster_bot.", "cluster_runner.", "discord.ui"))
    )
    return Counter(f"{kind.__module__}.{kind.__name__}" for kind in ours)


async def some_runs(town: Town) -> None:
    for _ in range(3):
        place = await town.open("print('short')")
        assert await town.verdict(place) is Status.SUCCEEDED
        await town.closed(place)
    # The last to go are the workers of these runs, which remove the folders.
    if workers := {task for task in asyncio.all_tasks() if _WORKER.search(task.get_name())}:
        await asyncio.wait(workers, timeout=PATIENCE_S)


async def test_a_run_that_is_over_leaves_nothing_in_memory(town: Town) -> None:
    async with town.bot():
        await some_runs(town)
        before = living()
        await some_runs(town)
        assert living() - before == Counter()
