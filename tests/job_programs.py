"""The programs that halls run: each notes in a ledger, a file of the test, what it did, and waits for what it is told.

The ledger cannot be wrong about how often a program was executed, because the program itself writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_START = """\
import os, signal, sys, time
ledger = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
def note(what):
    os.write(ledger, (what + "\\n").encode())
def until(path):
    end = time.monotonic() + 300
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.02)
note("begin")
"""

# Says a line, and is over.
SHORT = _START + 'print("hello from the runner", flush=True)\n'
# Says "before", waits until the file named by its ledger and ".go" is there, says "after".
HOLDING = _START + 'print("before", flush=True)\nuntil(sys.argv[1] + ".go")\nprint("after", flush=True)\n'
# Says a numbered line every twentieth of a second, as long as that file is not there, and how many it said.
CHATTING = (
    _START
    + """
count = 0
end = time.monotonic() + 60
while not os.path.exists(sys.argv[1] + ".go") and time.monotonic() < end:
    print("line", count, flush=True)
    count += 1
    time.sleep(0.05)
note("said %d" % count)
"""
)
# Tidies up when it is asked to end, for which it has two seconds.
TIDY = (
    _START
    + """
def tidy(number, frame):
    note("tidied")
    print("tidied up", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, tidy)
signal.signal(signal.SIGINT, tidy)
print("before", flush=True)
until(sys.argv[1] + ".go")
"""
)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The file of one program, whoever that runs as."""

    path: Path

    def make(self) -> Ledger:
        """Make the file."""
        self.path.touch()
        self.path.chmod(0o666)
        return self

    def notes(self) -> list[str]:
        """What the program noted, in order."""
        return self.path.read_text("utf-8").splitlines()

    @property
    def begun(self) -> int:
        """How often the program was executed."""
        return self.notes().count("begin")

    def go(self) -> None:
        """Let the program go on."""
        Path(f"{self.path}.go").touch()
