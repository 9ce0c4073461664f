"""Turns act's JSON lines into the steps of a job and its log, as GitHub has them.

Fed by `execution.py`, line by line. act tells nothing of skipped steps: they are what is left queued at the end. Before
each step GitHub prints its script, `with:` and `env:` with all expressions evaluated, and so does this, since a
secret that is pasted there is in the log on GitHub too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from .announce import Announcer
from .model import Job, Step
from .workflow import Plan

COMMANDS = {"group": "##[group]", "warning": "##[warning]", "error": "##[error]", "notice": "##[notice]"}
FAILED = re.compile(r"exit status (\d+)")
SHORTEST_MASK = 3
"""GitHub masks any text; one of a letter or two would leave no log to read."""

Json = dict[str, Any]


class Transcript:
    """`step_begun(index)` and `step_ended(index)` are called for the steps of the workflow file, from 0."""

    def __init__(
        self,
        job: Job,
        plan: Plan,
        announcer: Announcer,
        now: Callable[[], float],
        step_begun: Callable[[int], None],
        step_ended: Callable[[int], None],
        masks: list[str],
    ) -> None:
        self._job, self._plan, self._announcer, self._now = job, plan, announcer, now
        self._begun, self._ended = step_begun, step_ended
        self._masks = list(masks)
        self.stopping = False
        """Set by a cancel or a timeout: the step under way then counts as cancelled."""
        self._skipping: set[int] = set()
        """Steps act began after that and GitHub would not have: they are killed and leave nothing in the log."""
        self.result: str | None = None
        """act's word for the whole job, None until it is over."""
        self.trouble: list[str] = []
        """What act said outside any step; the reason when no step was reached."""
        names = ["Set up job", *(plan.step_name(index) for index in range(len(plan.steps))), "Complete job"]
        job.steps = [Step(number, name) for number, name in enumerate(names, 1)]

    # --- the log ------------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Add lines to the log, masked, with the time in front."""
        for mask in self._masks:
            text = text.replace(mask, "***")
        at = datetime.fromtimestamp(self._now(), UTC)
        self._job.log.extend(f"{at:%Y-%m-%dT%H:%M:%S.%f}0Z {line}" for line in text.split("\n"))

    def _mask(self, text: str) -> None:
        for line in (text, *text.splitlines()):
            if len(line) >= SHORTEST_MASK and line not in self._masks:
                self._masks.append(line)
        # The longest first: a mask within another must not leave the rest of that readable.
        self._masks.sort(key=len, reverse=True)

    # --- act's lines --------------------------------------------------------------------------------

    def begin(self, runner: str) -> None:
        """The job is with a runner."""
        self._start(0)
        self.write(f"Current runner version: '2.330.0'\nRunner name: '{runner}'\nMachine name: '{runner}'")

    def feed(self, line: str) -> None:
        """One line of act's output."""
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            self.trouble.append(line)
            return
        if "jobResult" in said:
            self.result = str(said["jobResult"])
            return
        path = [str(one) for one in said.get("stepID", ())]
        index = self._plan.index(path[0]) if path else None
        if index is None or said.get("stage") not in ("Pre", "Main", "Post"):
            if said.get("level") in ("error", "fatal"):
                self.trouble.append(str(said.get("msg", "")))
            return
        self._step_line(index, path, said)

    def _step_line(self, index: int, path: list[str], said: Json) -> None:
        text = str(said.get("msg", "")).removesuffix("\n")
        own = len(path) == 1 and said["stage"] == "Main"
        printed = said.get("raw_output") or "command" in said
        if own and not printed and text.startswith("⭐ Run "):
            self._step_begins(index)
        if own and "stepResult" in said:
            self._step_ends(index, str(said["stepResult"]))
        elif index not in self._skipping:
            self._log_line(path, said, text)

    def _log_line(self, path: list[str], said: Json, text: str) -> None:
        if "command" in said:
            self._command(said)
        elif said.get("raw_output"):
            self.write(text.removesuffix("\r"))
        elif said["stage"] == "Main" and text.startswith("⭐ Run "):
            if lines := self._announcer.lines(path):
                self.write(lines)
        elif said["stage"] == "Main" and said.get("level") == "error" and len(path) == 1:
            match = FAILED.fullmatch(text)
            self.write(f"##[error]Process completed with exit code {match[1]}." if match else f"##[error]{text}")

    def _command(self, said: Json) -> None:
        command, argument = str(said["command"]), str(said.get("arg", ""))
        if command == "add-mask":
            self._mask(argument)
        elif command == "endgroup":
            self.write("##[endgroup]")
        elif command in COMMANDS:
            self.write(COMMANDS[command] + argument)

    def _start(self, position: int) -> None:
        step = self._job.steps[position]
        step.status, step.started_at = "in_progress", self._now()

    def _finish(self, position: int, conclusion: str) -> None:
        step = self._job.steps[position]
        step.status, step.conclusion, step.completed_at = "completed", conclusion, self._now()
        step.started_at = step.started_at or step.completed_at

    def _step_begins(self, index: int) -> None:
        if self._job.steps[0].status != "completed":
            self._finish(0, "success")
        for position in range(1, index + 1):
            if self._job.steps[position].status == "queued":
                self._finish(position, "skipped")
        if self.stopping and not self._plan.runs_always(index):
            self._skipping.add(index)
        self._start(index + 1)
        self._begun(index)

    def _step_ends(self, index: int, result: str) -> None:
        stopped = self.stopping and not self._plan.runs_always(index)
        if index in self._skipping:
            self._finish(index + 1, "skipped")
        else:
            self._finish(index + 1, "cancelled" if stopped else result)
        self._ended(index)

    def end(self, conclusion: str, reason: str | None) -> None:
        """No more lines: what has not ended has not run."""
        if reason:
            self.write(f"##[error]{reason}")
        lost = {"cancelled": "cancelled", "timed_out": "cancelled"}.get(conclusion, "failure")
        for position, step in enumerate(self._job.steps):
            if step.status == "in_progress":
                self._finish(position, "success" if position == 0 and conclusion == "success" else lost)
            elif step.status == "queued":
                last = position == len(self._job.steps) - 1
                self._finish(position, "success" if last and self.result else "skipped")
