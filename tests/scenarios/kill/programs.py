"""The programs that are run: each notes in a ledger, a file of the test's, that it began and every line it printed.

The ledger is one of the two witnesses (the other is the Discord server's record): it cannot be wrong about how often a
program was executed, because the program itself writes it.
"""

from dataclasses import dataclass, field
from pathlib import Path

_TEXT = """\
import os, signal, sys, time
ledger = os.open({ledger!r}, os.O_WRONLY | os.O_APPEND)
bell = os.open({bell!r}, os.O_RDWR | os.O_NONBLOCK) if {bell!r} else None
def note(what):
    os.write(ledger, ({tag!r} + " " + what + "\\n").encode())
    if bell is not None:
        os.write(bell, b".")
note("begin")
for number, line in enumerate({lines!r}, 1):
    print(line)
    note("line " + line[:40])
    if number % {burst!r} == 0:
        time.sleep({pause_s!r} * {burst!r})
if {artifact!r}:
    with open(os.environ["CLUSTER_ARTIFACTS"] + "/left.bin", "wb") as file:
        file.write({tag!r}.encode() * 1000)
while {stays!r}:
    signal.pause()
note("end")
"""


@dataclass(frozen=True)
class Program:
    """Prints `lines` lines, `pause_s` apart on average, the first `wide` of them `width` characters long.

    They come `burst` at once: what a bot has to do for a line is done for each burst, and where it dies at a named
    border, the ones between would only be more of the same. Who kills it anywhere wants them one by one.
    It may leave a file, and it may stay until it is stopped.
    One that stays is `cancelled` by a member, or else somebody must kill its runner.
    """

    lines: int = 15
    wide: int = 100
    width: int = 40
    pause_s: float = 0.05
    burst: int = 3
    artifact: bool = False
    stays: bool = False
    cancelled: bool = True

    def printed(self, tag: str) -> list[str]:
        """The lines it prints, all different from those of any other tag."""
        widths = [self.width if number < self.wide else 0 for number in range(self.lines)]
        return [f"{tag} line {n:02} ".ljust(width, "abcdefghij"[n % 10]).rstrip() for n, width in enumerate(widths)]

    def source(self, tag: str, ledger: Path, bell: str = "") -> str:
        """The program's text; it rings the FIFO `bell`, where there is one, as often as it notes something."""
        facts = {"tag": tag, "ledger": str(ledger), "bell": bell, "lines": self.printed(tag), "pause_s": self.pause_s}
        return _TEXT.format(**facts, burst=self.burst, artifact=self.artifact, stays=self.stays)


SHORT = Program()
BROAD = Program(width=440, pause_s=0.08)  # four messages
LASTING = Program(lines=30, pause_s=0.25)  # long enough for several edits, however busy the machine
SLOW_BROAD = Program(width=440, pause_s=0.2)
TRICKLING = Program(width=440, pause_s=0.2, burst=1)
TAPERING = Program(wide=4, width=440, pause_s=0.2, burst=1)  # one message full of four lines, then many lines a message
LEAVES_A_FILE = Program(artifact=True)
STAYS = Program(lines=8, stays=True)
STUCK = Program(pause_s=0.1, stays=True, cancelled=False)


@dataclass
class Noted:
    """What the ledger says of one tag."""

    begun: int = 0
    ended: int = 0
    lines: list[str] = field(default_factory=list)


def read_ledger(path: Path) -> dict[str, Noted]:
    """By tag, what its programs noted."""
    noted: dict[str, Noted] = {}
    for entry in path.read_text("utf-8").splitlines():
        tag, what, *rest = entry.split(" ", 2)
        one = noted.setdefault(tag, Noted())
        if what == "line":
            one.lines.append(rest[0])
        else:
            one.begun += what == "begin"
            one.ended += what == "end"
    return noted
