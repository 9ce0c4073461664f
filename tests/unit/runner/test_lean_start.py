"""A runner starts for each run, often for a program of a few milliseconds: it brings nothing dear that it can spare.

What stands here each took a noticeable part of a start before it was left out.
"""

import subprocess
import sys

from .conftest import RUNNER, Attempt

DEAR = {
    *("dataclasses", "inspect", "shutil", "tempfile", "subprocess", "threading", "asyncio", "hashlib", "logging"),
    *("urllib.parse", "http.client", "cluster_runner.packages", "cluster_runner.job"),
}


# There argparse itself brings these.
LATELY = {"dataclasses", "inspect"} if sys.version_info >= (3, 14) else set()


def test_a_start_brings_nothing_dear(attempt: Attempt) -> None:
    attempt.ask("print('hello')")
    command = [sys.executable, "-I", "-S", "-X", "importtime", str(RUNNER), "--spool", str(attempt.spool)]
    done = subprocess.run([*command, "--sandbox", "none"], capture_output=True, text=True, check=True)
    brought = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert attempt.logs() == "hello\n"
    assert "cluster_runner.execute" in brought
    assert brought & DEAR - LATELY == set()
