"""Starts a job as GitHub would: the real program, an event file, a folder for temporary files, signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster_runner import wire

from .conftest import PATIENCE_S, RUN_ID, RUNNER


class GitHubJob:
    """One job below `home`. `ask` says what it is dispatched with; `run` starts it and waits."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.temp = home / "_temp"
        self.temp.mkdir(mode=0o755)
        self.event = home / "event.json"
        self.output = home / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, text: str, *, name: str = "main.py", inline: bool = True, **inputs: str) -> wire.Payload:
        payload = wire.Payload(RUN_ID, 1, {name: text}, name, "python", 50.0)
        told: dict[str, Any] = {"run_id": RUN_ID, "attempt": "1", "payload": wire.pack(payload) if inline else ""}
        told |= {"report_to": "", "token": "", **inputs}
        self.event.write_text(json.dumps({"ref": "refs/heads/main", "inputs": told}))
        return payload

    def start(self, *options: str, env: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
        told = {"GITHUB_EVENT_PATH": str(self.event), "GITHUB_OUTPUT": str(self.output), "GITHUB_RUN_ID": "4711"}
        told |= {"RUNNER_TEMP": str(self.temp), "PATH": os.environ["PATH"], "ACTIONS_RUNTIME_TOKEN": "runtime-secret"}
        command = [sys.executable, "-I", "-S", str(RUNNER), "--github", "--python", sys.executable]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--sandbox", "none", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**told, **(env or {})},
                start_new_session=True,
            )
        return self.process

    def run(self, *options: str, env: Mapping[str, str] | None = None) -> int:
        return self.start(*options, env=env).wait(PATIENCE_S)

    @property
    def log(self) -> str:
        """What people see of the job: without the masks, which GitHub swallows."""
        lines = (self.home / "log").read_text().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("::add-mask::"))

    @property
    def masked(self) -> list[str]:
        lines = (self.home / "log").read_text().splitlines()
        return [line.removeprefix("::add-mask::") for line in lines if line.startswith("::add-mask::")]

    @property
    def upload(self) -> Path:
        """The folder the next step uploads, as the job told it."""
        told = dict(line.split("=", 1) for line in self.output.read_text().splitlines())
        assert told["name"] == f"{RUN_ID}-1"
        return Path(told["upload"])

    def events(self) -> list[wire.Event]:
        return [wire.event_from_line(line) for line in (self.upload / "events.ndjson").read_bytes().splitlines()]

    def outcome(self) -> wire.Outcome:
        return self.events()[-1].outcome

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(PATIENCE_S)
