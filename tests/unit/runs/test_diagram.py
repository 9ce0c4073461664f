"""ARCHITECTURE.md draws the life of a run; the code's table and the drawing are the same."""

import re
from pathlib import Path

from cluster_bot.runs.run import TRANSITIONS, Status

ARCHITECTURE = Path(__file__).parents[3] / "ARCHITECTURE.md"
_ARROW = re.compile(r"\s*(\[\*\]|\w+)\s*-->\s*(\[\*\]|\w+)\s*(?::.*)?")
OUTSIDE = "[*]"


def arrows(text: str) -> list[tuple[str, str]]:
    """The arrows of the one state diagram in a Markdown text; an unreadable line in it is an error."""
    [diagram] = re.findall(r"^```mermaid\nstateDiagram-v2\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in diagram.splitlines() if line.strip() and not line.strip().startswith("%%")]
    matches = [(_ARROW.fullmatch(line), line) for line in lines]
    assert all(match for match, _ in matches), [line for match, line in matches if not match]
    return [(match[1], match[2]) for match, _ in matches if match]


def test_the_diagram_draws_the_transitions_and_nothing_else() -> None:
    drawn = arrows(ARCHITECTURE.read_text(encoding="utf-8"))
    assert len(drawn) == len(set(drawn)), "an arrow is drawn twice"
    table = {(start.name, end.name) for start, ends in TRANSITIONS.items() for end in ends}
    finals = {(status.name, OUTSIDE) for status in Status if status.final}
    assert set(drawn) == table | finals | {(OUTSIDE, Status.QUEUED.name)}


def test_the_reader_sees_what_is_drawn() -> None:
    text = "# A\n```mermaid\nstateDiagram-v2\n    [*] --> QUEUED\n    QUEUED --> LOST: why\n    LOST --> [*]\n```\n"
    assert arrows(text) == [("[*]", "QUEUED"), ("QUEUED", "LOST"), ("LOST", "[*]")]


def test_every_status_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Status)
