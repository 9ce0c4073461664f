"""`cluster-bot up` and `cluster-bot up --debug` side by side, out of one folder and one .env: nothing is shared."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import stat
from contextlib import AsyncExitStack, ExitStack, closing
from pathlib import Path
from urllib.request import urlopen

import pytest
from pydantic import SecretStr
from town import PATIENCE_S

import warm
from cluster_bot.app import bot_options
from cluster_bot.demo import bot_process
from cluster_bot.discord_bot import messages
from cluster_bot.errors import StartupError
from cluster_bot.settings import STAGING_WEB_PORT, Settings
from cluster_sandbox.discord import DiscordServer, File


async def test_two_bots_of_one_env_file_work_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_process, "PYTHON", warm.python())
    ports = free_ports(2)
    async with DiscordServer() as ours, DiscordServer() as theirs, AsyncExitStack() as stack:
        (tmp_path / ".env").write_text(
            f"DISCORD_DEBUG_TOKEN={theirs.bot_token}\nDISCORD_DEBUG_CLUSTER_STAGING_ID={theirs.guild_id}\n"
            f"DATABASE_URL=sqlite:///{tmp_path}/production.sqlite3\n"
            f"WEB_PORT={ports[0]}\nDISCORD_DEBUG_WEB_PORT={ports[1]}\n"
        )
        for server, options in ((ours, []), (theirs, ["--debug"])):
            # Where its Discord is, is all that differs; there is only one in the world.
            environment = {"DISCORD_TOKEN": ours.bot_token, "DISCORD_GUILDS": str(ours.guild_id)}
            await stack.enter_async_context(bot_process.started_bot(server, tmp_path, environment, options=options))
        await asyncio.gather(*(one_run(server) for server in (ours, theirs)))
        for port in ports:
            assert await asyncio.to_thread(status_of, f"http://127.0.0.1:{port}/healthz") == 200
        data = tmp_path / "data"
        assert runs_in(tmp_path / "production.sqlite3") == runs_in(data / "staging" / "cluster-bot.sqlite3") == 1
        assert not (data / "cluster-bot.sqlite3").exists()
        assert (data / "web.key").read_bytes() != (data / "staging" / "web.key").read_bytes()
        assert stat.S_IMODE((data / "staging" / "web.key").stat().st_mode) == 0o600


async def one_run(server: DiscordServer) -> None:
    """A member's program succeeds there."""
    script = File("program.py", b"print('hello')\n")
    await server.wait_command("run local", PATIENCE_S)
    where = server.channel_id("general")
    asked = await server.member("ada").command("run local", channel_id=where, options={"script": script})
    await asked.answered(PATIENCE_S)
    told = await server.wait_for(lambda event: messages.verdict_status(event.content) is not None, PATIENCE_S)
    assert messages.verdict_status(told.content) == "succeeded"


def runs_in(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def status_of(address: str) -> int:
    with urlopen(address, timeout=PATIENCE_S) as answer:
        return int(answer.status)


def free_ports(count: int) -> list[int]:
    """Ports that nobody had a moment ago."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in taken]


@pytest.mark.parametrize("blank", [True, False])
def test_staging_listens_where_it_is_told_and_nowhere_else(blank: bool) -> None:
    production = Settings.read(
        None,
        public_url="https://bot.example.org",
        web_port=9000,
        web_key="k" * 32,
        github_webhook_secret="s",
        database_url="postgresql://bot@db/cluster",
        discord_debug_public_url="" if blank else "https://staging.example.org",
        discord_debug_web_port="",
    )
    staging = production.for_staging()
    assert staging.database() == f"sqlite:///{Path('data').resolve()}/staging/cluster-bot.sqlite3"
    assert staging.web_key is None
    assert staging.modal_app == "cluster-bot-staging"
    if blank:
        assert (staging.public_url, staging.web_port, staging.web_enabled) == (None, None, False)
    else:
        assert (staging.public_url, staging.web_port) == ("https://staging.example.org", STAGING_WEB_PORT)
        assert staging.github_webhook_secret is not None


def test_staging_may_have_a_database_and_never_the_other_ones() -> None:
    url = "postgresql://bot@db/cluster"
    given = {"database_url": url, "discord_debug_database_url": f"{url}_staging"}
    assert Settings.read(None, **given).for_staging().database_url == SecretStr(f"{url}_staging")
    with pytest.raises(StartupError, match="give staging one of its own"):
        Settings.read(None, **(given | {"discord_debug_database_url": url})).for_staging()


def test_a_long_name_of_an_app_leaves_room_for_what_modal_keeps() -> None:
    staging = Settings.read(None, modal_app="a" * 50).for_staging()
    # Modal takes 63 characters, for `-claims` and `-events` behind it too.
    assert len(f"{staging.modal_app}-claims") <= 63


def test_staging_still_serves_its_one_server() -> None:
    settings = Settings.read(
        None, discord_guilds="1", discord_debug_token="t", discord_debug_cluster_staging_id=2
    ).for_staging()
    assert bot_options(settings, debug=True)[1].guilds == {2}
