"""`.env.example` and README's table against Settings: every setting, none besides, its default, and no secret."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr

from cluster_bot.errors import StartupError
from cluster_bot.settings import Settings

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / ".env.example"
SETTING = re.compile(r"#([A-Z][A-Z0-9_]*)=(.*)")
NAMES = [name.upper() for name in Settings.model_fields]


def entries(text: str) -> dict[str, tuple[str, str]]:
    """Name to (value, comment); ValueError for a line that is neither a setting, its comment, a heading nor the header.

    The file is paragraphs: the header, `## headings`, and one comment line with one setting below it.
    """
    found: dict[str, tuple[str, str]] = {}
    header, *paragraphs = text.strip("\n").split("\n\n")
    if not all(line.startswith("# ") for line in header.splitlines()):
        raise ValueError("the header is all comment")
    for paragraph in paragraphs:
        comment, *rest = paragraph.splitlines()
        if comment.startswith("## ") and not rest:
            continue
        match = SETTING.fullmatch(rest[0]) if len(rest) == 1 else None
        if not match or not re.fullmatch(r"# \S.*\.", comment) or match[1] in found:
            raise ValueError(f"not one setting under one comment: {paragraph!r}")
        found[match[1]] = (match[2], comment)
    return found


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that sets nothing."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_the_example_names_every_setting_in_order_and_nothing_else() -> None:
    assert list(entries(EXAMPLE.read_text(encoding="utf-8"))) == NAMES


def test_the_example_holds_no_secret() -> None:
    shown = entries(EXAMPLE.read_text(encoding="utf-8"))
    secrets = [
        name
        for name, field in Settings.model_fields.items()
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
    ]
    assert secrets
    assert [shown[name.upper()][0] for name in secrets] == [""] * len(secrets)


@pytest.mark.usefixtures("bare")
def test_the_example_is_valid_as_it_stands() -> None:
    assert Settings.read(EXAMPLE) == Settings.read(None)


@pytest.mark.usefixtures("bare")
def test_all_that_cannot_be_is_named_at_once() -> None:
    with pytest.raises(StartupError) as refused:
        Settings.read(None, time_limit_s="soon", local_task_limit=1, discord_token="hidden", data_dir=7)
    lines = str(refused.value).splitlines()
    assert [re.findall("[A-Z_]{5,}", line) for line in lines] == [["DATA_DIR"], ["TIME_LIMIT_S"], ["LOCAL_TASK_LIMIT"]]


@pytest.mark.usefixtures("bare")
def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=[A-Z])", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    read = Settings.read(tmp_path / ".env")
    assert read.model_fields_set == set(Settings.model_fields)
    assert read.model_dump() == Settings.read(None).model_dump()


HEADER = "# All of it.\n\n"
BAD = [
    HEADER + "A=1",
    HEADER + "#A=1",
    HEADER + "# What a is.\nA=1",
    HEADER + "# What a is.\n# And more.\n#A=1",
    HEADER + "# What a is.\n#A=1\n#B=2",
    HEADER + "# What a is.\n#A=1\n\n# Again.\n#A=1",
    "A=1\n",
]


@pytest.mark.parametrize("text", BAD)
def test_an_example_out_of_form_is_seen(text: str) -> None:
    with pytest.raises(ValueError):
        entries(text)


def test_readme_lists_exactly_the_settings() -> None:
    """The table's first column: `NAME` in backticks, alone."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    named = [match[1] for line in lines if (match := re.match(r"\|\s*`([A-Z][A-Z0-9_]*)`\s*\|", line))]
    assert sorted(named) == sorted(NAMES)
