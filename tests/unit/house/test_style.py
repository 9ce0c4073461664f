"""What the house asks of every file that ships, beyond the linters: small, finished, explained, and never waiting."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

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


def long_functions(tree: ast.AST) -> list[str]:
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [node.name for node in found if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES]


def unfinished(source: str, tree: ast.AST) -> list[str]:
    marks = re.findall(r"\b(?:TODO|FIXME|XXX)\b", source)
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return marks + [name for name in names if name in ("NotImplementedError", "NotImplemented")]


def sleepers(tree: ast.AST) -> set[str]:
    """The innermost functions that call something named sleep; "" for the module itself."""
    found: set[str] = set()

    def look(node: ast.AST, inside: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = node.name
        if isinstance(node, ast.Call) and "sleep" in (getattr(node.func, "attr", ""), getattr(node.func, "id", "")):
            found.add(inside)
        for child in ast.iter_child_nodes(node):
            look(child, inside)

    look(tree, "")
    return found


def offences(source: str) -> dict[str, list[str]]:
    """What the text of a module has that none may have."""
    tree = ast.parse(source)
    lines = len(source.splitlines())
    return {
        "lines": [f"{lines}, against {FILE_LINES}"] if lines > FILE_LINES else [],
        "long functions": long_functions(tree),
        "unfinished": unfinished(source, tree),
        "no header that says why the module exists": [] if ast.get_docstring(tree) else ["none"],
        "sleeps": sorted(sleepers(tree)),
    }


def test_every_module_is_small_finished_explained_and_never_sleeps() -> None:
    # One test for all of them: each is read and parsed once, and a worker need not be told of it.
    found = {named(path): offences(path.read_text(encoding="utf-8")) for path in MODULES}
    asleep = {f"{path}::{name}" for path, each in found.items() for name in each.pop("sleeps")}
    assert {path: said for path, each in found.items() if (said := {k: v for k, v in each.items() if v})} == {}
    assert asleep == set(MAY_SLEEP), "sleeps that are not allowed, or allowances that nobody needs any more"


def test_the_checks_can_fail() -> None:
    assert offences('"""Why."""\ndef f():\n' + "    x = 1\n" * FUNCTION_LINES)["long functions"] == ["f"]
    fine = '"""Why."""\ndef f():\n' + "    x = 1\n" * (FUNCTION_LINES - 1)
    assert not any(offences(fine).values())
    assert not any(offences(fine + "#\n" * (FILE_LINES - FUNCTION_LINES - 1)).values())
    assert offences(fine + "#\n" * (FILE_LINES - FUNCTION_LINES))["lines"] == ["401, against 400"]
    assert offences("# TODO: more\nraise NotImplementedError")["unfinished"] == ["TODO", "NotImplementedError"]
    assert offences("x = 1")["no header that says why the module exists"] == ["none"]
    assert offences("async def f():\n    def g():\n        asyncio.sleep(1)\n    await x.wait()")["sleeps"] == ["g"]
    assert offences("from time import sleep\nsleep(1)")["sleeps"] == [""]


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
