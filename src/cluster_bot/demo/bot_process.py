"""The real bot as a process of its own, pointed at the sandbox's Discord and told by its environment alone.

Used by the demo, the smoke test and the benchmarks, so that all three look at the same product.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from cluster_bot.launchers.spool_folder import SpoolFolder, attempts_below
from cluster_sandbox.discord import DiscordServer

READY_S = 60.0
END_S = 10.0
LOG_LINES = 15
DISCARD_TRIES = 3
# Starts the bot. Tests put one in its place that has imported everything.
PYTHON = sys.executable
_KEPT = ("PATH", "HOME", "LANG", "TZ")

BotProcess = asyncio.subprocess.Process


class BotEndedError(Exception):
    """The bot did not come up, or is gone; the text ends with the end of its log."""


@asynccontextmanager
async def started_bot(
    server: DiscordServer,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    program: Sequence[str] = ("-m", "cluster_bot"),
    options: Sequence[str] = (),
) -> AsyncIterator[BotProcess]:
    """A bot that is logged in, with its data in `folder`; `environment` adds settings, `options` those of `up`.

    Raises BotEndedError.
    """
    # A program that runs as an unprivileged user must be able to pass through to its own folder.
    folder.chmod(0o711)
    settings = {name: value for name, value in os.environ.items() if name in _KEPT}
    settings |= {
        "DISCORD_TOKEN": server.bot_token,
        "DISCORD_API_URL": server.api_url,
        "DISCORD_GUILDS": str(server.guild_id),
        "DATA_DIR": str(folder / "data"),
        "LOCAL_ENABLED": "true",
        "LOCAL_PYTHON": sys.executable,
        "LOCAL_SAME_USER": "if_needed",
        **(environment or {}),
    }
    log_path = folder / "bot.log"
    log_path.touch(mode=0o600)
    with log_path.open("ab") as log:
        bot = await asyncio.create_subprocess_exec(
            *(PYTHON, *program, "up", *options),
            cwd=folder,
            env=settings,
            stdout=log,
            stderr=log,
            # Ctrl+C is for the demo, which ends the bot in order.
            start_new_session=True,
        )
    try:
        await _ready(server, bot)
        yield bot
    except BotEndedError as error:
        tail = log_path.read_text("utf-8", "replace").strip().splitlines()[-LOG_LINES:]
        raise BotEndedError("\n".join([str(error), "The end of its log:", *tail])) from None
    finally:
        await stop(bot)
        await asyncio.to_thread(_end_runs, Path(settings["DATA_DIR"]) / "local")


def _end_runs(spools: Path) -> None:
    """Runs survive their bot; these must not, since with their folder gone nobody could find them again."""
    if not spools.is_dir():
        return
    folders = [SpoolFolder(spools / f"{run}-{attempt}") for run, attempt in attempts_below(spools)]
    for folder in folders:
        folder.wish_stop()
    for folder in folders:
        # Each try waits two seconds for the runner, which gives its program as much to end by itself.
        any(folder.discard() for _ in range(DISCARD_TRIES))


async def stop(bot: BotProcess) -> None:
    """End the bot as a deploy would: SIGTERM, and SIGKILL where that does not help."""
    if bot.returncode is not None:
        return
    bot.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(END_S):
            await bot.wait()
    except TimeoutError:
        bot.kill()
        await bot.wait()


async def _ready(server: DiscordServer, bot: BotProcess) -> None:
    ready = asyncio.create_task(server.gateway.wait_ready(READY_S), name="bot-ready")
    ended = asyncio.create_task(bot.wait(), name="bot-ended")
    try:
        await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done() or ready.exception() is not None:
            raise BotEndedError("The bot did not come up.")
    finally:
        ready.cancel()
        ended.cancel()
