"""`cluster-bot demo --once X --launcher github`: the workflow files of this repository, executed while one watches."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from test_demo_once import FAILS, LINES, finished

GITHUB = ("--launcher", "github")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


async def shown(program: Path, *more: str) -> list[dict[str, Any]]:
    """What a demo showed, which ended well."""
    code, out, err = await finished("--json", "--once", program, *GITHUB, *more)
    assert code == 0, out + err
    return [json.loads(line) for line in out.splitlines()]


def first_seen(events: list[dict[str, Any]]) -> list[float]:
    """When each of the twelve lines first stood in the thread."""
    return [next(event["time"] for event in events if f"line {n}\n" in event["content"]) for n in range(12)]


@pytest.mark.slow
async def test_lines_come_while_the_workflow_runs_and_all_at_once_without_a_public_url(program: Path) -> None:
    program.write_text(LINES)
    live, late = await asyncio.gather(shown(program), shown(program, "--no-public-url"))
    seen = first_seen(live)
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] >= 4
    assert len(set(first_seen(late))) == 1
    for events in (live, late):
        last = max((event for event in events if "line 11\n" in event["content"]), key=lambda event: event["time"])
        assert [line for line in last["content"].splitlines() if line.startswith("line ")] == [
            f"line {n}" for n in range(12)
        ]


@pytest.mark.parametrize("more", [(), ("--no-public-url",)], ids=["live", "late"])
async def test_success_is_0_and_the_job_is_linked(program: Path, more: tuple[str, ...]) -> None:
    program.write_text("import time\nprint('hello')\ntime.sleep(2)\n")
    code, out, _ = await finished("--once", program, *GITHUB, *more)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "you: /run github program.py NVIDIA"
    assert any("Succeeded: the program ended with exit code 0." in line for line in lines[lines.index("hello") :])
    assert "/actions/runs/" in out


async def test_a_failing_program_is_1(program: Path) -> None:
    program.write_text(FAILS)
    code, out, _ = await finished("--once", program, *GITHUB)
    assert code == 1
    assert "so far so good\nTraceback" in out
    assert out.count("ValueError: the end of it") == 2, "in the thread, and again in the verdict"


async def test_a_refusal_is_1(program: Path) -> None:
    program.write_text("print('hello')\n")
    code, out, _ = await finished("--once", program, *GITHUB, "--gpu", "MARS")
    assert code == 1
    assert "`/run github` has no such GPU; choose one of `NVIDIA`, `AMD`" in out


async def test_a_job_that_never_gets_to_the_program_is_2(program: Path, tmp_path: Path) -> None:
    program.write_text("print('hello')\n")
    machine = tmp_path / "bin"
    machine.mkdir()
    (machine / "python3").write_text("#!/bin/sh\nexit 3\n")
    (machine / "python3").chmod(0o755)
    code, out, _ = await finished("--once", program, *GITHUB, "--programs-python", machine / "python")
    assert code == 2
    assert "GitHub's job failed before its runner told how the program ended." in out
    assert "hello" not in out
