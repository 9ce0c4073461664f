"""One bot at work per PostgreSQL database: the second is told so, and a lost session neither ends the first nor hides
that another took its place. Stores beside it are opened as before (`test_two_bots`)."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from stores import opened
from stores_postgres import Postgres

from cluster_bot.app import serve
from cluster_bot.backups import restore_from
from cluster_bot.errors import StartupError
from cluster_bot.settings import Settings
from cluster_bot.store import alone, only_bot

PATIENCE_S = 60.0
LOCKS = (
    "FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
    "(SELECT oid FROM pg_database WHERE datname = '{name}')"
)
# As a restart of the server does, or a firewall that forgets.
END_SESSIONS = f"SELECT pg_terminate_backend(pid) {LOCKS}"


@pytest.fixture
def address(new_database: Callable[[], str]) -> str:
    """An empty database."""
    return new_database()


def name_of(address: str) -> str:
    return address.rpartition("/")[2]


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_second_bot_is_told_in_one_sentence_and_changes_nothing(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "WAIT_S", 0.05)
    settings = Settings.read(None, database_url=address, data_dir=tmp_path / "data", discord_token="never used")
    async with only_bot(address):
        with pytest.raises(StartupError) as refused:
            await serve(settings)
        async with opened(address) as store:
            assert await store.unfinished() == []
    assert str(refused.value).startswith("Another bot is using this PostgreSQL database; stop it, or ")
    assert not settings.data_dir.exists()


async def test_nothing_is_restored_under_a_bot(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "WAIT_S", 0.05)
    settings = Settings.read(None, database_url=address, data_dir=tmp_path / "data")
    async with only_bot(address):
        with pytest.raises(StartupError, match="Another bot is using this PostgreSQL database"):
            await asyncio.to_thread(restore_from, tmp_path / "file", settings, next_number=None)


async def test_the_next_bot_may_work_once_the_first_is_gone(address: str) -> None:
    for _ in range(2):
        async with only_bot(address, wait_s=0.05) as one:

            async def work() -> None:
                return

            await one.during(work())


async def test_what_the_work_raises_comes_out_as_it_is(address: str) -> None:
    async def work() -> None:
        raise StartupError("No token.")

    async with only_bot(address) as one:
        with pytest.raises(StartupError, match=r"No token\."):
            await one.during(work())


async def test_a_lost_session_is_made_anew_and_holds_again(
    address: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with only_bot(address, look_s=0.02) as one:
        taken, loop, take = asyncio.Semaphore(0), asyncio.get_running_loop(), one.take

        def watched() -> None:
            take()
            loop.call_soon_threadsafe(taken.release)

        monkeypatch.setattr(one, "take", watched)
        work = asyncio.create_task(one.during(for_ever()))
        for _ in range(2):
            assert postgres.execute(END_SESSIONS.format(name=name_of(address))) == [(True,)]
            async with asyncio.timeout(PATIENCE_S):
                await taken.acquire()
        with pytest.raises(StartupError):
            async with only_bot(address, wait_s=0.05):
                pass
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_a_look_under_way_at_the_end_takes_nothing(address: str, postgres: Postgres) -> None:
    """It goes on in its thread when the bot ends, and the next bot must find the database free."""
    looking, go = threading.Event(), threading.Event()
    async with only_bot(address, look_s=0.02) as one:
        let_go = one._let_go

        def slowly() -> None:
            looking.set()
            assert go.wait(PATIENCE_S)
            let_go()

        one._let_go = slowly  # type: ignore[method-assign]
        work = asyncio.create_task(one.during(for_ever()))
        postgres.execute(END_SESSIONS.format(name=name_of(address)))
        assert await asyncio.to_thread(looking.wait, PATIENCE_S)
        work.cancel()
        await asyncio.wait({work})
        asyncio.get_running_loop().call_soon(go.set)
    async with only_bot(address, wait_s=0.05):
        pass


async def test_who_was_cut_off_while_another_began_ends(address: str, postgres: Postgres) -> None:
    async with only_bot(address, look_s=0.02, wait_s=0.05) as first:
        postgres.execute(END_SESSIONS.format(name=name_of(address)))
        async with only_bot(address):
            ended = asyncio.Event()

            async def work() -> None:
                try:
                    await for_ever()
                finally:
                    ended.set()

            with pytest.raises(StartupError, match="Another bot"):
                async with asyncio.timeout(PATIENCE_S):
                    await first.during(work())
            assert ended.is_set()
