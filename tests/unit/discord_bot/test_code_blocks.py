"""Code blocks in messages, pasted code, and what language it is in."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.discord_bot.code_blocks import Block, blocks, guess, pasted
from cluster_bot.runs.spec import Language

PY, CPP, CUDA = Language.PYTHON, Language.CPP, Language.CUDA
FENCE = "```"


def block(mark: str, code: str) -> str:
    return f"{FENCE}{mark}\n{code}\n{FENCE}"


@pytest.mark.parametrize(
    ("mark", "language"),
    [
        *(("py", PY), ("python", PY), ("Python3", PY), ("cpp", CPP), ("c++", CPP), ("C", CPP), ("cu", CUDA)),
        *(("cuda", CUDA), ("", PY)),
    ],
)
def test_the_mark_says_the_language(mark: str, language: Language) -> None:
    assert blocks(f"look:\n{block(mark, 'x')}\nnice?") == [Block(language, "x")]


@pytest.mark.parametrize("mark", ["rust", "json", "ansi", "diff", "text", "sh"])
def test_blocks_in_other_languages_are_no_programs(mark: str) -> None:
    assert blocks(block(mark, "x")) == []


@pytest.mark.parametrize("text", ["", "print(1)", "`print(1)`", FENCE, f"{FENCE}py\nprint(1)", block("py", " \n")])
def test_messages_without_a_program(text: str) -> None:
    assert blocks(text) == []


def test_several_blocks_in_their_order() -> None:
    text = "\n".join([block("py", "a"), block("json", "{}"), block("cu", "b"), f"{FENCE}c{FENCE}"])
    assert [(one.language, one.code) for one in blocks(text)] == [(PY, "a"), (CUDA, "b"), (PY, "c")]


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("print('hello')", PY),
        ("import torch\nx = torch.zeros(3)", PY),
        ("# include the header\nprint(1)", PY),
        ("#include <cstdio>\nint main() {}", CPP),
        ("int main() { return 0; }", CPP),
        ("__global__ void k() {}", CUDA),
        ("#include <cuda_runtime.h>\nint main() {}", CUDA),
        ("int main() { k<<<1, 32>>>(); }", CUDA),
    ],
)
def test_unmarked_code_is_guessed_at(code: str, language: Language) -> None:
    assert guess(code) is language


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("print(1)", (PY, "print(1)")),
        (block("py", "print(1)"), (PY, "print(1)")),
        (f"\n {block('cpp', 'int x;')}\n", (CPP, "int x;")),
        (f"{FENCE}cu\nint x;", (CUDA, "int x;")),
        (block("", "#include <a>"), (CPP, "#include <a>")),
        (block("whatever", "print(1)"), (PY, "print(1)")),
        (block("py", f"s = '''{FENCE}'''"), (PY, f"s = '''{FENCE}'''")),
        (f"print('{FENCE}')", (PY, f"print('{FENCE}')")),
        ("    if x:\r\n        y()\r\n", (PY, "if x:\n    y()\n")),
    ],
)
def test_fences_are_taken_off_what_was_pasted(text: str, found: tuple[Language, str]) -> None:
    assert pasted(text) == found


@pytest.mark.parametrize("piece", ["<", "<<<>", "`", "```", "\n", " ", "#", "\t#", "int main ", "```\n", "```py\n"])
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 4000)[:4000]
    began = time.process_time()
    for one in (text, f"```\n{text}x", f"x{text}"):
        blocks(one)
        pasted(one)
        guess(one)
    assert time.process_time() - began < 0.2


@given(st.text("`p\ny ", max_size=40) | st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert all(one.code.strip() for one in blocks(text))
    pasted(text)
