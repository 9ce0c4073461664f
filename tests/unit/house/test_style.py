"""What the house asks of every file that ships, beyond the linters: small, finished, explained, and never waiting."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SRC = ROOT / "src"
MODULES = sorted([*SRC.rglob("*.py"), *(ROOT / "modal_runners").rglob("*.py")])
FILE_LINES = 400
FUNCTION_LINES = 60

# A wait is for an event, not for a while; who may sleep all the same, as "file::function", and why.
MAY_SLEEP = {
    "cluster_sandbox/discord/rest/pipeline.py::_strike": "the latency that a test or a person asked a fault for",
}


def named(path: Path) -> str:
    return str(path.relative_to(SRC if path.is_relative_to(SRC) else ROOT))


def every_module() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", MODULES, ids=named)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def long_functions(source: str) -> list[str]:
    found = functions(ast.parse(source))
    return [node.name for node in found if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES]


def unfinished(source: str) -> list[str]:
    marks = re.findall(r"\b(?:TODO|FIXME|XXX)\b", source)
    names = [node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    return marks + [name for name in names if name in ("NotImplementedError", "NotImplemented")]


def sleepers(source: str) -> set[str]:
    """The innermost functions that call something named sleep; "" for the module itself."""
    found: set[str] = set()

    def look(node: ast.AST, inside: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = node.name
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "sleep":
            found.add(inside)
        for child in ast.iter_child_nodes(node):
            look(child, inside)

    look(ast.parse(source), "")
    return found


@every_module()
def test_files_and_functions_are_small(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= FILE_LINES
    assert long_functions(source) == []


@every_module()
def test_nothing_is_left_unfinished(path: Path) -> None:
    assert unfinished(path.read_text(encoding="utf-8")) == []


@every_module()
def test_a_header_says_why_the_module_exists(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_nobody_sleeps_instead_of_waiting() -> None:
    found = {f"{named(path)}::{name}" for path in MODULES for name in sleepers(path.read_text(encoding="utf-8"))}
    assert found == set(MAY_SLEEP), "sleeps that are not allowed, or allowances that nobody needs any more"


def test_the_checks_can_fail() -> None:
    assert long_functions("def f():\n" + "    x = 1\n" * FUNCTION_LINES) == ["f"]
    assert long_functions("def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1)) == []
    assert unfinished("# TODO: more\nraise NotImplementedError") == ["TODO", "NotImplementedError"]
    assert sleepers("async def f():\n    def g():\n        asyncio.sleep(1)\n    await x.wait()") == {"g"}
    assert sleepers("from time import sleep\nsleep(1)") == {""}


def violations_of_python_39(folder: Path) -> subprocess.CompletedProcess[str]:
    vermin = shutil.which("vermin", path=str(Path(sys.executable).parent))
    assert vermin is not None, "vermin is not installed; script/test installs it"
    command = [vermin, "--quiet", "--no-tips", "--target=3.9-", "--violations", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def test_the_runner_runs_on_python_39() -> None:
    result = violations_of_python_39(SRC / "cluster_runner")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_newer_feature_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("match 1:\n    case _:\n        pass\n")
    assert violations_of_python_39(tmp_path).returncode != 0
