"""The server's end of `worker.py`: starts processes of containers and tells what became of them.

Used by `containers.py`. The worker is started with the first container, or ahead of it by `prepare`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")
AT_IMPORT = (
    *("MODAL_HEARTBEAT_INTERVAL", "MODAL_LOGLEVEL", "MODAL_LOG_FORMAT", "MODAL_LOG_PATTERN", "MODAL_PROFILE"),
    *("MODAL_CONFIG_PATH", "MODAL_TELEMETRY_SOCKET", "MODAL_TRACEBACK"),
)
"""What the client reads when it is imported: where a container's differ from the worker's, it gets its own
interpreter."""


class Process:
    """The first process of one container, through its keeper. To be closed."""

    def __init__(self, control: socket.socket, output: asyncio.StreamReader) -> None:
        self._control, self._output = control, output

    async def begun(self) -> int:
        """Its pid, once it is there; ConnectionError if it never will be."""
        words = await self._hear()
        if not words:
            raise ConnectionError("the worker is gone")
        return int(words[1])

    async def output(self) -> AsyncIterator[bytes]:
        """What it and its descendants write, to the end."""
        while data := await self._output.read(1 << 16):
            yield data

    def kill(self) -> None:
        """Let the keeper kill the whole tree; harmless when there is none any more."""
        with contextlib.suppress(OSError):
            self._control.send(b"END")

    async def ended(self) -> int | None:
        """Its exit code, once nothing of the tree is left; None if the keeper was killed."""
        words = await self._hear()
        return int(words[1]) if words else None

    async def _hear(self) -> list[bytes]:
        return (await asyncio.get_running_loop().sock_recv(self._control, 64)).split()

    def close(self) -> None:
        """The keeper takes it for an order to kill, should it still be there."""
        self._control.close()


class Crew:
    """`environment` is what the worker has besides PATH, LANG and HOME.

    Several servers, each in a loop of its own, may share one: whoever made it stops it.
    """

    def __init__(self, prestarted: bool = True, environment: Mapping[str, str] | None = None) -> None:
        self._prestarted, self._environment = prestarted, dict(environment or {})
        self._link: socket.socket | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    async def prepare(self) -> socket.socket:
        """The socket of the worker, started if there is none yet and ready to take orders."""
        return await asyncio.to_thread(self._prepare)

    def _prepare(self) -> socket.socket:
        with self._starting:
            if self._link is None:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    command = [sys.executable, str(WORKER), str(theirs.fileno())]
                    self._worker = subprocess.Popen(
                        [*command, "prestarted"] if self._prestarted else command,
                        env=base_environment() | self._environment | {"MODAL_IS_REMOTE": "1"},
                        stdin=subprocess.DEVNULL,
                        pass_fds=[theirs.fileno()],
                        start_new_session=True,
                    )
                ours.recv(16)
                self._link = ours
        return self._link

    async def start(self, folder: Path, environment: Mapping[str, str]) -> Process:
        """Start the entrypoint with exactly this environment; its arguments are in it."""
        link = await self.prepare()
        order = {"folder": str(folder), "environment": dict(environment), "forked": self._can_fork(environment)}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading, writing = os.pipe()
        loop = asyncio.get_running_loop()
        output = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reading, "rb", 0))
        try:
            with theirs:
                message = json.dumps(order).encode()
                await asyncio.to_thread(socket.send_fds, link, [message], [theirs.fileno(), writing])
        finally:
            os.close(writing)
        ours.setblocking(False)
        return Process(ours, output)

    def _can_fork(self, environment: Mapping[str, str]) -> bool:
        interpreter = {name for name in environment if name.startswith("PYTHON")} - {"PYTHONPATH", "PYTHONUNBUFFERED"}
        return self._prestarted and all(
            environment.get(name) == self._environment.get(name) for name in (*interpreter, *AT_IMPORT)
        )

    async def stop(self) -> None:
        """End the worker, which waits for its keepers; their containers must have been told to end."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """The same, where there is no loop any more; again is harmless."""
        with self._starting:
            if self._link is not None and self._worker is not None:
                self._link.close()
                self._link = None
                self._worker.wait()


def base_environment() -> dict[str, str]:
    """What any process here starts with."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}
