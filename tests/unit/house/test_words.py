"""What members read is written in one place: no other file of the Discord side holds a sentence.

A sentence is a text of four words or more that is no docstring. Left alone are what only admins read (the log, a
failure to start, an exception that never reaches a member) and the descriptions of commands, which Discord's client
shows and docs/discord.md is made from.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOM = Path(__file__).parents[3] / "src" / "cluster_bot" / "discord_bot"
FILES = sorted(one for one in ROOM.rglob("*.py") if "messages" not in one.relative_to(ROOM).parts)
SENTENCE = re.compile(r"(?:[A-Za-z']{2,}[,;:.]? ){3,}[A-Za-z']{2,}")
FOR_ADMINS = {"log", "StartupError", "FeedGoneError", "RoomShutError", "AssertionError"}
DECLARES = {"command", "describe", "context_menu", "Group", "Parameter"}


def sentences(source: str) -> list[str]:
    """The sentences in a file that members could read."""
    tree = ast.parse(source)
    return [one.value for one in _strings(tree) if SENTENCE.search(one.value)]


def _strings(node: ast.AST) -> Iterator[ast.Constant]:
    if _is_excused(node):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child
        yield from _strings(child)


def _is_excused(node: ast.AST) -> bool:
    if isinstance(node, ast.ClassDef):
        for keyword in node.keywords:
            if keyword.arg == "description":
                node.keywords = [one for one in node.keywords if one is not keyword]
        return False
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    while isinstance(called, ast.Attribute):
        if called.attr in DECLARES:
            return True
        called = called.value
    return isinstance(called, ast.Name) and called.id in FOR_ADMINS | DECLARES


def test_no_sentence_stands_elsewhere() -> None:
    found = {str(path.relative_to(ROOM)): sentences(path.read_text("utf-8")) for path in FILES}
    assert {path: said for path, said in found.items() if said} == {}


def test_a_sentence_elsewhere_is_seen() -> None:
    assert sentences('await tell("Your run could not be found.")') == ["Your run could not be found."]
    assert sentences('raise UserError(f"There is no run {number} of yours here", "x")')
    assert sentences('log.info("the thread is gone for good")') == []
    assert sentences('@app_commands.describe(run="The number of your run")\ndef f(): ...') == []
    assert sentences('"""What this file is good for."""') == []
