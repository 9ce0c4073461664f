"""`cluster-bot backup` and `restore` with `--debug`: what they copy is the staging bot's own."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cluster_bot.cli import cli
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The commands change it for their whole process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def command(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


async def admit(database: Path, *names: str) -> None:
    database.parent.mkdir(parents=True)
    store = await SqlStore.open(f"sqlite:///{database}")
    for name in names:
        spec = RunSpec({name: "print()"}, name, "local", 60)
        await store.admit(Submission(spec, Member("1", "ada"), Origin(name, {})), Limits(), 1.0)
    await store.close()


async def kept(database: Path) -> set[str]:
    store = await SqlStore.open(f"sqlite:///{database}")
    found = {run.spec.main for run in await store.unfinished()}
    await store.close()
    return found


def test_the_staging_bot_is_copied_and_put_back_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    name = "cluster-bot.sqlite3"
    own, staging = tmp_path / "data" / name, tmp_path / "data" / "staging" / name
    asyncio.run(admit(own, "members.py"))
    asyncio.run(admit(staging, "first.py", "second.py"))
    command("backup", tmp_path / "copy", "--debug")
    for file in staging.parent.glob(name + "*"):
        file.unlink()
    command("restore", tmp_path / "copy", "--debug")
    assert asyncio.run(kept(staging)) == {"first.py", "second.py"}
    assert asyncio.run(kept(own)) == {"members.py"}
