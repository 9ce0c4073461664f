"""The languages: which tool each needs, what it is called with, what to say where it is missing.

A table from the wire's words to commands, called by `execute`. Paths in the commands are relative to the folder of the
sources, so that messages name files as the member does. Limits: one translation unit, the main file.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from cluster_runner.identity import SetupError
from cluster_runner.mounts import closed_above

PROGRAM = "../build/program"

_PATIENCE_S = 10.0
_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Tools:
    """What the admin configured: names or paths of the interpreter and the compilers."""

    python: str
    cxx: str = "g++"
    nvcc: str = "nvcc"


@dataclass(frozen=True)
class Tool:
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
    path = os.environ.get("PATH", _STANDARD_PATH) + ":/usr/local/cuda/bin"
    found = shutil.which(name, path=path)
    return None if found is None else os.path.abspath(found)


def compile_command(language: str, tool: str, main: str, gpu: bool) -> Optional[Tuple[str, ...]]:
    """How to compile `main` to PROGRAM; None for a language that is not compiled."""
    if language == "cpp":
        return (tool, "-O2", "-std=c++20", "-pthread", "-o", PROGRAM, _argument(main))
    if language == "cuda":
        # Without a GPU "native" means nothing; the compiler's default shows at least whether the source is right.
        native = ("-arch=native",) if gpu else ()
        return (tool, "-O3", *native, "-o", PROGRAM, _argument(main))
    return None


def run_command(language: str, tool: str, main: str, arguments: Sequence[str]) -> Tuple[str, ...]:
    """How to run the program."""
    if language == "python":
        return (tool, _argument(main), *arguments)
    return (PROGRAM, *arguments)


def _argument(main: str) -> str:
    # A name that begins with a dash would be taken for an option.
    return "./" + main if main.startswith("-") else main


def tool_homes(language: str, tool: str) -> List[str]:
    """The folders `tool` lives in where a stranger cannot reach it as it is; [] where everybody can.

    An interpreter is asked, since its name may be a link, a script or part of a virtual environment; a compiler is
    taken to live, with all it needs, in the folder above the one that holds it.
    """
    if closed_above(tool) is None and closed_above(os.path.join(os.path.realpath(os.path.dirname(tool)), "x")) is None:
        return []
    if language != "python":
        return [os.path.dirname(os.path.dirname(os.path.realpath(tool)))]
    question = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"
    try:
        asked = subprocess.run(
            [tool, "-I", "-c", question], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError("The interpreter %s does not start." % tool) from error
    return list(dict.fromkeys(asked.stdout.decode("utf-8", "replace").splitlines()))
