"""The ten steps of docs/admin.md, walked from an empty folder to a verdict, and their text."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import pytest

from cluster_bot.settings import Settings
from cluster_sandbox.discord import DiscordServer
from cluster_sandbox.github import GitHubServer, Policy

from .text import DOCUMENT, KINDS, shown, steps
from .walker import NOT_GIVEN, Walker

TEXT = DOCUMENT.read_text(encoding="utf-8")
STEPS = steps(TEXT)


def test_there_are_at_most_ten_steps_and_each_says_when_it_worked() -> None:
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))
    assert len(STEPS) <= 10
    assert [step.number for step in STEPS if "**It worked** when" not in step.text] == []
    assert [step.number for step in STEPS if not step.blocks] in ([], [1])


def test_every_block_is_of_a_kind_that_is_walked() -> None:
    blocks = [block for step in STEPS for block in step.blocks]
    assert TEXT.count("```") == 2 * len(blocks)
    assert {block.kind for block in blocks} == KINDS
    given = {line for block in blocks if block.kind == "sh" for line in block.lines}
    assert set(NOT_GIVEN) <= given


def test_every_setting_the_text_names_is_one() -> None:
    named = re.findall(r"(?<![\w-])([A-Z]+(?:_[A-Z]+)+)(?![\w-])", TEXT)
    assert {name for name in named if name.lower() not in Settings.model_fields} == set()


def test_a_promise_that_is_not_kept_is_seen() -> None:
    assert shown("✓ A: … (b)", ["  ✓ A: anything (b)"])
    assert not shown("✓ A: … (b)", ["✓ A: anything (c)", "x ✓ A: (b)"])


@pytest.mark.slow
@pytest.mark.parametrize("app_instead", [False, True], ids=["token", "app"])
async def test_the_steps_lead_to_a_verdict(tmp_path: Path, app_instead: bool) -> None:
    tmp_path.chmod(0o711)
    repository = tmp_path / "kernels"
    repository.mkdir()
    (repository / "README.md").write_text("Kernels\n")
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    github = GitHubServer(
        repository=repository,
        owner="gpu-club",
        name="kernels",
        runners=[],
        policy=Policy(points_per_minute=10_000),
        environment=path,
    )
    async with DiscordServer() as server, github:
        walker = Walker(tmp_path, server, github, free_port(), app_instead=app_instead)
        walker.begin()
        async with walker.stack:
            for step in STEPS:
                await walker.walk(step)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
