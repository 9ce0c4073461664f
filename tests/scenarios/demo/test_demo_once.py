"""`cluster-bot demo --once` as a person and as a script would use it: what it prints, and what its exit code says."""

import asyncio
import json
import os
import signal
import sys
import uuid
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import pytest

import warm

PATIENCE_S = 60
FAILS = "print('so far so good')\nraise ValueError('the end of it')\n"
LINES = "import time\nfor n in range(12):\n    print('line', n)\n    time.sleep(0.5)\n"
# Two lines: the screen ends a line when the next thing comes.
HOLDS = "import time\nprint('holds\\non')\ntime.sleep(600)\n"


async def demo(*arguments: str | Path, err: int = DEVNULL, python: str = sys.executable) -> Process:
    """The demo, begun; in the cold where no other `python` is named.

    PYTHONUNBUFFERED is taken away, since it would hide that programs are not flushed.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [python, "-m", "cluster_bot", "demo", *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=err, env=environment)


async def finished(*arguments: str | Path) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of a demo."""
    process = await demo(*arguments, err=PIPE, python=warm.python())
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


async def test_success_is_0_and_the_thread_can_be_read(program: Path) -> None:
    program.write_text("print('hello')\n")
    code, out, _ = await finished("--once", program)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "you: /run local program.py"
    assert lines.index("┌ thread: #1 program.py") < lines.index("hello")
    assert any("Succeeded: the program ended with exit code 0." in line for line in lines[lines.index("hello") :])


async def test_a_failing_program_is_1_with_its_last_error_line(program: Path) -> None:
    program.write_text(FAILS)
    code, out, _ = await finished("--once", program)
    assert code == 1
    # The status may have changed in between.
    assert out.index("so far so good\n") < out.index("Traceback")
    assert out.count("ValueError: the end of it") == 2, "in the thread, and again in the verdict"


async def test_a_refusal_is_1_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no program")
    code, out, _ = await finished("--once", tmp_path / "notes.txt")
    assert code == 1
    assert "its name must end in `.py`" in out


async def test_what_cannot_begin_is_2_with_one_sentence(program: Path, tmp_path: Path) -> None:
    program.write_text("print('hello')\n")
    for arguments, said in (
        (("--once", tmp_path / "none.py"), "There is no file"),
        (("--once", program, "--launcher", "mars"), "`/run mars` can't be given"),
        (("--once", program, "--save", "/proc/none"), "Files can't be saved"),
    ):
        code, _, err = await finished(*arguments)
        assert code == 2
        assert said in err
        assert "Traceback" not in err


async def test_json_is_one_object_a_line_and_tells_when_each_line_reached_the_server(program: Path) -> None:
    program.write_text(LINES)
    code, out, _ = await finished("--json", "--once", program)
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert {"time", "event", "content", "author"} <= set.intersection(*(set(event) for event in events))
    assert all(isinstance(event["time"], float) for event in events)
    first_seen = [next(event["time"] for event in events if f"line {n}\n" in event["content"]) for n in range(12)]
    assert first_seen == sorted(first_seen)
    assert first_seen[-1] - first_seen[0] >= 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_an_interrupted_demo_leaves_nothing_behind(program: Path, number: signal.Signals) -> None:
    program.write_text(HOLDS)
    mark = f"mark-{uuid.uuid4().hex}"
    python = sys.executable if number is signal.SIGINT else warm.python()
    process = await demo("--once", program, "--arguments", mark, python=python)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while not (line := await process.stdout.readline()).startswith(b"holds"):
            assert line, "the demo ended by itself"
        process.send_signal(number)
        await process.communicate()
    assert process.returncode == 130
    # The program may be in a process namespace of its own, so it is not asked for by its number.
    marker = mark.encode()
    assert not [line for line in _command_lines() if marker in line]


def _command_lines() -> list[bytes]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found.append((folder / "cmdline").read_bytes())
            except OSError:
                continue
    return found
