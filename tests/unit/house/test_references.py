"""What the documents and scripts point at exists: examples, scripts, and links from one document to another."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXTS = [
    path
    for pattern in (
        "*.md",
        "examples/*.md",
        "docs/*.md",
        "modal_runners/*.md",
        "script/*",
        ".ci/*",
        ".github/workflows/*",
    )
    for path in sorted(ROOT.glob(pattern))
    if path.is_file()
]
NAMED = re.compile(r"(?<![\w./-])(?:\./)?((?:examples|script|tests|src)/[\w./-]*\w)")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def missing(text: str, folder: Path) -> list[str]:
    """The paths that `text`, a file in `folder`, names and that are not there."""
    named = [(ROOT, name) for name in NAMED.findall(text)] + [(folder, name) for name in LINK.findall(text)]
    # A last part all in capitals and without an ending stands for any name.
    return [name for base, name in named if not (base / name).exists() and not re.search(r"/[A-Z]+$", name)]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_named_is_there(path: Path) -> None:
    assert missing(path.read_text(encoding="utf-8"), path.parent) == []


def test_a_dead_reference_is_seen() -> None:
    text = "run `./script/gone` on examples/gone.py, see [this](gone.md) and [that](https://example.org/x)"
    assert missing(text, ROOT) == ["script/gone", "examples/gone.py", "gone.md"]
    assert missing("examples/NAME, examples/ and pyproject.toml, ./script/test", ROOT) == []


@pytest.mark.parametrize("name", ["script/demo", "script/test", "script/lock", ".ci/run"])
def test_commands_can_be_run(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
