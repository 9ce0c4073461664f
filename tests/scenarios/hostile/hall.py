"""The hall: a Discord, the real bot as a process, and limits small enough that the worst programs harm nobody here.

One hall a mode: who the bot is (root, an ordinary user) and what is around its programs (bubblewrap, nothing). Beside
the hostile programs, innocent ones run. Everything waits for the server's events; what is left in the end is judged
from outside: from /proc, the data folder, the bot's log and what Discord was sent.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cluster_runner
from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status
from cluster_runner import identity
from cluster_sandbox.discord import DiscordServer, File, Message

PATIENCE_S = 100.0
MEMORY_LIMIT_MB, DISK_LIMIT_MB, TASK_LIMIT = 300, 200, 150
MARK = "CANARY"
# Numbers from here on nobody else has.
_ORDINARY = 1_234_568
_OPENED = re.compile(r"Run #(\d+) is here: <#(\d+)>")
_ENTER_UID = Path(__file__).parents[2] / "unit" / "runner" / "ordinary_user.py"
_IN_DELETE, _IN_NONBLOCK = 0x200, os.O_NONBLOCK


@functools.cache
def bubblewrap_trouble() -> str:
    """Why bubblewrap can't be had on this machine; "" where it can."""
    with tempfile.TemporaryDirectory(prefix="cluster-trial-") as folder:
        Path(folder).chmod(0o711)
        runner = str(Path(cluster_runner.__file__).parent)
        command = [sys.executable, "-I", "-S", runner, "--spool", folder, "--try", "--sandbox", "bubblewrap"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout.strip() or "the runner failed"


class Mode(StrEnum):
    """Who the bot is, and what is around its programs; the best first."""

    ROOT_BUBBLEWRAP = "root+bubblewrap"
    USER_BUBBLEWRAP = "user+bubblewrap"
    ROOT = "root"
    USER = "user"

    @property
    def root(self) -> bool:
        """Whether the bot is root."""
        return self in (Mode.ROOT, Mode.ROOT_BUBBLEWRAP)

    @property
    def user(self) -> int:
        """The ordinary user that the bot is then, another one in each mode."""
        # Of another number in each process of tests, too.
        return _ORDINARY + len(Mode) * (os.getpid() % 100_000) + list(Mode).index(self)

    @property
    def bubblewrap(self) -> bool:
        """Whether programs run in bubblewrap."""
        return self in (Mode.ROOT_BUBBLEWRAP, Mode.USER_BUBBLEWRAP)


@dataclass(frozen=True)
class Seen:
    """What Discord shows of a run that is over."""

    number: int
    status: Status
    messages: tuple[Message, ...]

    @property
    def verdict(self) -> Message:
        """The last message."""
        return self.messages[-1]

    @property
    def text(self) -> str:
        """All that is written, and the files that are text."""
        files = [one.data.decode("utf-8", "replace") for message in self.messages for one in message.attachments]
        return "\n".join([*(message.content for message in self.messages), *files])


class Hall:
    """A bot at work in one mode."""

    def __init__(self, mode: Mode, server: DiscordServer, folder: Path) -> None:
        self.mode = mode
        self.server, self.folder = server, folder
        self.data = folder / "data"
        self.canary = f"{MARK}-{os.urandom(8).hex()}"
        self.ada = server.member("ada")
        self.process: asyncio.subprocess.Process | None = None

    async def run(
        self,
        text: str,
        name: str = "program.py",
        arguments: str = "",
        time_limit_s: int | None = None,
        begun: asyncio.Event | None = None,
    ) -> Seen:
        """Submit a program and wait for its verdict; `begun` is set when its line 0 is to be seen."""
        words = arguments.format(data=self.data, address=self.server.url.removeprefix("http://"))
        options = {"script": File(name, text.encode()), "arguments": words}
        options |= {} if time_limit_s is None else {"time_limit": time_limit_s}
        asked = await self.ada.command("run local", channel_id=self.server.channel_id("general"), options=options)
        answer = await asked.answered(PATIENCE_S)
        opened = _OPENED.fullmatch(answer.content)
        assert opened, answer.content
        room = int(opened[2])
        if begun is not None:
            await self.server.wait_for(lambda it: it.channel_id == room and "line 0" in it.content, PATIENCE_S)
            begun.set()
        told = await self.server.wait_for(
            lambda event: (
                event.channel_id == room and event.event == "create" and messages.verdict_status(event.content)
            ),
            PATIENCE_S,
        )
        bot = self.server.bot_user_id
        shown = tuple(one for one in self.server.messages(room) if one.author.id == bot and int(one.type) == 0)
        status = messages.verdict_status(told.content)
        assert status is not None
        return Seen(int(opened[1]), status, shown)

    async def innocent(self, begun: asyncio.Event) -> Seen:
        """A harmless run beside the others, with something to hide; it goes on for seconds."""
        text = f"# {self.canary}\nimport time\nfor number in range(20): print('line', number); time.sleep(0.2)\n"
        return await self.run(text, "innocent.py", self.canary, begun=begun)

    # --- from outside -------------------------------------------------------------------------------------------

    def bot_peak_bytes(self) -> int:
        """The most memory the bot ever held."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    async def data_bytes(self) -> int:
        """What the data folder takes, as far as it holds still."""
        du = await asyncio.create_subprocess_exec(
            *("du", "--summarize", "--block-size=1", str(self.data)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        told, _ = await du.communicate()
        return int(told.split()[0])

    def spools(self) -> list[str]:
        """The folders of runs."""
        return sorted(path.name for path in (self.data / "local").iterdir() if path.is_dir())

    def users(self) -> set[int]:
        """The users that programs ran as."""
        if not self.mode.root:
            return {self.mode.user} if os.geteuid() == 0 else set()
        with closing(sqlite3.connect(self.data / "cluster-bot.sqlite3")) as database:
            runs = database.execute("SELECT id, attempt FROM runs").fetchall()
        return {identity.choose(run, attempt, identity.NEVER).uid or 0 for run, attempt in runs}

    def strangers(self) -> list[str]:
        """Processes of programs, and of their runners."""
        assert self.process is not None
        found, users = [], self.users()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == self.process.pid:
                continue
            with suppress(OSError):
                uid, words = entry.stat().st_uid, (entry / "cmdline").read_bytes()
                zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
                if not zombie and (uid in users or str(self.data).encode() in words):
                    found.append(f"{entry.name} (user {uid}): {words[:200]!r}")
        return found

    async def emptied(self) -> None:
        """Wait until no folder of a run is left."""
        with _Deletions(self.data / "local") as deleted:
            async with asyncio.timeout(PATIENCE_S):
                while self.spools():
                    deleted.clear()
                    if self.spools():
                        await deleted.wait()


class _Deletions:
    """An event that is set whenever something is removed from a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._event = asyncio.Event()

    def __enter__(self) -> asyncio.Event:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(_IN_NONBLOCK)
        assert libc.inotify_add_watch(self._fd, os.fsencode(self._folder), _IN_DELETE) >= 0
        asyncio.get_running_loop().add_reader(self._fd, self._hear)
        return self._event

    def _hear(self) -> None:
        os.read(self._fd, 4096)
        self._event.set()

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)


