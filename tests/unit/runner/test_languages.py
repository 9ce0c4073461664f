"""Compiled languages: their phases, what a compiler says, and plain words where something is missing."""

import stat
import sys
from pathlib import Path

import pytest

from cluster_runner.execute import _compile_verdict
from cluster_runner.languages import Tool, Tools, compile_command, find_tool, interpreter, run_command
from cluster_runner.supervise import Ended

from .conftest import Attempt, both_ways, needs_cxx


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


# Stands for a CUDA compiler: whatever it is given becomes a program that says so.
_NVCC = """
echo "compiling: $*" >&2
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho from the GPU $*\\n' > "$2"
chmod +x "$2"
"""
_SMI = "echo 'NVIDIA Test GPU, 580.1'\n"


@both_ways
@needs_cxx
def test_cpp_is_compiled_and_run_with_its_arguments(attempt: Attempt) -> None:
    attempt.ask(
        '#include <cstdio>\n#include "other.h"\n'
        'int main(int count, char** words) { std::printf("%d %s %d\\n", count, words[1], OTHER); }',
        main="main.cpp",
        files={"other.h": "#define OTHER 5"},
        arguments=("a b",),
    )
    assert attempt.run().exit_code == 0
    assert attempt.kinds() == ["hello", "compile", "run", "log", "outcome"]
    assert attempt.logs("stdout") == "2 a b 5\n"


@both_ways
@needs_cxx
def test_a_main_file_and_its_headers_in_folders(attempt: Attempt) -> None:
    attempt.ask(
        '#include "tools/one.h"\n#include <include/two.h>\nint main() { return ONE + TWO; }',
        main="app/main.cpp",
        files={
            "app/tools/one.h": "#define ONE 1",
            "include/two.h": '#include "deep/three.h"',
            "include/deep/three.h": "#define TWO 2",
        },
    )
    assert attempt.run().exit_code == 3
    assert stat.S_IMODE((attempt.spool / "work/src/include/deep").stat().st_mode) == 0o700


@both_ways
def test_a_python_package_in_folders(attempt: Attempt) -> None:
    attempt.ask(
        "import os, pkg.words\nprint(pkg.words.SAY, os.path.basename(os.getcwd()))\nprint(open('data/a.txt').read())",
        files={"pkg/__init__.py": "", "pkg/words.py": "SAY = 'hello'", "data/a.txt": "text"},
    )
    assert attempt.run().exit_code == 0
    assert attempt.logs("stdout") == "hello src\ntext\n"


def test_the_folder_of_the_main_file_is_where_its_modules_are(attempt: Attempt) -> None:
    files = {"app/words.py": "SAY = 'beside'", "words.py": "SAY = 'above'"}
    attempt.ask("import words\nprint(words.SAY)", main="app/main.py", files=files)
    assert attempt.run().exit_code == 0
    assert attempt.logs("stdout") == "beside\n"


@both_ways
@needs_cxx
def test_a_refused_program_ends_in_the_compile_phase(attempt: Attempt) -> None:
    outcome = attempt.ask("int main() { return nonsense; }", main="main.cpp").run()
    assert (outcome.result, outcome.exit_code) == ("compile_error", 1)
    assert "run" not in attempt.kinds()
    assert "main.cpp:1:21: error:" in attempt.logs("stderr")
    assert attempt.logs("stdout") == ""


@needs_cxx
def test_a_warning_does_not_keep_a_program_from_running(attempt: Attempt) -> None:
    attempt.ask("#warning look here\nint main() { return 4; }", main="main.cpp")
    assert attempt.run().exit_code == 4
    assert "look here" in attempt.logs("stderr")


def test_a_wish_to_stop_ends_a_compiler_too(attempt: Attempt) -> None:
    compiler = script(attempt.home / "c++", "echo ready\nexec sleep 1000\n")
    runner = attempt.ask("int main() {}", main="main.cpp").start("--cxx", str(compiler))
    attempt.wait_for(attempt.logs)
    attempt.wish_stop()
    assert runner.wait(60) == 0
    assert attempt.outcome().result == "stopped"


