"""A real NATS for tests, on loopback; it ends with the process that started it, however that ends."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Waits for a word, or for nobody to be left to say one.
_KEEPER = 'server=$1; shift; "$server" "$@" & pid=$!; read -r _; kill "$pid"; wait "$pid"'


class NoNatsError(Exception):
    """There is none to be had here; says why."""


class NatsServer:
    """One server with a port of its own, running until `close`; a context."""

    def __init__(self, *options: str) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        found = shutil.which("nats-server", path=path)
        if found is None:
            raise NoNatsError("nats-server is not installed here; script/test installs it")
        self._program, self._options = found, options
        self._keeper: subprocess.Popen[str] | None = None
        self.port = -1
        self.start()

    def __enter__(self) -> "NatsServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Its address."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, at the port it had before; returns when it listens."""
        command = [self._program, "--addr", "127.0.0.1", "--port", str(self.port), *self._options]
        keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "sh", *command],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._keeper = keeper
        assert keeper.stderr is not None
        for line in keeper.stderr:
            if "Listening for client connections on" in line:
                self.port = int(line.rpartition(":")[2])
            if "Server is ready" in line:
                return
        raise NoNatsError("nats-server did not start")

    def stop(self) -> None:
        """Stop it, as a machine that goes down in order."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.communicate("stop\n")
