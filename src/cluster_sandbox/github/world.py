"""The state of one server and what moves it: runs queue for their turn and for machines, jobs are executed, artifacts
arrive.

Everything happens in the event loop; `pulse` rings after each change. Called by the REST handlers, the page and
`server.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import logging
import secrets
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..pulse import Pulse
from .concurrency import Groups, wishes
from .execution import Executor
from .fleet import Fleet
from .git_store import GitStore
from .model import Artifact, Execution, Job, Machine, Run, Runner
from .policy import Policy
from .pulls import Pulls
from .workflow import StartupError, Workflow, WorkflowError, load, plan, title

log = logging.getLogger(__name__)
DAY_S = 86_400.0
LOST = (
    "The self-hosted runner lost communication with the server. Verify the machine is running and has a healthy "
    "network connection."
)
QUEUE_S = DAY_S
"""A job nobody took by then has failed."""

Json = dict[str, Any]


class World:
    def __init__(
        self,
        root: Path,
        owner: str,
        name: str,
        runners: Iterable[Runner],
        policy: Policy,
        environment: Mapping[str, str],
    ) -> None:
        self.owner, self.name, self.policy = owner, name, policy
        self.environment = environment
        self.full_name = f"{owner}/{name}"
        self.actor = "cluster-bot"
        """Who dispatched; one person for all."""
        self.branch = "main"
        self.pulse = Pulse()
        self.private = self.organization = True
        self.actions_enabled = True
        self.git = GitStore(root, self.branch, owner, self.now)
        self.pulls = Pulls(self.git, owner, self.now, self.new_id, self.pulse.ring)
        self.api_url = ""
        self.runs: dict[int, Run] = {}
        self.artifacts: dict[int, Artifact] = {}
        self.executions: list[Execution] = []
        self.listeners: list[Callable[[str, str, Run], None]] = []
        """Told of an event, its action and the run."""
        self.fleet = Fleet(policy, self.now, self.new_id, self.pulse.ring, self.schedule)
        self.groups = Groups(self.now)
        self.held = False
        self.listing_held = False
        self._tasks: set[asyncio.Task[None]] = set()
        # Above 32 bits, as GitHub's are, and never those of a server that was here before.
        self._ids = itertools.count(int(time.time() * 10))
        self._numbers = itertools.count(1)
        self._head = ("", "")
        self._files: dict[str, tuple[tuple[int, int, int], Workflow]] = {}
        self._start = time.time() - time.monotonic()
        self.created_at = self.now()
        self.id = next(self._ids)
        for runner in runners:
            self.fleet.add(runner)

    def now(self) -> float:
        """Wall-clock time that never steps back, unix seconds."""
        return self._start + time.monotonic()

    def new_id(self) -> int:
        """An id that nothing here has had."""
        return next(self._ids)

    @property
    def owner_type(self) -> str:
        return "Organization" if self.organization else "User"

    @property
    def root(self) -> Path:
        """The folder of the default branch, which is another one after the first write to it."""
        return self.git.root

    # --- the repository -----------------------------------------------------------------------------

    def workflows(self) -> list[Workflow]:
        """The workflow files as they are now."""
        folder = self.root / ".github" / "workflows"
        files = sorted(path for path in folder.glob("*") if path.suffix in (".yml", ".yaml"))
        return [self._workflow(f".github/workflows/{path.name}") for path in files]

    def _workflow(self, path: str) -> Workflow:
        state = (self.root / path).stat()
        key = (state.st_mtime_ns, state.st_size, state.st_ino)
        known = self._files.get(path)
        if known is None or known[0] != key:
            workflow_id = next(self._ids) if known is None else known[1].id
            self._files[path] = known = (key, load(self.root, path, workflow_id))
        return known[1]

    def workflow(self, name: str) -> Workflow | None:
        """A workflow by id, file name or path."""
        return next((one for one in self.workflows() if name in (str(one.id), one.file, one.path)), None)

    @property
    def sha(self) -> str:
        """The commit that a run is of: looked up anew where the workflow files are others than before."""
        texts = repr([(one.path, one.document) for one in self.workflows()])
        if self._head[0] != texts:
            self._head = (texts, self.git.head())
        return self._head[1]

    # --- runs ---------------------------------------------------------------------------------------

    def dispatch(self, workflow: Workflow, ref: str, given: Any) -> Run:
        """Make a run; WorkflowError in GitHub's words where the dispatch is refused."""
        branch = ref.removeprefix("refs/heads/")
        if branch != self.branch:
            raise WorkflowError(f"No ref found for: {ref}")
        if not self.actions_enabled:
            raise WorkflowError("Actions has been disabled for this repository.")
        inputs = workflow.accept(given)
        now = self.now()
        run = Run(
            next(self._ids),
            next(self._numbers),
            workflow,
            inputs,
            f"refs/heads/{branch}",
            workflow.name,
            self.sha,
            now,
            now,
            "ghs_" + secrets.token_hex(18),
            started_at=now,
            visible_at=float("inf") if self.listing_held else now + self.policy.listing_delay_s,
        )
        self.runs[run.id] = run
        try:
            contexts = self.contexts(run)
            run.title = title(workflow, contexts)
            run.plan = plan(workflow, self.root, contexts)
            wanted = wishes(workflow, contexts)
        except StartupError as error:
            self._tell("workflow_run", "requested", run)
            self._finish(run, "startup_failure", str(error))
            return run
        run.job = Job(next(self._ids), run.plan.job_name, run.plan.labels, now)
        displaced = self.groups.enter(run, wanted)
        run.status = "queued" if self.groups.has_its_turn(run) else "pending"
        self._tell("workflow_run", "requested", run)
        if run.status == "queued":
            self._tell("workflow_job", "queued", run)
        for one in displaced:
            self.cancel(one)
        self.schedule()
        return run

    def contexts(self, run: Run) -> Json:
        """What expressions of the workflow may name."""
        repository = {"name": self.name, "full_name": self.full_name, "default_branch": self.branch, "id": self.id}
        sender = {"login": self.actor, "id": 1, "type": "User"}
        event = {
            "inputs": run.inputs,
            "ref": run.ref,
            "repository": {**repository, "owner": {"login": self.owner}},
            "sender": sender,
            "workflow": run.workflow.path,
        }
        typed = {name: self._typed(run, name, text) for name, text in run.inputs.items()}
        github = {
            "event": event,
            "event_name": "workflow_dispatch",
            "run_id": str(run.id),
            "run_number": str(run.number),
            "run_attempt": "1",
            "ref": run.ref,
            "ref_name": run.branch,
            "sha": run.sha,
            "repository": self.full_name,
            "repository_owner": self.owner,
            "actor": self.actor,
            "workflow": run.workflow.name,
            "token": run.token,
            "api_url": self.api_url,
        }
        return {"inputs": typed, "github": github}

    @staticmethod
    def _typed(run: Run, name: str, text: str) -> Any:
        """`inputs` keeps booleans and numbers, `github.event.inputs` has texts alone."""
        kind = run.workflow.inputs[name].get("type")
        if kind == "boolean":
            return text == "true"
        return float(text) if kind == "number" and text else text

    def changed(self, run: Run) -> None:
        run.updated_at = self.now()
        self.pulse.ring()

    def _tell(self, event: str, action: str, run: Run) -> None:
        for listener in self.listeners:
            listener(event, action, run)

    def _finish(self, run: Run, conclusion: str, failure: str | None = None) -> None:
        now, job = self.now(), run.job
        if job is not None and job.status != "completed":
            job.status, job.completed_at = "completed", now
            job.started_at = job.started_at or now
            job.conclusion = "failure" if conclusion == "startup_failure" else conclusion
            self._tell("workflow_job", "completed", run)
        run.status, run.conclusion, run.failure = "completed", conclusion, failure or run.failure
        self.changed(run)
        self._tell("workflow_run", "completed", run)
        self._pass_turns_on(run)

    def _pass_turns_on(self, run: Run) -> None:
        """Whoever waited in a concurrency group for a run that is over."""
        ready, displaced = self.groups.leave(run)
        for one in ready:
            one.status = "queued"
            self.changed(one)
            self._tell("workflow_job", "queued", one)
        for one in displaced:
            self.cancel(one)
        if ready:
            self.schedule()

    def conclude(self, run: Run, conclusion: str) -> None:
        """End a queued run by order, such as `action_required` or `stale`."""
        if run.status == "in_progress":
            raise ValueError("a run in progress ends by its job")
        self._finish(run, conclusion)

    # --- machines -----------------------------------------------------------------------------------

    def schedule(self) -> None:
        """Give queued jobs to idle machines, oldest first."""
        for run in list(self.runs.values()):
            if run.status != "queued" or run.job is None:
                continue
            if run.created_at + QUEUE_S < self.now():
                self._finish(run, "failure", "The job was not acquired by a runner within 24 hours.")
                continue
            machine = None if self.held else self.fleet.idle(run.job.labels, public=not self.private)
            if machine is not None:
                self._begin(run, run.job, machine)
        self.pulse.ring()

    def _begin(self, run: Run, job: Job, machine: Machine) -> None:
        now = self.now()
        machine.run_id, job.machine = run.id, machine
        run.status = job.status = "in_progress"
        run.started_at = job.started_at = now
        self.changed(run)
        self._tell("workflow_run", "in_progress", run)
        self._tell("workflow_job", "in_progress", run)
        self._start_task(self._execute(run, job, machine), f"github-run-{run.id}")

    def _start_task(self, work: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self, run: Run, job: Job, machine: Machine) -> None:
        execution = Execution(run.id, machine.name, self.now())
        self.executions.append(execution)
        executor = Executor(run, execution, self.policy, self.now, lambda: self.changed(run))
        try:
            conclusion, reason = await executor.execute(
                self.root, self.full_name, self.contexts(run), self._variables(run), self.environment
            )
        except (OSError, ValueError) as error:
            # The disk is full, act is not there: GitHub would blame its runner, and so do we.
            log.exception("the sandbox could not execute run %s", run.id)
            conclusion, reason = "failure", f"the sandbox could not execute the job: {error}"
        finally:
            execution.ended = self.now()
            self.changed(run)
            if not run.lost.is_set():
                self.fleet.free(machine)
        if run.lost.is_set():
            # The machine is dead; GitHub finds out late, by its silence.
            waiting = asyncio.create_task(run.forced.wait(), name=f"github-silence-{run.id}")
            await asyncio.wait([waiting], timeout=self.policy.lost_s)
            waiting.cancel()
            self.fleet.free(machine)
            reason = LOST
        self._finish(run, conclusion, reason)
        self.schedule()

    def _variables(self, run: Run) -> dict[str, str]:
        server = self.api_url.removesuffix("/api/v3")
        return {
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_RUN_NUMBER": str(run.number),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_ACTOR": self.actor,
            "GITHUB_API_URL": self.api_url,
            "GITHUB_SERVER_URL": server,
            "RUNNER_NAME": run.job.machine.name if run.job and run.job.machine else "",
            "RUNNER_ENVIRONMENT": "self-hosted",
        }

    # --- stopping -----------------------------------------------------------------------------------

    def cancel(self, run: Run, *, force: bool = False) -> bool:
        """Begin to cancel; False where the run is over already."""
        if run.completed:
            return False
        run.cancelled.set()
        if force:
            run.forced.set()
        if run.status != "in_progress":
            self._finish(run, "cancelled")
        else:
            self.changed(run)
        return True

    def kill(self, run: Run, *, at_once: bool = False) -> None:
        """Let the machine of a running job die; the run ends after `lost_s`, or now."""
        if run.job is None or run.job.machine is None or run.completed:
            raise ValueError("the run is with no runner")
        run.job.machine.online = False
        run.lost.set()
        if at_once:
            run.forced.set()
        self.changed(run)

    async def stop(self) -> None:
        """End every job; nothing of them is left when this returns."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.git.close()

    # --- artifacts ----------------------------------------------------------------------------------

    def add_artifact(self, run: Run, name: str, data: bytes, days: int, *, overwrite: bool) -> Artifact:
        """Keep a finished upload; ValueError where the run has one of that name or the bytes are no zip."""
        if not zipfile.is_zipfile(io.BytesIO(data)):
            raise ValueError("the archive is not a zip file")
        if not name or any(char in '\\/:*?"<>|\r\n' for char in name):
            raise ValueError(f"The artifact name is not valid: {name}")
        same = [one for one in self.artifacts.values() if one.run_id == run.id and one.name == name]
        if same and not overwrite:
            raise ValueError("an artifact with this name already exists on the workflow run")
        for one in same:
            del self.artifacts[one.id]
        now = self.now()
        days = min(days or self.policy.retention_days, self.policy.retention_days)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        artifact = Artifact(next(self._ids), run.id, name, data, digest, now, now + days * DAY_S)
        self.artifacts[artifact.id] = artifact
        self.changed(run)
        return artifact

    # --- waiting ------------------------------------------------------------------------------------

    async def wait_run(self, predicate: Callable[[Run], Any], timeout: float) -> Run:
        """The first run that fits, now or later; TimeoutError says how the runs are."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    version = self.pulse.version
                    for run in list(self.runs.values()):
                        if predicate(run):
                            return run
                    await self.pulse.after(version)
        except TimeoutError:
            states = "; ".join(f"{run.title}: {run.status}/{run.conclusion}" for run in self.runs.values())
            raise TimeoutError(f"no such run within {timeout} s; there are: {states or 'none'}") from None