@asynccontextmanager
async def open_hall(mode: Mode) -> AsyncIterator[Hall]:
    """A hall with its bot logged in; the bot is stopped as by a deploy, and its folder removed."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-hall-"))
    folder.chmod(0o711)
    try:
        async with DiscordServer() as server:
            hall = Hall(mode, server, folder)
            hall.data.mkdir(mode=0o700 if not mode.root else 0o711)
            log = folder / "bot.log"
            for path, text in ((hall.data / "canary", hall.canary), (log, f"{hall.canary}\n")):
                path.write_text(text)
                path.chmod(0o600)
            command = [sys.executable, "-m", "cluster_bot", "up"]
            if not mode.root and os.geteuid() == 0:
                for path in (hall.data, hall.data / "canary", log):
                    os.chown(path, mode.user, mode.user)
                command = [sys.executable, str(_ENTER_UID), str(mode.user), str(folder), *command]
            with log.open("ab") as file:
                hall.process = await asyncio.create_subprocess_exec(
                    *command, cwd=folder, env=_environment(hall), stdout=file, stderr=file, start_new_session=True
                )
            try:
                await server.gateway.wait_ready(PATIENCE_S)
                yield hall
            finally:
                await _end(hall.process)
    finally:
        # Deep folders are too much for shutil's.
        remove = await asyncio.create_subprocess_exec("rm", "-rf", str(folder))
        await remove.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _environment(hall: Hall) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return kept | {
        "DISCORD_TOKEN": hall.server.bot_token,
        "DISCORD_API_URL": hall.server.api_url,
        "DISCORD_GUILDS": str(hall.server.guild_id),
        "DATA_DIR": str(hall.data),
        "SOME_SECRET": hall.canary,
        "LIVE_RUNS_PER_MEMBER": "50",
        "TIME_LIMIT_S": "60",
        "LOCAL_ENABLED": "true",
        "LOCAL_PYTHON": sys.executable,
        "LOCAL_SANDBOX": "auto" if hall.mode.bubblewrap else "none",
        "LOCAL_MEMORY_LIMIT_MB": str(MEMORY_LIMIT_MB),
        "LOCAL_DISK_LIMIT_MB": str(DISK_LIMIT_MB),
        "LOCAL_TASK_LIMIT": str(TASK_LIMIT),
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
