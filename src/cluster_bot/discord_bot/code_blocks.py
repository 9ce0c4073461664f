"""Programs in what people write: the code blocks of a message, and what language they are in.

Pure. Used by `forms` for pasted text and for messages that somebody wants to run. A block without a language is guessed
at by what it says; the form shows the guess before anything runs.
"""

import re
import textwrap
from typing import NamedTuple

from cluster_bot.runs.spec import Language

_FENCED = re.compile(r"```(?:(?P<mark>[A-Za-z0-9_+.#-]{0,30})\n)?(?P<code>.*?)```", re.DOTALL)
_OPENING = re.compile(r"```(?P<mark>[A-Za-z0-9_+.#-]{0,30})[ \t]*")
_MARKS = {
    **dict.fromkeys(("py", "python", "python3", "py3", "triton"), Language.PYTHON),
    **dict.fromkeys(("cpp", "c++", "cc", "cxx", "c", "h", "hpp"), Language.CPP),
    **dict.fromkeys(("cu", "cuda", "cuh"), Language.CUDA),
}
# Bounded, and by the line: what people write must not keep the loop.
_CUDA = re.compile(
    r"__global__|__device__|<<<[^\n]{0,200}?>>>|#[ ]?include[ ]?[<\"](?:cuda|cublas|curand|thrust/|cub/)"
)
_CPP = re.compile(
    r"^[ \t]*(?:# ?include ?[<\"]|#(?:include|define|pragma)\b|(?:int|auto|void) +main *\()|\bstd::", re.MULTILINE
)


class Block(NamedTuple):
    """A program in a text, and its language as marked or else guessed."""

    language: Language
    code: str


def blocks(text: str) -> list[Block]:
    """The code blocks that could be programs; those marked as something else, and empty ones, are none."""
    found = [_block(match["mark"], match["code"]) for match in _FENCED.finditer(text)]
    return [one for one in found if one is not None]


def pasted(text: str) -> Block:
    """What somebody pasted: code, or a code block with its fences, which are taken off."""
    first, *body = text.replace("\r\n", "\n").strip().split("\n")
    match = _OPENING.fullmatch(first)
    if match is None or not body:
        return Block(guess(text), _dedented(text))
    # The fences are the first line and the end of the last: what a program says between them may be anything.
    body[-1] = body[-1].removesuffix("```")
    code = "\n".join(body if body[-1].strip() else body[:-1])
    return Block(_MARKS.get(match["mark"].lower()) or guess(code), _dedented(code))


def guess(code: str) -> Language:
    """The language of code that nobody marked."""
    if _CUDA.search(code):
        return Language.CUDA
    return Language.CPP if _CPP.search(code) else Language.PYTHON


def _block(mark: str | None, code: str) -> Block | None:
    if not code.strip() or (mark and mark.lower() not in _MARKS):
        return None
    language = _MARKS[mark.lower()] if mark else guess(code)
    return Block(language, _dedented(code).strip("\n"))


def _dedented(code: str) -> str:
    # What was copied out of something indented as a whole is no program to Python.
    return textwrap.dedent(code.replace("\r\n", "\n"))
