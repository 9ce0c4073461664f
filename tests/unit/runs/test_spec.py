"""RunSpec cannot be built invalid: whatever is handed in, it is refused with a sentence, or it can travel and run."""

import dataclasses
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cluster_bot.errors import UserError
from cluster_bot.runs import spec as spec_module
from cluster_bot.runs.refusals import SENTENCES, Refusal
from cluster_bot.runs.spec import (
    EXTENSIONS,
    Language,
    RunSpec,
    Where,
    check_path,
    check_paths,
    language_of,
    source_text,
    split_arguments,
)
from cluster_runner import wire

ENDINGS = st.sampled_from([*EXTENSIONS, ".PY", ".txt", "", "."])
ODD_NAMES = st.builds(str.__add__, st.text(max_size=120) | st.text("ab./\\-", max_size=12), ENDINGS)
ARGUMENTS = st.lists(st.text(max_size=30), max_size=spec_module.MAX_ARGUMENTS + 2)


def spec(**changes: Any) -> RunSpec:
    fields: dict[str, Any] = {"files": {"a.py": "print()"}, "main": "a.py", "launcher": "local", "time_limit_s": 10}
    return RunSpec(**{**fields, **changes})


def reason(**changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        spec(**changes)
    return caught.value.reason


@given(
    files=st.dictionaries(ODD_NAMES, st.text(max_size=40), max_size=3),
    data=st.data(),
    launcher=st.text(max_size=10) | st.just("local"),
    time_limit_s=st.integers(-1, spec_module.MAX_TIME_LIMIT_S + 1) | st.integers(),
    arguments=ARGUMENTS,
)
def test_whatever_is_built_can_travel(
    files: dict[str, str], data: st.DataObject, launcher: str, time_limit_s: int, arguments: list[str]
) -> None:
    main = data.draw(st.sampled_from(sorted(files)) if files else ODD_NAMES)
    try:
        built = RunSpec(files, main, launcher, time_limit_s, arguments=tuple(arguments))
    except UserError as error:
        assert error.reason in list(Refusal)
        return
    payload = wire.Payload(
        "0" * 32, 1, dict(built.files), built.main, built.language.value, float(built.time_limit_s), built.arguments
    )
    assert wire.unpack(wire.pack(payload)) == payload
    assert built.main in built.files
    assert 1 <= built.time_limit_s <= spec_module.MAX_TIME_LIMIT_S
    assert built.files[built.main].strip()


@given(ODD_NAMES)
@example("a`@everyone`.py")
@example("..")
@example("a/../../b.py")
@example("/etc/a.py")
@example("a//b.py")
@example("a/b/c/d/e/f/g/h/i.py")
@example("x/" + "y" * 101)
@example("include/a.h")
@example("pkg/.hidden/__init__.py")
@example(".hidden.py")
@example("-rf.py")
@example("a\u202epy.exe")
@example("a\ud800.py")
@example("x" * 98 + ".py")
@example("ü" * 97 + ".py")
@example("漢" * 97 + ".py")
def test_a_name_that_passes_can_be_written_and_shown(name: str) -> None:
    try:
        check_path(name)
    except UserError as error:
        assert error.reason == Refusal.BAD_NAME
        return
    assert name.isprintable()
    assert not set(name) & set("\\`<>*|\"'")
    assert not name.startswith(("/", "-"))
    assert wire.is_plain_path(name)
    assert len(name) <= spec_module.MAX_PATH_CHARS


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"main": "b.py"}, Refusal.BAD_NAME),
        ({"files": {}}, Refusal.BAD_NAME),
        ({"files": {"a.py": " \n\t"}}, Refusal.EMPTY_FILE),
        ({"files": {"a.py": "print('\0')"}}, Refusal.NOT_TEXT),
        ({"files": {"a.py": "print('\ud800')"}}, Refusal.NOT_TEXT),
        ({"files": {"a.py": "x" * (spec_module.MAX_SOURCE_BYTES + 1)}}, Refusal.FILE_TOO_LARGE),
        ({"files": {"a.py": "ü" * (spec_module.MAX_SOURCE_BYTES // 2 + 1)}}, Refusal.FILE_TOO_LARGE),
        ({"files": {"a.py": "x" * 700_000, "b.py": "x" * 700_000}}, Refusal.FILE_TOO_LARGE),
        ({"files": {"a.txt": "x"}, "main": "a.txt"}, Refusal.UNKNOWN_LANGUAGE),
        ({"files": {"a": "x"}, "main": "a"}, Refusal.UNKNOWN_LANGUAGE),
        ({"files": {"a.py": "x", "../b.py": "x"}}, Refusal.BAD_NAME),
        ({"files": {".py": "x"}, "main": ".py"}, Refusal.BAD_NAME),
        ({"files": {"a/-c.py": "x"}, "main": "a/-c.py"}, Refusal.BAD_NAME),
        ({"files": {"a.py": "x", "A.PY": "x"}}, Refusal.SAME_NAME),
        ({"files": {"a.py": "x", "b": "x", "b/c": "x"}}, Refusal.SAME_NAME),
        ({"files": {"a.py": "x", **{f"{n}.h": "" for n in range(100)}}}, Refusal.TOO_MANY_FILES),
        ({"time_limit_s": 0}, Refusal.TIME_LIMIT),
        ({"time_limit_s": spec_module.MAX_TIME_LIMIT_S + 1}, Refusal.TIME_LIMIT),
        ({"time_limit_s": True}, Refusal.TIME_LIMIT),
        ({"time_limit_s": 5.5}, Refusal.TIME_LIMIT),
        ({"time_limit_s": float("nan")}, Refusal.TIME_LIMIT),
        ({"arguments": ("x",) * 65}, Refusal.BAD_ARGUMENTS),
        ({"arguments": ("x" * 1001,)}, Refusal.BAD_ARGUMENTS),
        ({"arguments": ("a\0b",)}, Refusal.BAD_ARGUMENTS),
        ({"arguments": ("a\nb",)}, Refusal.BAD_ARGUMENTS),
        ({"launcher": "no launcher"}, Refusal.UNKNOWN_LAUNCHER),
        ({"launcher": ""}, Refusal.UNKNOWN_LAUNCHER),
        ({"others": (Where("no launcher"),)}, Refusal.UNKNOWN_LAUNCHER),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_built(changes: dict[str, Any], expected: Refusal) -> None:
    assert reason(**changes) == expected


def test_the_largest_that_can_be_built() -> None:
    largest = spec(
        files={"a.py": "x" * spec_module.MAX_SOURCE_BYTES},
        time_limit_s=spec_module.MAX_TIME_LIMIT_S,
        arguments=("x" * spec_module.MAX_ARGUMENT_CHARS,) * spec_module.MAX_ARGUMENTS,
    )
    assert len(largest.arguments) == spec_module.MAX_ARGUMENTS


def test_files_beside_the_main_one_may_be_empty_and_lie_in_folders() -> None:
    files = {"tools/main.py": "import pkg", "tools/pkg/__init__.py": "", ".clang-format": "", "data.txt": "1"}
    built = spec(files=files, main="tools/main.py")
    assert (dict(built.files), built.language) == (files, Language.PYTHON)
    check_paths(files)


def test_the_order_begins_with_the_first_choice_and_the_reason_for_it_is_one_line() -> None:
    others = [Where("modal", "T4"), Where("modal", "L4")]
    built = spec(launcher="github", gpu="NVIDIA", others=others, why="because\n of " + "x" * 1000)
    assert built.order == (Where("github", "NVIDIA"), *others)
    assert built.why.startswith("because of x")
    assert len(built.why) == spec_module.MAX_WHY_CHARS


def test_a_built_spec_does_not_change() -> None:
    files, arguments = {"a.py": "print()"}, ["one"]
    built = spec(files=files, arguments=arguments)
    files["a.py"] = "changed"
    arguments.append("two")
    assert built.files == {"a.py": "print()"}
    assert built.arguments == ("one",)
    with pytest.raises(TypeError):
        built.files["a.py"] = "changed"  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        built.main = "b.py"  # type: ignore[misc]


@pytest.mark.parametrize(("ending", "language"), EXTENSIONS.items())
def test_the_name_tells_the_language(ending: str, language: Language) -> None:
    assert language_of(f"kernel{ending}") is language
    assert language_of(f"kernel{ending.upper()}") is language
    assert spec(files={f"k{ending}": "x"}, main=f"k{ending}").language is language
    assert language.value in wire.LANGUAGES


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
def test_source_text_is_what_was_written(text: str) -> None:
    for content in (text.encode(), text.encode("utf-8-sig")):
        read = source_text("a.py", content)
        assert read == (text if content.startswith(b"\xef\xbb\xbf" * 2) else text.removeprefix("\ufeff"))


@given(st.binary(max_size=60))
def test_source_text_of_any_bytes_is_text_or_a_refusal(content: bytes) -> None:
    try:
        text = source_text("a.py", content)
    except UserError as error:
        assert error.reason == Refusal.NOT_TEXT
        return
    assert text.encode() == content.removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n", Refusal.NOT_TEXT),
        ("print()".encode("utf-16"), Refusal.NOT_TEXT),
        (b"a\0b", Refusal.NOT_TEXT),
        (b"x" * (spec_module.MAX_SOURCE_BYTES + 1), Refusal.FILE_TOO_LARGE),
    ],
    ids=lambda value: str(value)[:20],
)
def test_files_that_are_no_source(content: bytes, expected: Refusal) -> None:
    with pytest.raises(UserError) as caught:
        source_text("a.py", content)
    assert caught.value.reason == expected


@pytest.mark.parametrize("content", [b"", b"\xff", b"x" * (spec_module.MAX_SOURCE_BYTES + 1), b"fine"])
def test_a_bad_name_is_never_repeated_in_the_sentence(content: bytes) -> None:
    with pytest.raises(UserError) as caught:
        source_text("`@everyone`", content)
    assert "@everyone" not in caught.value.message
    with pytest.raises(UserError) as caught:
        language_of("`@everyone`")
    assert "@everyone" not in caught.value.message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ()),
        ("  ", ()),
        ("1 2", ("1", "2")),
        ("--n=3 'two words' \"and 'more'\"", ("--n=3", "two words", "and 'more'")),
        (r"a\ b", ("a b",)),
        ("$HOME `ls` ; | && *", ("$HOME", "`ls`", ";", "|", "&&", "*")),
        ("# no comment", ("#", "no", "comment")),
        ("''", ("",)),
    ],
)
def test_arguments_are_split_and_never_expanded(line: str, expected: tuple[str, ...]) -> None:
    assert split_arguments(line) == expected


@given(st.text(max_size=80))
@example("'open")
@example("a\\")
@example("x\0y")
@example("\ud800")
def test_any_argument_line_is_read_or_refused(line: str) -> None:
    try:
        arguments = split_arguments(line)
    except UserError as error:
        assert error.reason == Refusal.BAD_ARGUMENTS
        return
    assert spec(arguments=arguments).arguments == arguments


def test_every_refusal_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Refusal)


@pytest.mark.parametrize(("typed", "kept"), [(f" T4{' ' * 3000}:2 ", "T4 :2"), (" ", None), ("", None), (None, None)])
def test_spaces_in_a_gpus_name_are_few(typed: str | None, kept: str | None) -> None:
    assert RunSpec({"a.py": "print()"}, "a.py", "modal", 60, gpu=typed).gpu == kept
