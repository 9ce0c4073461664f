"""What of stderr says what went wrong: real outputs of compilers and of Python, and what is kept of each."""

import pytest

from cluster_bot.runs.ports import Trouble
from cluster_bot.scheduling.diagnosis import SHOWN_CHARS, SHOWN_LINES, Diagnosis

GCC = """\
a.cpp: In function 'int main()':
a.cpp:3:11: error: 'y' was not declared in this scope
    3 |   int x = y;
      |           ^
a.cpp:4:3: error: 'z' was not declared in this scope
    4 |   z();
      |   ^
"""
GCC_SHOWN = """\
a.cpp:3:11: error: 'y' was not declared in this scope
    3 |   int x = y;
      |           ^"""
GCC_WARNS_FIRST = "a.cpp:1:5: warning: unused variable 'e'\n    1 | int e;\n      |     ^\n" + GCC
GCC_HEADER = """\
a.cpp:1:10: fatal error: nothing.h: No such file or directory
    1 | #include "nothing.h"
      |          ^~~~~~~~~~~
compilation terminated.
"""
GCC_HEADER_SHOWN = GCC_HEADER.removesuffix("compilation terminated.\n").rstrip()
TEMPLATE = """\
In file included from /usr/include/c++/12/algorithm:61,
                 from a.cpp:1:
/usr/include/c++/12/bits/stl_algo.h: In instantiation of 'void std::__sort(_It, _It, _Compare)':
/usr/include/c++/12/bits/stl_algo.h:4820:18:   required from 'void std::sort(_RAIter, _RAIter)'
a.cpp:5:12:   required from here
/usr/include/c++/12/bits/stl_algo.h:1938:50: error: no match for 'operator-'
 1938 |                                 std::__lg(__last - __first) * 2,
      |                                           ~~~~~~~^~~~~~~~~
In file included from /usr/include/c++/12/bits/stl_algobase.h:67,
"""
TEMPLATE_SHOWN = """\
a.cpp:5:12:   required from here
/usr/include/c++/12/bits/stl_algo.h:1938:50: error: no match for 'operator-'
 1938 |                                 std::__lg(__last - __first) * 2,
      |                                           ~~~~~~~^~~~~~~~~"""
LINKER = """\
/usr/bin/ld: /tmp/ccA1.o: in function `main':
a.cpp:(.text+0x9): undefined reference to `f()'
/usr/bin/ld: a.cpp:(.text+0x12): undefined reference to `g()'
collect2: error: ld returned 1 exit status
"""
LINKER_SHOWN = """\
a.cpp:(.text+0x9): undefined reference to `f()'
/usr/bin/ld: a.cpp:(.text+0x12): undefined reference to `g()'"""
NVCC = """\
a.cu(7): warning #177-D: variable "unused" was declared but never referenced

a.cu(12): error: identifier "y" is undefined
      x[i] = y;
             ^

1 error detected in the compilation of "a.cu".
"""
NVCC_SHOWN = """\
a.cu(12): error: identifier "y" is undefined
      x[i] = y;
             ^"""
PTXAS = "ptxas error   : Entry function '_Z1kv' uses too much shared data (0x10000 bytes, 0xc000 max)\n"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (GCC, GCC_SHOWN),
        (GCC_WARNS_FIRST, GCC_SHOWN),
        (GCC_HEADER, GCC_HEADER_SHOWN),
        (TEMPLATE, TEMPLATE_SHOWN),
        (LINKER, LINKER_SHOWN),
        (NVCC, NVCC_SHOWN),
        (PTXAS, PTXAS.rstrip()),
        (
            "nvcc fatal   : Unsupported gpu architecture 'compute_20'\n",
            "nvcc fatal   : Unsupported gpu architecture 'compute_20'",
        ),
    ],
    ids=["g++", "after a warning", "no header", "template", "linker", "nvcc", "ptxas", "nvcc itself"],
)
def test_a_compilers_first_error(said: str, shown: str) -> None:
    assert _heard(said).of_compiler() == Trouble(excerpt=tuple(shown.split("\n")))


def test_a_compiler_that_says_nothing_known_has_its_last_line_quoted() -> None:
    assert _heard("g++: internal compiler mishap\n\n").of_compiler() == Trouble("g++: internal compiler mishap")


TRACEBACK = """\
some warning
Traceback (most recent call last):
  File "/tmp/r/src/a.py", line 10, in <module>
    main()
    ^^^^^^
  File "/tmp/r/src/a.py", line 7, in main
    torch.load("x")
  File "/usr/lib/python3/site-packages/torch/serialization.py", line 1, in load
    raise FileNotFoundError(x)
"""


def test_an_exception_is_told_with_the_members_own_line() -> None:
    told = _heard(TRACEBACK + "FileNotFoundError: [Errno 2] No such file: 'x'\nand more words\n").of_program()
    assert told == Trouble(
        "FileNotFoundError: [Errno 2] No such file: 'x'", file="a.py", line=7, source='torch.load("x")'
    )


def test_of_chained_exceptions_the_last_is_told() -> None:
    more = "KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n"
    last = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nmodule.OddError\n'
    assert _heard(TRACEBACK + more + last).of_program() == Trouble("module.OddError", file="a.py", line=3, source="g()")


def test_an_exception_of_cuda_that_goes_on_for_lines_is_told_by_its_first() -> None:
    more = "RuntimeError: CUDA error: an illegal memory access was encountered\nCompile with `TORCH_USE_CUDA_DSA`.\n"
    told = _heard(TRACEBACK + more).of_program()
    assert told.said == "RuntimeError: CUDA error: an illegal memory access was encountered"


def test_a_syntax_error_is_shown_with_its_caret() -> None:
    said = '  File "/tmp/r/src/a.py", line 3\n    x = = 3\n        ^\nSyntaxError: invalid syntax\n'
    assert _heard(said).of_program().excerpt == (
        *('  File "a.py", line 3', "    x = = 3", "        ^", "SyntaxError: invalid syntax"),
    )


def test_an_exception_in_nobodys_file_is_told_alone() -> None:
    said = 'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\nValueError: no\n'
    assert _heard(said).of_program() == Trouble("ValueError: no")


def test_of_anything_else_the_last_line_with_something_on_it_is_told() -> None:
    assert _heard("one\nException in thread: two\n  \n").of_program() == Trouble("Exception in thread: two")
    assert _heard("").of_program() == _heard("").of_compiler() == Trouble()


def test_what_is_kept_and_shown_is_bounded() -> None:
    told = _heard("x" * 500 + ": error: no\n" + "      | y\n" * 10_000).of_compiler()
    assert len(told.excerpt) == SHOWN_LINES
    assert max(map(len, told.excerpt)) == SHOWN_CHARS
    deep = "".join(f'  File "a.py", line {n}, in f\n    f()\n' for n in range(10_000))
    assert _heard(deep + "RecursionError: too deep\n").of_program() == Trouble(
        "RecursionError: too deep", "a.py", 9999, "f()"
    )


def _heard(text: str) -> Diagnosis:
    diagnosis = Diagnosis(["a.py", "a.cpp", "a.cu"])
    for line in text.splitlines():
        diagnosis.hear([line])
    return diagnosis
