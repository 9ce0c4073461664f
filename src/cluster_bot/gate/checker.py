"""A program of the admin's that looks at each submission: its exit code and what it prints decide. Called by `gate`.

It is started in a folder that holds nothing but the folder `files` with what was submitted: a stranger's file beside it
could pose as a module of its own. Its last argument is the main file's path, and it reads who asks for what as JSON:
`{"member", "member_name", "groups", "main", "files", "arguments", "launcher", "gpu", "time_limit_s"}`. Exit code 0 lets
the run begin. Exit code 1 refuses it, and what it printed is what the member reads. Anything else, a 1 without a word
(as a crash gives it) or no end in time, is a failure of the check itself. It gets PATH and LANG of the bot's
environment and nothing else: no secret is ever told to it.
"""

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cluster_bot.errors import ClusterBotError
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import Submission

log = get_logger(__name__)

ALLOWED, REFUSED = 0, 1
FILES = "files"
# What is read of what it prints; the rest of a flood is thrown away.
MOST_OUTPUT = 8192
_LONGEST_WORDS = 600
_TOLD = ("PATH", "LANG")


class CheckerFailedError(ClusterBotError):
    """The program said neither yes nor no; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Checker:
    """The program and its arguments, and the seconds it may take."""

    command: Sequence[str]
    timeout_s: float

    async def refusal(self, submission: Submission) -> str | None:
        """Why the program refuses it, in its own words; None where it lets it pass. Raises CheckerFailedError."""
        with tempfile.TemporaryDirectory(prefix="cluster-bot-check-") as folder:
            await asyncio.to_thread(_write, Path(folder), submission)
            code, printed = await self._run(folder, submission)
        if code == ALLOWED:
            return None
        if code != REFUSED or not printed.strip():
            raise CheckerFailedError(f"it ended with {code} and {'some' if printed.strip() else 'no'} words")
        words = "".join(char if char.isprintable() else " " for char in printed.decode("utf-8", "replace"))
        return " ".join(words.split())[:_LONGEST_WORDS]

    async def _run(self, folder: str, submission: Submission) -> tuple[int, bytes]:
        """How it ended, and the beginning of what it printed."""
        # A pipe of our own, which we can let go of: a child that it leaves behind may hold the other end for ever.
        ours, theirs = os.pipe()
        with os.fdopen(ours, "rb", 0) as printed, tempfile.TemporaryFile() as told:
            told.write(_facts(submission))
            told.seek(0)
            try:
                program = await asyncio.create_subprocess_exec(
                    *self.command,
                    f"{FILES}/{submission.spec.main}",
                    cwd=folder,
                    env={name: os.environ[name] for name in _TOLD if name in os.environ},
                    stdin=told,
                    stdout=theirs,
                    stderr=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise CheckerFailedError(f"it can't be started: {error}") from None
            finally:
                os.close(theirs)
            try:
                async with asyncio.timeout(self.timeout_s), _heard(printed) as words:
                    return await program.wait(), await words
            except TimeoutError:
                raise CheckerFailedError(f"it did not end within {self.timeout_s:g} s") from None
            finally:
                _end(program)
                await program.wait()


def _facts(submission: Submission) -> bytes:
    spec = submission.spec
    facts = {
        "member": submission.owner.id,
        "member_name": submission.owner.name,
        "groups": list(submission.groups),
        "main": spec.main,
        "files": sorted(spec.files),
        "arguments": list(spec.arguments),
        "launcher": spec.launcher,
        "gpu": spec.gpu,
        "time_limit_s": spec.time_limit_s,
    }
    return json.dumps(facts).encode()


def _write(folder: Path, submission: Submission) -> None:
    for name, text in submission.spec.files.items():
        path = folder / FILES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="")


@asynccontextmanager
async def _heard(pipe: BinaryIO) -> AsyncIterator[asyncio.Task[bytes]]:
    """What comes out of a pipe, its beginning: read to the end, so that nobody is held up by a full one."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )

    async def read() -> bytes:
        kept = b""
        while piece := await reader.read(65_536):
            kept = (kept + piece)[:MOST_OUTPUT]
        return kept

    reading = asyncio.create_task(read(), name="checker-output")
    try:
        yield reading
    finally:
        reading.cancel()
        transport.close()


def _end(program: asyncio.subprocess.Process) -> None:
    """End it, and what it started in its session; nothing happens where all is over."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
