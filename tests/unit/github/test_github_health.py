"""What `/gpus` says of GitHub's health: as far as a run that is asked for now would care."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from canned import REPOSITORY, Canned, canned, reply

from cluster_bot.launchers.github_actions import GithubActions, GithubApi


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        yield one


async def test_it_asks_for_the_repository_at_no_cost_while_nothing_changes(github: Canned, tmp_path: Path) -> None:
    api = GithubApi("token", REPOSITORY, base_url=github.url)
    launcher = GithubActions(api, tmp_path, ref="main")
    github.say("GET ", reply({"id": 1}, ETag='"1"'), reply(None, 304), reply({"message": "Bad"}, 401))
    assert [await launcher.trouble() for _ in range(2)] == ["", ""]
    assert github.asked[-1].headers["if-none-match"] == '"1"'
    assert await launcher.trouble() == "GitHub does not show this bot its repository (401)"
    await launcher.close()


async def test_an_outage_is_said(tmp_path: Path) -> None:
    launcher = GithubActions(GithubApi("token", REPOSITORY, base_url="http://127.0.0.1:9"), tmp_path, ref="main")
    assert await launcher.trouble() == "GitHub can't be reached"
    await launcher.close()
