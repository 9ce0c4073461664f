"""The lock on the data folder ends with the bot, even where what it was forking lives on for a moment."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from cluster_bot.app import open_parts
from cluster_bot.settings import Settings

# The loop in which the plays of this folder go on meanwhile.
pytestmark = pytest.mark.asyncio(loop_scope="session")

_FORKS_AND_DIES = """\
import asyncio, os, signal
from cluster_bot.app import open_parts
from cluster_bot.settings import Settings

async def main():
    async with open_parts(Settings.read(None)):
        child = os.fork()
        if child == 0:
            os.close(1)
            signal.pause()
        print(child, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_fork_of_a_dead_bot_does_not_hold_its_folder(tmp_path: Path) -> None:
    bot = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _FORKS_AND_DIES,
        env={**os.environ, "DATA_DIR": str(tmp_path)},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    assert bot.stdout is not None
    child = int(await bot.stdout.readline())
    try:
        assert await bot.wait() == -signal.SIGKILL
        async with open_parts(Settings.read(None, data_dir=tmp_path)):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
