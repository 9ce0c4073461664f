"""Write docs/discord.md and its pictures anew from the bot in the sandbox: `.venv/bin/python script/discord_docs.py`.

The tests that compare them do it: told by CLUSTER_DISCORD_DOCS, they write what they otherwise compare. Needs a
Chromium, as tests/browser does.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "browser" / "test_handbook.py"


def main() -> int:
    """Run the tests in one process, writing; their exit code."""
    environment = {**os.environ, "CLUSTER_DISCORD_DOCS": "1", "CLUSTER_NO_SKIP": "1"}
    command = [sys.executable, "-m", "pytest", str(TESTS), "-q", "-n", "0"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
