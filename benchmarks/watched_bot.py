"""The bot, with a clock on every callback of its event loop; `LOOP_REPORT` names the file for the longest ones.

Started by `github_requests.py` instead of `-m cluster_bot`. Two clocks: the wall's, which on a busy machine also counts
what other processes took, and the thread's own processor time, which does not. Of a callback over `LONG_S` a second
thread looks up where it is.
"""

import asyncio
import atexit
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

KEPT = 10
LONG_S = 0.03
LOOK_S = 0.01
longest: list[tuple[float, float, str]] = []
run_handle = asyncio.events.Handle._run
under_way: dict[int, float] = {}
"""The callback that runs now, by the loop's thread: when it began."""
places: dict[float, str] = {}


def timed(handle: asyncio.events.Handle) -> Any:
    """Run one callback; note it where it is among the longest."""
    wall, cpu = time.perf_counter(), time.thread_time()
    under_way[threading.get_ident()] = wall
    try:
        return run_handle(handle)
    finally:
        took = time.thread_time() - cpu
        del under_way[threading.get_ident()]
        place = places.pop(wall, "")
        if len(longest) < KEPT or took > longest[-1][0]:
            longest.append((took, time.perf_counter() - wall, place or repr(handle)[:300]))
            longest.sort(reverse=True)
            del longest[KEPT:]


def look() -> None:
    """Note where a long callback is, from its first line in this project to its last."""
    pause = threading.Event()
    while not pause.wait(LOOK_S):
        for thread, began in list(under_way.items()):
            frame = sys._current_frames().get(thread)
            if frame is not None and began not in places and time.perf_counter() - began > LONG_S:
                ours = [one for one in traceback.extract_stack(frame) if "cluster_" in one.filename]
                places[began] = " > ".join(f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in ours)


def report() -> None:
    """Write what was noted."""
    Path(os.environ["LOOP_REPORT"]).write_text(json.dumps(longest))


if __name__ == "__main__":
    asyncio.events.Handle._run = timed  # type: ignore[method-assign]
    atexit.register(report)
    threading.Thread(target=look, name="look", daemon=True).start()
    from cluster_bot.cli import main

    sys.argv[0] = "cluster-bot"
    main()
