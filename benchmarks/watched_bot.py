"""The bot, with a clock on every callback of its event loop; `LOOP_REPORT` names the file for the longest ones.

Started by `github_requests.py` instead of `-m cluster_bot`. Two clocks: the wall's, which on a busy machine also counts
what other processes took, and the thread's own processor time, which does not.
"""

import asyncio
import atexit
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

KEPT = 10
longest: list[tuple[float, float, str]] = []
run_handle = asyncio.events.Handle._run


def timed(handle: asyncio.events.Handle) -> Any:
    """Run one callback; note it where it is among the longest."""
    wall, cpu = time.perf_counter(), time.thread_time()
    try:
        return run_handle(handle)
    finally:
        took = time.thread_time() - cpu
        if len(longest) < KEPT or took > longest[-1][0]:
            longest.append((took, time.perf_counter() - wall, repr(handle)[:300]))
            longest.sort(reverse=True)
            del longest[KEPT:]


def report() -> None:
    """Write what was noted."""
    Path(os.environ["LOOP_REPORT"]).write_text(json.dumps(longest))


if __name__ == "__main__":
    asyncio.events.Handle._run = timed  # type: ignore[method-assign]
    atexit.register(report)
    from cluster_bot.cli import main

    sys.argv[0] = "cluster-bot"
    main()
