"""docs/admin.md as a list of steps with their blocks, in the order in which a reader meets them.

A block's kind says what a reader does with it: `sh` is typed, `ini` goes into .env, `form` is filled in on a page,
`text` is what the last command then shows (`…` stands for anything); `appform` and `appini` take the place of the
step's `form` and `ini` for whoever chooses a GitHub App, and the others are as their names say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "admin.md"
KINDS = {
    *(
        "sh",
        "ini",
        "form",
        "text",
        "address",
        "appform",
        "appini",
        "runner",
        "proxy",
        "systemd",
        "python",
        "option",
        "verdict",
    ),
}
_STEP = re.compile(r"^## (\d+)\. (.+)\n", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block; `lines` are those that are not empty."""

    kind: str
    text: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]

    @property
    def fields(self) -> dict[str, str]:
        """Of a form: what stands before the first colon of each line, and what behind it."""
        pairs = (line.partition(": ") for line in self.lines)
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True)
class Step:
    """One numbered step."""

    number: int
    title: str
    text: str
    blocks: tuple[Block, ...]


def steps(text: str) -> list[Step]:
    """The numbered steps of a document."""
    found = list(_STEP.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    return [
        Step(int(one[1]), one[2], body, tuple(Block(*block.groups()) for block in _BLOCK.finditer(body)))
        for one, end in zip(found, ends, strict=True)
        for body in (text[one.end() : end],)
    ]


def shown(expected: str, lines: list[str]) -> bool:
    """Whether one of the lines is as the text says."""
    pattern = ".*".join(map(re.escape, expected.split("…")))
    return any(re.fullmatch(pattern, line.strip()) for line in lines)
