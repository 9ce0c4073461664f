"""An admin's rules: what they refuse, with which words, and what is wrong with a file that can't be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster_bot.errors import UserError
from cluster_bot.gate.rules import ContentRules, SearchTooLongError, parse_rules
from cluster_bot.runs.spec import RunSpec

GUIDE = Path(__file__).parents[3] / "docs" / "limits.md"


def spec(**files: str) -> RunSpec:
    named = {name.replace("_", "."): text for name, text in files.items()} or {"a.py": "print()"}
    return RunSpec(named, next(iter(named)), "local", 60)


def refusal(rules: str, asked: RunSpec) -> str | None:
    try:
        parse_rules(rules).check(asked)
    except UserError as error:
        return error.message
    return None


def example() -> str:
    [found] = [one for one in re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "[[forbid]]" in one]
    return found


def test_the_guides_example_refuses_what_it_says() -> None:
    mining = spec(a_py="pool = 'stratum+tcp://pool.example.invalid'")
    assert refusal(example(), mining) == (
        "`a.py` may not be run here: Mining is not allowed here. Take it out and submit again, or ask an admin."
    )
    assert refusal(example(), spec()) is None
    assert refusal(example(), spec(a_cu="stratum+tcp://pool.example.invalid")) is None


def test_an_empty_file_allows_everything() -> None:
    assert parse_rules("") == ContentRules()
    assert refusal("", spec()) is None


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("[files]\nmost = 1", "A run may have 1 files here"),
        ("[files]\nlargest_kb = 1", "`b.h` has 1,001 bytes; this bot takes up to 1,000"),
        ("[files]\nendings = ['.py', '.cu']", "`b.h` may not be submitted here; file names must end in `.py`, `.cu`"),
        ("[[forbid]]\npattern = '(?i)XX'\nreason = 'No.'", "`b.h` may not be run here: No. Take"),
    ],
)
def test_each_rule_has_its_sentence(rules: str, words: str) -> None:
    told = refusal(rules, spec(a_py="print()", b_h="x" * 1001))
    assert told is not None
    assert words in told


def test_a_pattern_that_takes_for_ever_is_ended() -> None:
    rules = parse_rules("[[forbid]]\npattern = '(?:a|aa)+$'\nreason = 'x'")
    with pytest.raises(SearchTooLongError):
        rules.check(spec(a_py="a" * 60 + "!"), search_s=0.1)


def test_what_there_was_no_time_left_to_look_for_is_not_let_pass() -> None:
    rules = parse_rules("[[forbid]]\npattern = 'evil'\nreason = 'x'")
    with pytest.raises(SearchTooLongError):
        rules.check(spec(a_py="evil"), search_s=0)


@pytest.mark.parametrize(("files", "name"), [("*.py", "a_PY"), ("*.CU", "a_cu")])
def test_a_name_in_other_letters_is_looked_at_too(files: str, name: str) -> None:
    rules = f"[[forbid]]\npattern = 'evil'\nfiles = '{files}'\nreason = 'No.'"
    assert refusal(rules, spec(**{name: "evil"})) is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "no TOML"),
        ("[rules]", "has no 'rules', only files, forbid"),
        ("files = 1", "written as [files]"),
        ("[forbid]\npattern = 'x'", "[[forbid]]"),
        ("[files]\nmany = 1", "has no 'many', only most"),
        ("[files]\nmost = 0", "most of [files] must be"),
        ("[files]\nlargest_kb = true", "largest_kb of [files] must be"),
        ("[files]\nendings = ['py']", "endings must be a list"),
        ("[[forbid]]\npattern = 'x'", "number 1 needs a pattern and a reason"),
        ("[[forbid]]\npattern = 1\nreason = 'x'", "number 1 needs a pattern and a reason"),
        ("[[forbid]]\npattern = '('\nreason = 'x'", "is no regular expression: missing )"),
    ],
)
def test_what_a_file_gets_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_rules(text)