def test_a_compiler_that_takes_too_long_made_no_program() -> None:
    """Its clock is the runner's, so no longer time limit of the member's would help."""
    refused = _compile_verdict(Ended("time_limit", None, "SIGTERM", 120.0, None), Tool("g++", "/bin/g++", ""), 120.0)
    assert refused is not None
    assert (refused.result, refused.detail) == ("compile_error", "g++ took longer than 120 seconds.")
    stopped = _compile_verdict(Ended("stopped", None, "SIGTERM", 1.0, None), Tool("g++", "/bin/g++", ""), 120.0)
    assert stopped is not None and stopped.result == "stopped"


@pytest.mark.parametrize(("main", "option", "word"), [("m.cpp", "--cxx", "C++"), ("m.cu", "--nvcc", "CUDA")])
def test_a_missing_compiler_is_named_with_what_to_do(attempt: Attempt, main: str, option: str, word: str) -> None:
    outcome = attempt.ask("int main() {}", main=main).run(option, "no-such-compiler")
    assert outcome.result == "tool_missing"
    assert all(part in outcome.detail for part in (word, "no-such-compiler", option, "install"))
    assert attempt.kinds() == ["hello", "compile", "outcome"]


def test_without_a_gpu_cuda_is_compiled_and_not_run(attempt: Attempt) -> None:
    nvcc = script(attempt.home / "nvcc", _NVCC)
    outcome = attempt.ask("int main() {}", main="main.cu").run("--nvcc", str(nvcc), env={"CUDA_VISIBLE_DEVICES": ""})
    assert outcome.result == "gpu_missing"
    assert "GPU" in outcome.detail
    assert attempt.kinds() == ["hello", "compile", "log", "outcome"]
    assert attempt.logs() == "compiling: -O3 -I. -o ../build/program main.cu\n"


def test_a_gpu_is_introduced_and_used(attempt: Attempt) -> None:
    tools = attempt.home / "tools"
    nvcc = script(tools / "nvcc", 'if [ "$1" = --version ]; then echo "release 13.0, V13"; exit; fi\n' + _NVCC)
    script(tools / "nvidia-smi", _SMI)
    attempt.ask("int main() {}", main="main.cu", arguments=("now",))
    assert attempt.run("--nvcc", str(nvcc), env={"PATH": f"{tools}:/usr/bin:/bin"}).exit_code == 0
    hello = attempt.events()[0].body
    assert (hello["gpu"], hello["driver"], hello["toolkit"]) == ("NVIDIA Test GPU", "580.1", "CUDA 13.0")
    assert "-arch=native" in attempt.logs("stderr")
    assert attempt.logs("stdout") == "from the GPU now\n"


def test_a_driver_that_fails_is_no_gpu(attempt: Attempt) -> None:
    tools = attempt.home / "tools"
    script(tools / "nvidia-smi", "echo 'has failed, because 9, it could not'\nexit 9\n")
    attempt.ask("pass").run(env={"PATH": f"{tools}:/usr/bin:/bin"})
    assert attempt.events()[0].body["gpu"] is None


def test_the_tables() -> None:
    tools = Tools("/no/python", "/no/g++", "/no/nvcc")
    assert [find_tool(language, tools).path for language in ("python", "cpp", "cuda")] == [None] * 3
    assert compile_command("python", "python", "a.py", gpu=False) is None
    assert run_command("python", "/py", "-x.py", ["a"]) == ("/py", "./-x.py", "a")


def test_a_link_is_followed_to_a_python_and_to_nothing_else(tmp_path: Path) -> None:
    real = Path(sys.executable).resolve()
    one = tmp_path / "python3"
    one.symlink_to(real)
    assert interpreter(str(one)) == str(real)
    # As some managers of versions have it: one program for all, which goes by the name it is called by.
    shim = tmp_path / "shims" / "python3"
    shim.parent.mkdir()
    shim.symlink_to("/bin/true")
    assert interpreter(str(shim)) == str(shim)
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text(f"home = {real.parent}\n")
    inside = tmp_path / "env" / "bin" / "python"
    inside.symlink_to(real)
    assert interpreter(str(inside)) == str(inside)
