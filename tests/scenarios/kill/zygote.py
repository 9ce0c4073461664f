"""A process that has imported the bot and forks one life of it after the other: a start takes tenths of a second less.

Run as a script by `lives.py`. Orders come in as JSON lines, answers go out the same way: `{"log", "folder",
"environment", "wires", "python", "cold", "timing"}` starts a life and answers its pid; `{"reap": pid}` collects one
that has ended and answers how. Each life is a process of its own with its own environment, as if it had been started by
`cluster-bot up`, but that its store and launchers may hang on trip wires: a life that touches one kills itself with
SIGKILL, before or after the verb. With a "timing" its GitHub launcher has that one: nobody would wait a minute for
what the real GitHub may need. A cold life is the command itself.
"""

import asyncio
import contextlib
import gc
import inspect
import json
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cluster_bot import app
from cluster_bot.launchers import local_process, modal_functions
from cluster_bot.launchers.github_actions import PUBLIC_API, GithubActions, GithubApi, Reporting, Timing
from cluster_bot.log import set_up_logging
from cluster_bot.runs.run import Run, Status
from cluster_bot.settings import Settings

assert local_process and modal_functions  # imported for their time, here and not in every life


def step(run: Run) -> str:
    """Which of a run's saves this is: the wish to launch, the handle, else the status that is saved."""
    if run.status is Status.STARTING:
        return "handle" if run.handle is not None else "wish"
    return "final" if run.status.final else run.status.value


class Wires:
    """Trip wires on verbs: `{"verb", "step" (of saves), "when", "nth", "victim"}`; runs are known by their file."""

    def __init__(self, wires: Sequence[dict[str, Any]]) -> None:
        self._wires = wires
        self._touched: Counter[int] = Counter()
        self._names: dict[str, str] = {}

    def hang(self, part: Any) -> Any:
        """A stand-in with all that is public of `part`, each verb watched."""
        body: dict[str, Any] = {}
        for name in dir(part):
            if not name.startswith("_"):
                verb = getattr(part, name)
                body[name] = staticmethod(self._watched(name, verb)) if inspect.iscoroutinefunction(verb) else verb
        return type(f"Wired{type(part).__name__}", (), body)()

    def _watched(self, name: str, verb: Callable[..., Any]) -> Callable[..., Any]:
        async def watched(*args: Any, **options: Any) -> Any:
            self._learn(args)
            self._touch("before", name, args)
            # Where it raises, as a save does that came too late, there is no effect for a wire to stand behind.
            result = await verb(*args, **options)
            self._touch("after", name, args)
            self._learn(result if isinstance(result, list) else [getattr(result, "run", result)])
            return result

        return watched

    def _learn(self, values: Sequence[Any]) -> None:
        for value in values:
            if isinstance(value, Run):
                self._names[value.id] = value.spec.main
                if value.handle is not None:
                    self._names[value.handle.text] = value.spec.main

    def _touch(self, when: str, name: str, args: Sequence[Any]) -> None:
        for number, wire in enumerate(self._wires):
            if wire["when"] == when and wire["verb"] == name and self._concerns(wire, args[0]):
                self._touched[number] += 1
                if self._touched[number] == wire["nth"]:
                    os.kill(os.getpid(), signal.SIGKILL)

    def _concerns(self, wire: dict[str, Any], first: Any) -> bool:
        return self._subject(first) == wire["victim"] and (wire.get("step") is None or wire["step"] == step(first))

    def _subject(self, first: Any) -> str:
        spec = getattr(first, "spec", None)
        return self._names.get(getattr(first, "text", str(first)), "") if spec is None else str(spec.main)


def hurried(settings: Settings, parts: app.Parts, timing: dict[str, float]) -> GithubActions:
    """The GitHub launcher as the composition root makes it, with another timing."""
    assert settings.github_token is not None and settings.github_repository is not None
    address, tokens = settings.public_url, parts.tokens
    return GithubActions(
        GithubApi(
            settings.github_token.get_secret_value(),
            settings.github_repository,
            base_url=settings.github_api_url or PUBLIC_API,
        ),
        settings.data_dir / "github",
        ref=settings.github_ref,
        reporting=None if address is None or tokens is None else Reporting(address, tokens.mint),
        timing=Timing(**timing),
    )


async def serve(settings: Settings, wires: Sequence[dict[str, Any]], timing: dict[str, float]) -> None:
    """The whole bot until SIGTERM, its store and launchers on wires."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    hung = Wires(wires)
    with contextlib.suppress(asyncio.CancelledError):
        async with app.open_parts(settings) as parts:
            if timing:
                parts.launchers = [hurried(settings, parts, timing)]
            parts.store = hung.hang(parts.store)
            parts.launchers = [hung.hang(launcher) for launcher in parts.launchers]
            await app.run_bot(settings, parts)


def live(order: dict[str, Any]) -> None:
    """One life; never returns."""
    status = 1
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number, fd in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
            os.dup2(fd, number)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        if order["cold"]:
            os.execve(sys.executable, [sys.executable, "-m", "cluster_bot", "up"], os.environ)
        sys.executable = order.get("python") or sys.executable
        settings = Settings.read(None)
        set_up_logging(settings.log_level)
        asyncio.run(serve(settings, order["wires"], order["timing"]))
        status = 0
    except BaseException:  # a border: nothing may run on in the copy of the zygote
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Obey orders until there are none, then leave nobody behind."""
    assert threading.active_count() == 1
    gc.freeze()
    lives: set[int] = set()
    while line := sys.stdin.buffer.readline():
        order = json.loads(line)
        if "reap" in order:
            _, status = os.waitpid(order["reap"], 0)
            lives.discard(order["reap"])
            answer = {"exit_code": os.waitstatus_to_exitcode(status)}
        else:
            pid = os.fork()
            if pid == 0:
                live(order)
            lives.add(pid)
            answer = {"pid": pid}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in lives:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    # Nothing of this folder may pose as a library.
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    main()
