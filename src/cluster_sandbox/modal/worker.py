"""Starts the processes of containers, and lets nothing of one survive it.

Run by `crew.py` as a script, one per server: `worker.py FD [prestarted]`. Over the socket FD comes an order for each
container, with two file descriptors: a socket to speak about it and the pipe for its output. The worker forks a keeper
per container, the keeper forks the container's process and adopts its orphans (PR_SET_CHILD_SUBREAPER; a program in
the container may call setsid and change its user, so neither group nor session finds it). The keeper says

    PID number      once the process is there
    EXIT code       at the end, when no descendant is left

and kills everything at the word END, at the end of its socket, and when the container's first process is over. So a
server that is killed takes its containers with it.

`prestarted`: the worker imports once what every container needs, and a container is a fork of it; otherwise, and where
an order says so, it is a new interpreter. What runs is the client's own `modal._container_entrypoint` either way. Only
/proc tells the two apart: of a fork it shows the worker's command and its first variables.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

PR_SET_CHILD_SUBREAPER = 36
ENTRYPOINT = "modal._container_entrypoint"
LARGEST = 1 << 20


def serve(link: socket.socket) -> tuple[dict[str, Any], socket.socket, int] | None:
    """Take orders until the server is gone; returns in each forked keeper with its order, in the worker with None."""
    link.sendall(b"READY")
    while True:
        data, fds, _, _ = socket.recv_fds(link, LARGEST, 2)
        _reap(os.WNOHANG)
        if not data:
            _reap(0)
            return None
        if os.fork() == 0:
            link.close()
            return json.loads(data), socket.socket(fileno=fds[0]), fds[1]
        for fd in fds:
            os.close(fd)


def _reap(options: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            continue


def keep(control: socket.socket, output: int) -> None:
    """Fork the container's process and watch over it to the end; returns in the container's process only."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid = os.fork()
    if pid == 0:
        control.close()
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, number in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(fd, number)
        os.close(nothing)
        os.close(output)
        return
    os.close(output)
    _say(control, f"PID {pid}")
    watched = os.pidfd_open(pid)
    select.select([control.fileno(), watched], [], [])
    _say(control, f"EXIT {_kill_all(pid)}")
    with contextlib.suppress(OSError):
        while control.recv(64):  # a word nobody had read would take ours along when the socket is closed
            continue
    os._exit(0)


def _say(control: socket.socket, words: str) -> None:
    with contextlib.suppress(OSError):  # the server is gone; the end of the socket says the rest
        control.sendall(words.encode())


def _kill_all(pid: int) -> int:
    """Kill every descendant until there is none, one may fork while another is killed; the code of `pid`."""
    code = -signal.SIGKILL
    while True:
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            ended, status = os.waitpid(-1, 0 if _children() else os.WNOHANG)
        except ChildProcessError:
            return code
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)


def _children() -> list[int]:
    """This process's own children; those of a child that is killed become its own."""
    with contextlib.suppress(FileNotFoundError):
        return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    found = []  # a kernel without that list
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        with contextlib.suppress(OSError):
            fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[1]) == os.getpid() and fields[0] != b"Z":
                found.append(int(name))
    return found


def become(order: dict[str, Any]) -> None:
    """Turn this process into the container's: by a new interpreter, or by being what one would be."""
    environment, folder = order["environment"], order["folder"]
    os.chdir(folder)
    if not order["forked"]:
        os.execve(sys.executable, [sys.executable, "-m", ENTRYPOINT], environment)
    gc.enable()
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [folder, *environment["PYTHONPATH"].split(os.pathsep)]
    sys.argv[1:] = []
    # Unbuffered, as PYTHONUNBUFFERED makes it: what a killed container has printed is not lost.
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
    runpy.run_module(ENTRYPOINT, run_name="__main__", alter_sys=True)


def main() -> NoReturn:
    link = socket.socket(fileno=int(sys.argv[1]))
    sys.path.pop(0)  # this folder: its modules are not everyone's
    if "prestarted" in sys.argv[2:]:
        gc.disable()
        importlib.import_module("modal._container_entrypoint")
        # What the client puts off until there is a large input.
        importlib.import_module("modal._utils.http_utils")
        importlib.import_module("modal._utils.bytes_io_segment_payload")
        del sys.modules[ENTRYPOINT]  # to be run afresh, all it imports being there
        gc.freeze()  # or collections in the containers would touch, and so copy, all of it
    if (taken := serve(link)) is not None:
        order, control, output = taken
        keep(control, output)
        become(order)
    sys.exit()


if __name__ == "__main__":
    main()
