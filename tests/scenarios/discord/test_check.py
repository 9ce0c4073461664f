"""`cluster-bot check` against a Discord: what it says of servers the bot may or may not use."""

from __future__ import annotations

from pathlib import Path

import pytest
from town import discord_py_restored

from cluster_bot.check import check_all
from cluster_sandbox.discord import DiscordServer

_ELSEWHERE = 123456789012345678


@pytest.mark.parametrize("invited", [True, False])
async def test_a_server_the_bot_is_no_member_of_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], invited: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with discord_py_restored():
        async with DiscordServer() as server:
            guilds = f"{server.guild_id}" if invited else f"{server.guild_id} {_ELSEWHERE}"
            settings = {"DISCORD_TOKEN": server.bot_token, "DISCORD_API_URL": server.api_url, "DISCORD_GUILDS": guilds}
            for name, value in settings.items():
                monkeypatch.setenv(name, value)
            assert await check_all(debug=False)
    said = " ".join(capsys.readouterr().out.split())
    assert ("! Discord: logged in as" in said) is not invited
    assert (f"not a member of {_ELSEWHERE}; invite it there" in said) is not invited
