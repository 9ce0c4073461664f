"""Forks Python processes that have imported the bot already, for tests that do not care how long a start takes.

Started by `warm.py`, once for all workers; `warm_client.py` stands for each process, and gives the orders. A process is
what `python ARGUMENTS` would have made, with its own environment, folder, streams and session, but that the modules are
there: a second of processor time less. Once nobody holds the other end of the server's standard input, all ends.
"""

import asyncio
import atexit
import contextlib
import gc
import io
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn


def learn() -> None:
    """Import what bots, demos and the command line import at some time."""
    import alembic.command
    import alembic.runtime.migration
    import alembic.script
    import psycopg

    from cluster_bot import app, check, cli, demo, github_install, modal_deploy
    from cluster_bot.demo import bot_process, github, modal
    from cluster_bot.launchers import github_actions, local_process, modal_functions

    assert alembic and psycopg and app and check and cli and demo and github_install and modal_deploy
    assert github and modal and github_actions and local_process and modal_functions
    # The bot of a demo need not start in the cold either.
    bot_process.PYTHON = sys.argv[1]
    asyncio.run(rehearse())


async def rehearse() -> None:
    """Ask a database all that a run's life asks: a process compiles each statement once. Leaves nothing behind."""
    from cluster_bot.runs.ports import Place, Submission
    from cluster_bot.runs.rules import Limits
    from cluster_bot.runs.run import Member, Origin
    from cluster_bot.runs.spec import RunSpec
    from cluster_bot.store import SqlStore
    from cluster_runner.wire import Event

    with tempfile.TemporaryDirectory() as folder:
        store = await SqlStore.open(f"sqlite:///{folder}/cluster-bot.sqlite3")
        try:
            spec = RunSpec({"a.py": "print()"}, "a.py", "local", 1)
            admitted = await store.admit(Submission(spec, Member("1", "ada"), Origin("key", {})), Limits(), 0.0)
            run = await store.save(admitted.run)
            for number in 1, 2:
                await store.append(run.id, run.attempt, [Event(number, 0.0, "exit", {})] * number)
            for kinds in None, ("exit",):
                await store.events(run.id, run.attempt, 0, kinds=kinds)
            await store.last_event(run.id, run.attempt)
            await store.place(run.id)
            await store.save_place(run.id, Place())
            await store.put_blob(run.id, "a", b"")
            await store.blob(run.id, "a")
            await store.load(run.id)
            await store.by_number(run.number)
            await store.standing(run.id)
            await store.claim(run.id, run.attempt, "a")
            await store.waiting_of("1")
            await store.unfinished()
            await store.unfinished("local")
            await store.open_feeds()
            await store.book.orders("")
            await store.book.unshown(1)
        finally:
            await store.close()
        again = await SqlStore.open(f"sqlite:///{folder}/cluster-bot.sqlite3")
        await again.load(run.id)
        await again.close()


class Server:
    """Serves until its standard input ends."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._clients: dict[socket.socket, int] = {}
        """The process of each, 0 where it is still to give its order."""

    def serve(self) -> None:
        """Obey, and tell, until nobody is there."""
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Who presses Ctrl+C means the tests, and they end this.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for one in (self._listener, self._woken):
            self._selector.register(one, selectors.EVENT_READ)
        self._selector.register(sys.stdin.buffer, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin.buffer:
                    for pid in filter(None, self._clients.values()):
                        os.kill(pid, signal.SIGKILL)
                    return
                if key.fileobj is self._listener:
                    client, _ = self._listener.accept()
                    self._clients[client] = 0
                    self._selector.register(client, selectors.EVENT_READ)
                elif key.fileobj is self._woken:
                    self._woken.recv(4096)
                    self._tell()
                elif isinstance(key.fileobj, socket.socket):
                    self._hear(key.fileobj)

    def _hear(self, client: socket.socket) -> None:
        if self._clients[client]:
            told = b""
            with contextlib.suppress(ConnectionError):
                told = client.recv(64)
            # No word: the client was killed.
            os.kill(self._clients[client], told[0] if told else signal.SIGKILL)
            if not told:
                self._selector.unregister(client)
            return
        order, streams, _, _ = socket.recv_fds(client, 1 << 20, 3)
        if not order:
            self._forget(client)
            return
        pid = os.fork()
        if pid == 0:
            self._begin(json.loads(order), streams)
        self._clients[client] = pid
        for one in streams:
            os.close(one)

    def _tell(self) -> None:
        """Tell clients which processes were stopped, and which have ended."""
        for client, pid in [*self._clients.items()]:
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED) if pid else (0, 0)
            if not found:
                continue
            stopped = os.WIFSTOPPED(status)
            with contextlib.suppress(OSError):
                client.send(b"stopped" if stopped else f"ended {os.waitstatus_to_exitcode(status)}".encode())
            if not stopped:
                self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        del self._clients[client]
        with contextlib.suppress(KeyError):
            self._selector.unregister(client)
        client.close()

    def _begin(self, order: dict[str, Any], streams: list[int]) -> NoReturn:
        """In the new process: let go of the server's, and be what was ordered."""
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._selector.close()
            for one in (self._listener, self._woken, self._waker, *self._clients):
                one.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            os.setsid()
            os.umask(order["umask"])
            os.chdir(order["folder"])
            os.environ.clear()
            os.environ.update(order["environment"])
            status = be(order["arguments"])
            atexit._run_exitfuncs()
        except BaseException:  # nothing may run on in the copy of the server
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


def be(arguments: list[str]) -> int:
    """What `python ARGUMENTS` does, `-m MODULE ...` or `SCRIPT ...`; the exit code."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    out = io.BufferedWriter(io.FileIO(1, "w", closefd=False))
    sys.stdout = io.TextIOWrapper(out, "utf-8", write_through=unbuffered, line_buffering=unbuffered)
    err = io.BufferedWriter(io.FileIO(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(err, "utf-8", "backslashreplace", line_buffering=True)
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            sys.path.insert(0, os.getcwd())  # noqa: PTH109
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            sys.path.insert(0, str(Path(arguments[0]).parent))
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Learn, then serve."""
    # This folder's modules are the tests', and whoever is started has a first place of its own.
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    learn()
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    Server(socket.socket(fileno=int(sys.argv[2]))).serve()


if __name__ == "__main__":
    main()
