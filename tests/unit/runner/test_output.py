"""What a program prints becomes log events: as it is printed, whole, in order, bounded."""

from pathlib import Path

import pytest

from .conftest import Attempt, both_ways, needs_cxx

_PYTHON_LINES = """
import os, sys, time
if os.environ.pop("PYTHONUNBUFFERED", None):
    os.execv(sys.executable, [sys.executable, *sys.argv])
for line in range(12):
    print("line", line)
    if line < 11:
        time.sleep(0.5)
"""

_C_LINES = r"""
#include <chrono>
#include <cstdio>
#include <thread>
int main() {
    for (int line = 0; line < 12; ++line) {
        std::printf("line %d\n", line);
        if (line < 11) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
}
"""

_AWAIT = """
import os, time
def await_file(name):
    while not os.path.exists(name):
        time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("main", "text"),
    [
        pytest.param("main.py", _PYTHON_LINES, id="python"),
        pytest.param("main.cpp", _C_LINES, id="cpp", marks=needs_cxx),
    ],
)
@both_ways
def test_lines_arrive_as_they_are_printed(attempt: Attempt, main: str, text: str) -> None:
    assert attempt.ask(text, main=main).run().exit_code == 0
    logs = [event for event in attempt.events() if event.kind == "log"]
    assert [event.body["text"] for event in logs] == [f"line {number}\n" for number in range(12)]
    assert logs[-1].t - logs[0].t >= 4.0


def test_an_unfinished_line_is_seen_before_its_end(attempt: Attempt, outside: Path) -> None:
    attempt.ask(_AWAIT + f"print('half', end='')\nawait_file('{outside}/go')\nprint(' whole')")
    runner = attempt.start()
    attempt.wait_for(lambda: attempt.logs() == "half")
    (outside / "go").touch()
    assert runner.wait(60) == 0
    assert attempt.logs() == "half whole\n"


def test_a_character_split_over_two_writes_stays_whole(attempt: Attempt, outside: Path) -> None:
    attempt.ask(
        _AWAIT + f"os.write(1, b'a\\xe2\\x82')\nawait_file('{outside}/go')\nos.write(1, b'\\xac\\n\\xff!\\n\\xf0\\x9f')"
    )
    runner = attempt.start()
    attempt.wait_for(lambda: attempt.logs() == "a")
    (outside / "go").touch()
    assert runner.wait(60) == 0
    assert attempt.logs() == "a€\n�!\n�"


@both_ways
def test_no_byte_is_changed_or_lost(attempt: Attempt) -> None:
    attempt.ask("import os\nos.write(1, b'nul \\0 bell \\a cr \\r\\n tab \\t esc \\x1b[31m' + b'x' * 100_000)")
    assert attempt.run().exit_code == 0
    assert attempt.logs("stdout") == "nul \0 bell \a cr \r\n tab \t esc \x1b[31m" + "x" * 100_000


@both_ways
def test_stdout_is_a_terminal_stderr_a_pipe_and_stdin_empty(attempt: Attempt) -> None:
    attempt.ask(
        "import sys, os\n"
        "print([f.isatty() for f in (sys.stdin, sys.stdout, sys.stderr)], repr(sys.stdin.read()))\n"
        "print(os.get_terminal_size(1), file=sys.stderr)"
    )
    attempt.run()
    assert attempt.logs("stdout") == "[False, True, False] ''\n"
    assert attempt.logs("stderr") == "os.terminal_size(columns=100, lines=40)\n"


def test_the_two_streams_are_told_apart_in_order_of_arrival(attempt: Attempt, outside: Path) -> None:
    attempt.ask(
        _AWAIT + "import sys\n"
        "for number in range(6):\n"
        "    print(number, file=(sys.stdout, sys.stderr)[number % 2])\n"
        f"    await_file(f'{outside}/{{number}}')\n"
    )
    runner = attempt.start()
    for number in range(6):
        attempt.wait_for(lambda number=number: attempt.logs().endswith(f"{number}\n"))
        (outside / str(number)).touch()
    assert runner.wait(60) == 0
    assert attempt.logs() == "0\n1\n2\n3\n4\n5\n"
    assert (attempt.logs("stdout"), attempt.logs("stderr")) == ("0\n2\n4\n", "1\n3\n5\n")


@both_ways
def test_a_flood_loses_its_middle_and_says_exactly_how_much(attempt: Attempt) -> None:
    lines = [f"line {number} with some text that is not short" for number in range(400_000)]
    attempt.ask(
        "import os\n"
        "text = ''.join(f'line {number} with some text that is not short\\n' for number in range(400_000)).encode()\n"
        "while text:\n"
        "    text = text[os.write(1, text):]\n"
    )
    assert attempt.run().exit_code == 0
    assert (attempt.spool / "events.ndjson").stat().st_size < 6 * 1024 * 1024
    (gap,) = (event for event in attempt.events() if event.kind == "gap")
    head = "".join(event.body["text"] for event in attempt.events() if event.kind == "log" and event.n < gap.n)
    tail = "".join(event.body["text"] for event in attempt.events() if event.kind == "log" and event.n > gap.n)
    whole = "\n".join(lines) + "\n"
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) > 3_900_000
    assert len(tail) > 200_000
    assert gap.body["bytes"] == len(whole) - len(head) - len(tail)
    assert gap.body["lines"] == whole[len(head) : len(whole) - len(tail)].count("\n")


@both_ways
def test_output_of_the_last_moment_is_kept(attempt: Attempt) -> None:
    attempt.ask("import os\nos.write(1, b'x' * 50_000 + b'last\\n')\nos._exit(0)")
    attempt.run()
    assert attempt.logs().endswith("xlast\n")
    assert len(attempt.logs()) == 50_005


def test_a_program_that_closes_its_output_goes_on(attempt: Attempt, outside: Path) -> None:
    attempt.ask(f"import os\nos.close(1)\nos.close(2)\nopen('{outside}/done', 'w').close()\nos._exit(7)")
    assert attempt.run().exit_code == 7
    assert (outside / "done").exists()
