"""A Python that has imported the bot already: tests start bots, demos and commands with it where a start is not tested.

One server (`warm_server.py`) forks them all; with xdist the first process starts it before the workers, and they find
it by the environment. What it starts is a process of its own in all that a test can see but its command line, which is
the client's. It begins after a hundredth of a cold start's work, which is a second of a processor.
"""

import atexit
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
_PLACE = "CLUSTER_TESTS_WARM_PYTHON"


def python() -> str:
    """The interpreter's path; takes `-m MODULE ...` or `SCRIPT ...` and no options."""
    if _PLACE not in os.environ:
        os.environ[_PLACE] = _start()
    return os.environ[_PLACE]


def _start() -> str:
    folder = Path(tempfile.mkdtemp(prefix="cluster-warm-"))
    path, address = folder / "python", folder / "socket"
    client = [sys.executable, "-I", "-S", str(_HERE / "warm_client.py"), str(address)]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n')
    path.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(address))
        # Whoever comes before the server has learned everything waits in the queue.
        listener.listen(64)
        command = [sys.executable, str(_HERE / "warm_server.py"), str(path), str(listener.fileno())]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])

    def end() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    return str(path)
