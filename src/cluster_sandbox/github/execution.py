"""Executes the job of one run with act, and stops it the way GitHub does.

`world.py` calls `execute` in a task of its own once a machine is free. Cancelling that task ends the job's whole
process tree before it returns.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .announce import Announcer
from .model import Execution, Job, Run
from .policy import Policy
from .transcript import Transcript
from .workspace import Workspace

SKIPPED_S = 0.5
KEEPER = Path(__file__).with_name("keeper.py")


class Executor:
    """One job's execution. `changed` is called whenever something of the run is different."""

    def __init__(
        self,
        run: Run,
        execution: Execution,
        policy: Policy,
        now: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        assert run.plan is not None and run.job is not None
        self._run, self._plan, self._job, self._execution = run, run.plan, run.job, execution
        self._policy, self._now, self._changed = policy, now, changed
        self._process: asyncio.subprocess.Process | None = None
        self._over = asyncio.Event()
        self._step_over = asyncio.Event()
        self._step_over.set()
        self._next_step = asyncio.Event()
        self._timed_out = False
        self._current = -1
        """The step under way, or the last one that was."""

    @property
    def job(self) -> Job:
        return self._job

    async def execute(
        self,
        root: Path,
        full_name: str,
        contexts: Mapping[str, Any],
        variables: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> tuple[str, str | None]:
        """Run the job to its end: its conclusion, and the reason where it is not the program's own."""
        workspace = await asyncio.to_thread(Workspace)
        try:
            event = contexts["github"]["event"]
            await asyncio.to_thread(workspace.prepare, root, self._run, full_name, event)
            announcer = Announcer(self._plan, self._run.workflow.document, workspace.tree, dict(contexts))
            self._transcript = Transcript(
                self._job, self._plan, announcer, self._now, self._step_begun, self._step_ended, [self._run.token]
            )
            self._transcript.begin(self._execution.runner)
            await self._spawn(workspace.command(self._run, variables), workspace, environment)
            conclusion, reason = await self._attend()
        finally:
            await self._end()
            await asyncio.to_thread(workspace.close)
        self._transcript.end(conclusion, reason)
        return conclusion, reason

    async def _spawn(self, command: list[str], workspace: Workspace, environment: Mapping[str, str]) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(KEEPER),
            *command,
            cwd=workspace.tree,
            env=workspace.environment(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def _attend(self) -> tuple[str, str | None]:
        async with asyncio.TaskGroup() as group:
            stop = group.create_task(self._stop_in_time(), name=f"github-stop-{self._run.id}")
            await self._read()
            self._over.set()
            stop.cancel()
        return self._verdict()

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        rest = b""
        while data := await self._process.stdout.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._transcript.feed(line.decode(errors="replace"))
            self._changed()
        if rest:
            self._transcript.feed(rest.decode(errors="replace"))
        self._execution.exit_code = await self._process.wait()

    def _verdict(self) -> tuple[str, str | None]:
        run, transcript = self._run, self._transcript
        if run.lost.is_set():
            return "failure", None
        if self._timed_out:
            minutes = f"{self._plan.timeout_minutes:g} minute{'s' * (self._plan.timeout_minutes != 1)}"
            sentence = f"The job running on runner {self._execution.runner} has exceeded the maximum execution time of"
            return self._policy.timeout_conclusion, f"{sentence} {minutes}."
        if run.cancelled.is_set():
            return "cancelled", "The operation was canceled."
        if transcript.result is None:
            return "startup_failure", " ".join(transcript.trouble[-3:]) or "act ended without a word"
        return ("success" if transcript.result == "success" else "failure"), None

    # --- stopping -----------------------------------------------------------------------------------

    async def _stop_in_time(self) -> None:
        """Wait for a cancel or the time limit, then stop as GitHub: politely, then not."""
        events = (self._run.cancelled, self._run.forced, self._run.lost)
        limit = self._plan.timeout_minutes * self._policy.minute_s
        if not await _within(limit, *events):
            self._timed_out = True
        if self._run.forced.is_set() or self._run.lost.is_set():
            self._tell("END")
            return
        self._transcript.stopping = True
        for index in range(self._current + 1, len(self._plan.steps)):
            if not self._plan.runs_always(index):
                self._tell(f"SKIP {self._plan.key(index)}")
                if path := self._plan.own_action(index):
                    self._tell(f"SKIP {path}")
        async with asyncio.TaskGroup() as group:
            ladder = group.create_task(self._ladders(), name=f"github-ladder-{self._run.id}")
            await _within(self._policy.cancel_s, self._run.forced, self._run.lost, self._over)
            ladder.cancel()
        self._tell("END")

    async def _ladders(self) -> None:
        """Stop the step under way, and any that act had begun before it heard that it should not."""
        while True:
            await self._ladder()
            while True:
                await self._next_step.wait()
                self._next_step.clear()
                # One that act skips is over at once.
                if not self._plan.runs_always(self._current) and not await _within(SKIPPED_S, self._step_over):
                    break

    async def _ladder(self) -> None:
        self._next_step.clear()
        ended = self._step_over
        for word, seconds in (("INT", self._policy.interrupt_s), ("TERM", self._policy.terminate_s)):
            self._tell(word)
            if await _within(seconds, ended):
                return
        self._tell("KILL")

    def _step_begun(self, index: int) -> None:
        self._step_over, self._current = asyncio.Event(), index
        self._next_step.set()

    def _step_ended(self, index: int) -> None:
        self._step_over.set()

    def _tell(self, word: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(word.encode() + b"\n")

    async def _end(self) -> None:
        """Nothing of the job is left when this returns, whatever happened."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        ending = asyncio.ensure_future(_drain(process))
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                # The keeper needs milliseconds; leaving before it is done would leave processes behind.
                if ending.cancelled():
                    raise


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(65536):
        pass
    await process.wait()


async def _within(seconds: float, *events: asyncio.Event) -> bool:
    """Whether one of the events is set within `seconds`."""
    waits = [asyncio.create_task(event.wait(), name="github-wait") for event in events]
    try:
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in waits:
            task.cancel()
