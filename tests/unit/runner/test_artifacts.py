"""Files left in `$CLUSTER_ARTIFACTS`: kept where they are the program's own plain files, within bounds."""

from typing import Any

import pytest

from .conftest import Attempt, both_ways

_HEAD = """
import os
os.chdir(os.environ['CLUSTER_ARTIFACTS'])
def put(name, size=3):
    open(name, 'wb').write(b'x' * size)
"""


def artifacts(attempt: Attempt) -> dict[str, dict[str, Any]]:
    """The artifact events by name; all of them stand before the outcome."""
    assert attempt.run().exit_code == 0
    return {event.body["name"]: dict(event.body) for event in attempt.events() if event.kind == "artifact"}


def content(attempt: Attempt, stored: str) -> bytes:
    return (attempt.spool / "artifacts" / stored).read_bytes()


@both_ways
def test_files_are_kept_under_safe_names(attempt: Attempt) -> None:
    attempt.ask(_HEAD + "put('plot.png')\nput('a b;ü.txt')\nos.makedirs('sub/deep')\nput('sub/deep/data.csv', 5)")
    kept = artifacts(attempt)
    assert {name: (body["size"], body["stored"]) for name, body in kept.items()} == {
        "a b;ü.txt": (3, "01-a_b__.txt"),
        "plot.png": (3, "02-plot.png"),
        "sub_deep_data.csv": (5, "03-sub_deep_data.csv"),
    }
    assert content(attempt, "03-sub_deep_data.csv") == b"xxxxx"


@both_ways
def test_what_is_no_plain_file_of_its_own_stays_behind(attempt: Attempt) -> None:
    attempt.ask(
        _HEAD + "os.symlink('/etc/passwd', 'link')\nos.symlink('/etc', 'folder_link')\nos.mkfifo('pipe')\n"
        "put('one')\nos.link('one', 'two')\nput('good')\n"
    )
    kept = artifacts(attempt)
    assert {name for name, body in kept.items() if body["stored"]} == {"good"}
    assert set(kept) == {"link", "folder_link", "pipe", "one", "two", "good"}
    assert all(body["detail"] for body in kept.values() if not body["stored"])
    assert [file.name for file in (attempt.spool / "artifacts").iterdir()] == [kept["good"]["stored"]]


@both_ways
def test_a_replaced_folder_is_not_followed(attempt: Attempt) -> None:
    attempt.ask("import os\nfolder = os.environ['CLUSTER_ARTIFACTS']\nos.rmdir(folder)\nos.symlink('/etc', folder)")
    assert artifacts(attempt) == {}


def test_sizes_are_bounded_each_and_together(attempt: Attempt) -> None:
    attempt.ask(
        _HEAD
        + "open('huge', 'wb').truncate(1 << 40)\nput('1', 8 << 20)\nput('2', 8 << 20)\nput('3', 5 << 20)\nput('4')"
    )
    kept = artifacts(attempt)
    assert {name for name, body in kept.items() if body["stored"]} == {"1", "2", "4"}
    assert (kept["huge"]["size"], kept["huge"]["detail"]) == (1 << 40, "it is larger than 8 MiB")
    assert kept["3"]["detail"] == "all files together are larger than 20 MiB"


def test_their_number_is_bounded(attempt: Attempt) -> None:
    attempt.ask(_HEAD + "for number in range(100): put(f'{number:03}')")
    kept = artifacts(attempt)
    assert sum(body["stored"] is not None for body in kept.values()) == 10
    assert len(kept) == 10 + 20 + 1
    assert kept["..."]["detail"] == "70 more files were left behind"


@pytest.mark.parametrize("name", ["'new\\nline'", "b'\\xff\\xfe'", "'x' * 255", "'-rf'", "'\\x1b[31m'"])
def test_odd_names_become_harmless(attempt: Attempt, name: str) -> None:
    attempt.ask(_HEAD + f"put({name})")
    ((shown, body),) = artifacts(attempt).items()
    assert shown.isprintable()
    assert len(shown) <= 255
    assert content(attempt, body["stored"]) == b"xxx"


def test_files_of_a_failing_program_are_kept_too(attempt: Attempt) -> None:
    attempt.ask(_HEAD + "put('trace')\nraise SystemExit(1)")
    assert attempt.run().exit_code == 1
    assert attempt.kinds()[-2:] == ["artifact", "outcome"]


@both_ways
def test_a_deep_folder_does_no_harm(attempt: Attempt) -> None:
    attempt.ask(_HEAD + "for _ in range(2000):\n    os.mkdir('d')\n    os.chdir('d')\nput('buried')")
    assert artifacts(attempt) == {}
