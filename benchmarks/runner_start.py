"""What a runner adds to a program that does next to nothing: processor time and wall time, all its processes together.

    .venv/bin/python benchmarks/runner_start.py [--rounds N]

The floor is the program started by itself, in turn with the others, so that a machine that slows down slows all.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import Series, report
from cluster_runner import wire

RUNNER = Path(wire.__file__).parent
PROGRAM = "print('hello')\n"
KINDS = {
    "with a runner": ("--sandbox", "none"),
    "with a runner and bubblewrap": ("--sandbox", "bubblewrap"),
}


def taken(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of processor and of wall time that a command takes with all it starts."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def run(home: Path, options: Sequence[str]) -> tuple[float, float]:
    """The same of one run in a new spool."""
    spool = home / ("0" * 32 + "-1")
    spool.mkdir(mode=0o711)
    payload = wire.Payload("0" * 32, 1, {"a.py": PROGRAM}, "a.py", "python", 60.0)
    (spool / "payload.json").write_text(wire.payload_to_json(payload))
    command = [sys.executable, "-I", "-S", str(RUNNER), "--spool", str(spool), "--python", sys.executable]
    try:
        found = taken([*command, *options])
        last = (spool / "events.ndjson").read_bytes().splitlines()[-1]
        outcome = wire.event_from_line(last).outcome
        assert outcome.exit_code == 0, outcome
        return found
    finally:
        shutil.rmtree(spool)


def main(rounds: int) -> None:
    kinds = {
        name: options for name, options in KINDS.items() if name != "with a runner and bubblewrap" or _bubblewrap()
    }
    names = ["the program alone", *kinds]
    work, wall = ({name: Series(f"{name}, {what}") for name in names} for what in ("processor", "wall"))
    with tempfile.TemporaryDirectory(prefix="cluster-bot-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        program = home / "a.py"
        program.write_text(PROGRAM)
        for _ in range(rounds):
            for name in names:
                found = run(home, kinds[name]) if name in kinds else taken([sys.executable, str(program)])
                work[name].add(found[0])
                wall[name].add(found[1])
    floor = work[names[0]]
    report([*work.values(), *wall.values()], [(work[name], floor) for name in kinds])


def _bubblewrap() -> bool:
    found = shutil.which("bwrap") is not None
    if not found:
        print("bubblewrap is not installed, and not measured\n")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    main(parser.parse_args().rounds)
