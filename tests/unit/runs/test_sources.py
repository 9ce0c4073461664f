"""Which files a run gets of what was sent, and which of them is executed."""

import pytest
from zips import packed

from cluster_bot.errors import UserError
from cluster_bot.runs.refusals import Refusal
from cluster_bot.runs.sources import check_sent, sources_of
from cluster_bot.runs.spec import MAX_SOURCE_BYTES
from cluster_bot.runs.unzip import MAX_ZIP_BYTES


def reason(sent: list[tuple[str, bytes]], main: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        sources_of(sent, main)
    assert len(caught.value.message) < 400
    return caught.value.reason


def main_in(*paths: str, main: str | None = None) -> str:
    return sources_of([("a.zip", packed(dict.fromkeys(paths, "print()")))], main).main


def test_the_first_file_is_the_one_to_execute() -> None:
    found = sources_of([("b.cu", b"1"), ("a.cu", b"2"), ("b.h", b"")])
    assert found == ({"b.cu": "1", "a.cu": "2", "b.h": ""}, "b.cu")
    assert sources_of([("b.h", b""), ("a.cpp", b"2")], "a.cpp").main == "a.cpp"


def test_an_archive_beside_a_script_keeps_all_its_folders() -> None:
    found = sources_of([("main.cpp", b"1"), ("headers.zip", packed({"include/a.h": ""}))])
    assert found == ({"main.cpp": "1", "include/a.h": ""}, "main.cpp")


def test_the_folder_around_a_whole_program_is_taken_away() -> None:
    found = sources_of([("a.zip", packed({"repo-main/run.py": "1", "repo-main/pkg/__init__.py": ""}))])
    assert found == ({"run.py": "1", "pkg/__init__.py": ""}, "run.py")


@pytest.mark.parametrize(
    ("paths", "main", "found"),
    [
        (["kernel.cu", "a.h"], None, "kernel.cu"),
        (["main.py", "other.py"], None, "main.py"),
        (["a.py", "b.py", "sub/Main.PY"], None, "sub/Main.PY"),
        (["main.py", "sub/main.py", "a.py"], None, "main.py"),
        (["a.py", "b.py"], "b.py", "b.py"),
        (["pkg/__init__.py", "pkg/run.py", "a.h"], None, "pkg/run.py"),
        (["a.py", "sub/b.py"], "b.py", "sub/b.py"),
        (["a.py", "sub/b.py"], " ./sub/b.py ", "sub/b.py"),
        (["top/a.py", "top/b.py"], "top/b.py", "b.py"),
        (["top/a.py", "top/b.py"], "b.py", "b.py"),
    ],
)
def test_the_main_file_of_an_archive(paths: list[str], main: str | None, found: str) -> None:
    assert main_in(*paths, main=main) == found


@pytest.mark.parametrize(
    ("paths", "main", "expected"),
    [
        (["a.h"], None, Refusal.NO_PROGRAM),
        ([], None, Refusal.NO_PROGRAM),
        (["a.h"], "a.h", Refusal.NO_PROGRAM),
        (["a.py", "b.py"], None, Refusal.WHICH_PROGRAM),
        (["main.py", "main.cpp"], None, Refusal.WHICH_PROGRAM),
        (["x/main.py", "y/main.py"], None, Refusal.WHICH_PROGRAM),
        (["a.py", "b.py"], "c.py", Refusal.NO_SUCH_PROGRAM),
        (["a.py", "b.h"], "b.h", Refusal.NO_SUCH_PROGRAM),
        (["x/a.py", "y/a.py"], "a.py", Refusal.NO_SUCH_PROGRAM),
        (["a.py"], "`@everyone`", Refusal.NO_SUCH_PROGRAM),
        (["a.py", "A.py"], "a.py", Refusal.SAME_NAME),
        (["a.py", "b/c", "b"], "a.py", Refusal.SAME_NAME),
    ],
)
def test_archives_that_do_not_say_what_to_execute(paths: list[str], main: str | None, expected: Refusal) -> None:
    assert reason([("a.zip", packed(dict.fromkeys(paths, "1")))], main) == expected


def test_candidates_are_named_the_highest_first_and_at_most_five() -> None:
    with pytest.raises(UserError) as caught:
        main_in(*(f"deep/{n}.py" for n in range(9)), "z.py")
    assert caught.value.message.endswith("`z.py`, `deep/0.py`, `deep/1.py`, `deep/2.py`, `deep/3.py` ….")
    with pytest.raises(UserError) as caught:
        main_in(*("/".join([str(n) * 90, "y" * 90 + ".py"]) for n in range(9)))
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("sent", "main", "expected"),
    [
        ([("a.h", 1)], None, Refusal.UNKNOWN_LANGUAGE),
        ([("a.py", 1), ("A.py", 1)], None, Refusal.SAME_NAME),
        ([("a.py", 1), ("`", 1)], None, Refusal.BAD_NAME),
        ([("a.py", 1), ("b/c.h", 1)], None, Refusal.BAD_NAME),
        ([("a.py", MAX_SOURCE_BYTES + 1)], None, Refusal.FILE_TOO_LARGE),
        ([("a.py", MAX_SOURCE_BYTES), ("b.h", 1)], None, Refusal.FILES_TOO_LARGE),
        ([("a.zip", MAX_ZIP_BYTES), ("b.zip", 1)], None, Refusal.FILES_TOO_LARGE),
        ([("a.zip", MAX_ZIP_BYTES + 1)], None, Refusal.FILE_TOO_LARGE),
        ([("a.py", 1), ("b.zip", MAX_ZIP_BYTES + 1)], None, Refusal.FILE_TOO_LARGE),
    ],
)
def test_what_names_and_sizes_forbid(sent: list[tuple[str, int]], main: str | None, expected: Refusal) -> None:
    with pytest.raises(UserError) as caught:
        check_sent(sent, main)
    assert caught.value.reason == expected


def test_what_names_and_sizes_allow() -> None:
    check_sent([("a.py", 1), ("b.h", 0), ("c.zip", MAX_ZIP_BYTES)])
    check_sent([("a.zip", MAX_ZIP_BYTES)])
    check_sent([("a.h", 1), ("b.py", 1)], "b.py")


def test_the_bound_is_that_of_everything_together() -> None:
    half = MAX_SOURCE_BYTES // 2
    parts = [("a.py", b"#" * half), ("b.zip", packed({"b.h": "x" * (half + 1)}))]
    assert reason(parts) == Refusal.ZIP_TOO_LARGE
    assert sources_of([parts[0], ("b.zip", packed({"b.h": "x" * half}))]).main == "a.py"


def test_a_file_in_an_archive_and_one_beside_it_may_not_share_a_name() -> None:
    assert reason([("a.py", b"1"), ("b.zip", packed({"a.py": "2"}))]) == Refusal.SAME_NAME
    assert reason([("a.py", b"1"), ("b.zip", packed({"A.py": "2"}))]) == Refusal.SAME_NAME


def test_files_that_are_no_text_are_refused_beside_a_script_too() -> None:
    assert reason([("a.py", b"1"), ("b.png", b"\x89PNG")]) == Refusal.NOT_TEXT
