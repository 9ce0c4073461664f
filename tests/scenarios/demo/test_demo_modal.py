"""`cluster-bot demo --once X --launcher modal`, or `auto`: our own app, in containers, while one watches."""

import json
from pathlib import Path

import pytest
from test_demo_once import FAILS, LINES, finished


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


@pytest.mark.slow
async def test_lines_come_while_the_container_runs(program: Path) -> None:
    program.write_text(LINES)
    code, out, err = await finished("--json", "--once", program, "--launcher", "modal", "--gpu", "H100:2")
    assert code == 0, out + err
    events = [json.loads(line) for line in out.splitlines()]
    seen = [next(event["time"] for event in events if f"line {n}\n" in event["content"]) for n in range(12)]
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] >= 4


async def test_a_failing_program_is_1(program: Path) -> None:
    program.write_text(FAILS)
    code, out, _ = await finished("--once", program, "--launcher", "modal")
    assert code == 1
    assert out.splitlines()[0] == "you: /run modal program.py T4"


async def test_auto_says_where_and_why(program: Path) -> None:
    program.write_text("print('hello')")
    code, out, _ = await finished("--once", program, "--launcher", "auto")
    assert code == 0, out
    assert "you: /run auto program.py T4" in out
    assert "modal" in out.partition("hello")[0]
