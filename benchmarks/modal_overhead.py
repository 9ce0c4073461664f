"""What we add to a run at Modal: from `/run` to the call, from the container's start to the program, and back.

    .venv/bin/python benchmarks/modal_overhead.py [--runs N]

What is Modal's is not counted: from the arrival of the call to the moment a container is given it. The stand-in starts
containers at once and answers in a millisecond; the real one takes its time, which comes on top. As in the image there,
no bubblewrap stands around the program. All times are milliseconds by one machine's clock: the program prints its own,
the servers stamp what arrives.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from bench import Series, bot_process, report, run_program, sandbox
from cluster_bot.demo.modal import demo_modal, modal_settings
from latency import PROGRAM, first_seen


async def main(rounds: int) -> None:
    calls, begins, firsts = (
        Series("`/run` to the call"),
        Series("container's start to the program"),
        Series("first line"),
    )
    laters, verdicts = Series("later line, idle thread"), Series("end to verdict")
    ours, ends = Series("`/run` to first line, less Modal's"), Series("program's end to the container's")
    async with (
        sandbox() as server,
        demo_modal(Path(sys.executable), sandbox="none") as modal,
        bot_process(server, **modal_settings(modal)),
    ):
        # The first finds nothing connected and nothing looked up.
        for number in range(rounds + 1):
            asked, events = await run_program(server, PROGRAM, launcher="modal", gpu="T4")
            call = modal.calls[-1]
            await modal.wait(lambda call=call: call.output is not None)
            if number == 0:
                continue
            seen = first_seen(events)
            printed, visible = seen["at", 0]
            assert call.started_at is not None and call.ended_at is not None
            calls.add(call.created_at - asked.created_at)
            begins.add(printed - call.started_at)
            firsts.add(visible - printed)
            ours.add(visible - asked.created_at - (call.started_at - call.created_at))
            for later in range(1, 4):
                laters.add(seen["at", later][1] - seen["at", later][0])
            verdicts.add(events[-1].time - seen["end", 0][0])
            ends.add(call.ended_at - seen["end", 0][0])
    report([calls, begins, firsts, ours, laters, verdicts, ends])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs to measure (default 20)")
    asyncio.run(main(parser.parse_args().runs))
