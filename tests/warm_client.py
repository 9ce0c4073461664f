"""Stands for a process of the warm server as long as that lives: what `warm.python()` starts, run by nobody else.

`warm_client.py SOCKET ARGUMENTS...` gives its arguments, folder, environment and standard streams away, passes on every
signal that it is sent, stops where the process stops, and ends as it ends. It dies, and the process dies with it.
"""

import array
import contextlib
import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT)


def _pass_on(server: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # it has ended meanwhile, and the word of it is on its way
        server.send(bytes([number]))


def main() -> None:
    """Live as long as the other."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(sys.argv[1])
        for number in PASSED_ON:
            signal.signal(number, lambda told, _: _pass_on(server, told))
        umask = os.umask(0)
        order = {
            "arguments": sys.argv[2:],
            "folder": os.path.realpath("."),
            "environment": dict(os.environ),
            "umask": umask,
        }
        streams = array.array("i", (0, 1, 2))
        server.sendmsg([json.dumps(order).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        # It alone holds them from now on: whoever reads what it writes is to see it close them.
        os.closerange(0, 3)
        while told := server.recv(64):
            word, _, number = told.decode().partition(" ")
            if word == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
                continue
            if int(number) >= 0:
                os._exit(int(number))
            with contextlib.suppress(OSError):
                signal.signal(-int(number), signal.SIG_DFL)
            os.kill(os.getpid(), -int(number))


if __name__ == "__main__":
    main()
    os._exit(70)  # nobody there any more
