"""The languages: which tool each needs, what it is called with, what to say where it is missing.

A table from the wire's words to commands, called by `execute`. Paths in the commands are relative to the folder of the
sources, so that messages name files as the member does. Headers are looked for beside the file that includes them, and
from that folder on. Limits: one translation unit, the main file.
"""

import os
import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

from cluster_runner.identity import SetupError
from cluster_runner.programs import search_path, which

PROGRAM = "../build/program"

_PATIENCE_S = 10.0


class Tools(NamedTuple):
    """What the admin configured: names or paths of the interpreter and the compilers."""

    python: str
    cxx: str = "g++"
    nvcc: str = "nvcc"


class Tool(NamedTuple):
    """The tool a language needs: as configured, where it was found (None: nowhere), and what to say then."""

    name: str
    path: Optional[str]
    missing: str


def find_tool(language: str, tools: Tools) -> Tool:
    """The tool for `language`, looked up on this machine."""
    name, kind, flag = {
        "python": (tools.python, "Python interpreter", "--python"),
        "cpp": (tools.cxx, "C++ compiler", "--cxx"),
        "cuda": (tools.nvcc, "CUDA compiler", "--nvcc"),
    }[language]
    sentence = "This machine has no %s: %s was not found; its admin can install it or name another one with %s."
    return Tool(name, look_up(name), sentence % (kind, name, flag))


def look_up(name: str) -> Optional[str]:
    """The absolute path of a program given by name or path; None where there is none that can be executed.

    The CUDA toolkit's own folder is looked at too: its installers leave it out of PATH.
    """
    found = which(name, search_path() + ":/usr/local/cuda/bin")
    return None if found is None else os.path.abspath(found)


def compile_command(language: str, tool: str, main: str, gpu: bool) -> Optional[Tuple[str, ...]]:
    """How to compile `main` to PROGRAM; None for a language that is not compiled."""
    if language == "cpp":
        return (tool, "-O2", "-std=c++20", "-pthread", "-I.", "-o", PROGRAM, _argument(main))
    if language == "cuda":
        # Without a GPU "native" means nothing; the compiler's default shows at least whether the source is right.
        native = ("-arch=native",) if gpu else ()
        return (tool, "-O3", *native, "-I.", "-o", PROGRAM, _argument(main))
    return None


def run_command(language: str, tool: str, main: str, arguments: Sequence[str]) -> Tuple[str, ...]:
    """How to run the program."""
    if language == "python":
        return (interpreter(tool), _argument(main), *arguments)
    return (PROGRAM, *arguments)


def _argument(main: str) -> str:
    # A name that begins with a dash would be taken for an option, and one with an at sign for a file of options.
    return "./" + main if main.startswith(("-", "@")) else main


def tool_folders(language: str, tool: str) -> List[str]:
    """The folders `tool` and all it needs live in, whoever can reach them; raises SetupError.

    A compiler is taken to live in the folder above the one that holds it; an interpreter's virtual environment says
    where its own is. Only one that is a script must be asked, which takes its time.
    """
    real = os.path.realpath(tool)
    found = [] if language != "python" else _virtual_environment(tool)
    if language == "python" and not found and not _is_binary(real):
        return _ask_interpreter(tool)
    return list(dict.fromkeys((*found, os.path.dirname(os.path.dirname(real)))))


def _virtual_environment(tool: str) -> List[str]:
    """The virtual environment that `tool` belongs to, and the folder of the interpreter below it; [] where none."""
    folder = os.path.dirname(os.path.dirname(tool))
    try:
        with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            lines = [line.partition("=") for line in file]
    except OSError:
        return []
    homes = [value.strip() for key, _, value in lines if key.strip().lower() == "home"]
    return [folder, *(os.path.dirname(home) for home in homes if os.path.isdir(home))]


def interpreter(tool: str) -> str:
    """The Python behind the link `tool`, which may lie where programs see nothing, as in ~/.local/bin; else `tool`.

    In a virtual environment the link is what makes it one, and whatever is no Python by name may go by the link's.
    """
    real = os.path.realpath(tool)
    elsewhere = os.path.dirname(real) != os.path.realpath(os.path.dirname(tool))
    is_python = re.fullmatch(r"(python|pypy)[0-9.]*", os.path.basename(real)) and _is_binary(real)
    return real if elsewhere and is_python and not _virtual_environment(tool) else tool


def _is_binary(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _ask_interpreter(tool: str) -> List[str]:
    import subprocess

    question = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"
    try:
        asked = subprocess.run(
            [tool, "-I", "-c", question], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError("The interpreter %s does not start." % tool) from error
    told = asked.stdout.decode("utf-8", "replace").splitlines()
    return list(dict.fromkeys((os.path.dirname(tool), *told)))
