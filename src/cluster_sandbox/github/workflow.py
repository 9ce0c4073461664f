"""A workflow file as GitHub reads it before anything runs: triggers, inputs, the job, the actions it stands on.

What the sandbox does not execute like GitHub is refused here with a sentence: a run of such a file ends as
`startup_failure`, and a file GitHub itself could not read is a 422 at the dispatch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .expressions import ExpressionError, as_text, evaluate
from .yaml_reader import YamlError, read

MOST_INPUTS = 25
MOST_INPUT_CHARACTERS = 65_535
DEFAULT_TIMEOUT_MINUTES = 360
STAND_INS = ("actions/checkout", "actions/upload-artifact", "actions/cache", "astral-sh/setup-uv")
"""Third-party actions that run here, as the folders below `actions/`."""

Json = dict[str, Any]


class WorkflowError(ValueError):
    """The file cannot be dispatched; GitHub says so with a 422."""


class StartupError(ValueError):
    """GitHub (or this sandbox) accepts the dispatch and cannot start the run."""


@dataclass(slots=True)
class Workflow:
    """One file below `.github/workflows`. `error` is set where it could not be read."""

    id: int
    path: str
    name: str
    document: Json
    error: str | None = None

    @property
    def file(self) -> str:
        return Path(self.path).name

    @property
    def inputs(self) -> dict[str, Json]:
        """The inputs of `workflow_dispatch`; WorkflowError where it cannot be dispatched."""
        if self.error is not None:
            raise WorkflowError(f"failed to parse workflow: {self.error}")
        triggers = self.document.get("on")
        names = [triggers] if isinstance(triggers, str) else list(triggers or [])
        if "workflow_dispatch" not in names:
            raise WorkflowError("Workflow does not have 'workflow_dispatch' trigger")
        trigger = triggers.get("workflow_dispatch") if isinstance(triggers, dict) else None
        inputs = {name: one or {} for name, one in ((trigger or {}).get("inputs") or {}).items()}
        if len(inputs) > MOST_INPUTS:
            message = f"you may only define up to {MOST_INPUTS} `inputs` for a `workflow_dispatch` event"
            raise WorkflowError(f"failed to parse workflow: {message}")
        return inputs

    def accept(self, given: Any) -> dict[str, str]:
        """The inputs of a run, defaults filled in; WorkflowError in GitHub's words."""
        if not isinstance(given, dict):
            raise WorkflowError("Invalid request.\n\nFor 'properties/inputs', value is not an object.")
        declared = self.inputs
        if unknown := [name for name in given if name not in declared]:
            raise WorkflowError(f"Unexpected inputs provided: {json.dumps(unknown)}")
        if len(json.dumps(given, separators=(",", ":"), ensure_ascii=False)) > MOST_INPUT_CHARACTERS:
            raise WorkflowError("inputs are too large.")
        return {name: _accepted(name, spec, given.get(name)) for name, spec in declared.items()}


def _accepted(name: str, spec: Json, value: Any) -> str:
    if value in (None, "") and spec.get("required") and spec.get("default") in (None, ""):
        raise WorkflowError(f"Required input '{name}' not provided")
    text = as_text(spec.get("default") if value is None else value)
    if spec.get("type") == "boolean" and text not in ("true", "false", ""):
        raise WorkflowError(f"Provided value '{text}' for input '{name}' not in the list of allowed values")
    options = [as_text(one) for one in spec.get("options") or []]
    if spec.get("type") == "choice" and text not in options:
        raise WorkflowError(f"Provided value '{text}' for input '{name}' not in the list of allowed values")
    return text


def load(root: Path, path: str, workflow_id: int) -> Workflow:
    """Read one file below `root`, as it is now."""
    try:
        document = read((root / path).read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise YamlError("line 1: a workflow is a mapping")
    except (YamlError, UnicodeDecodeError) as error:
        return Workflow(workflow_id, path, path, {}, str(error))
    return Workflow(workflow_id, path, as_text(document.get("name")) or path, document)


@dataclass(slots=True)
class Plan:
    """What a run needs to know before it starts."""

    job_id: str
    job_name: str
    labels: tuple[str, ...]
    timeout_minutes: float
    steps: list[Json]
    actions: dict[str, str] = field(default_factory=dict)
    """`owner/name@ref` of every third-party action, to the name of its stand-in."""

    def index(self, key: str) -> int | None:
        """The place of a step that act calls `key`."""
        return step_index(self.steps, key)

    def key(self, index: int) -> str:
        """What act calls a step."""
        return step_key(self.steps[index], index)

    def own_action(self, index: int) -> str:
        """The folder of the repository's action that this step alone uses, such as `./workflows/run-job`; or ""."""
        path = as_text(self.steps[index].get("uses"))
        alone = sum(as_text(step.get("uses")) == path for step in self.steps) == 1
        return path if path.startswith("./") and alone else ""

    def step_name(self, index: int) -> str:
        """The name GitHub shows for a step, before expressions."""
        step = self.steps[index]
        lines = as_text(step.get("run")).strip().splitlines()
        return as_text(step.get("name")) or "Run " + (as_text(step.get("uses")) or (lines[0] if lines else ""))

    def runs_always(self, index: int) -> bool:
        """Whether a step still runs once the run was cancelled."""
        condition = as_text(self.steps[index].get("if"))
        return "always()" in condition or "cancelled()" in condition


def step_key(step: Json, index: int) -> str:
    """What act calls a step: its `id`, or its number from 0 where it has none."""
    return as_text(step.get("id")) or str(index)


def step_index(steps: list[Json], key: str) -> int | None:
    """The place of the step that act calls `key`."""
    for index, step in enumerate(steps):
        if key == step_key(step, index):
            return index
    return None


def title(workflow: Workflow, contexts: Json) -> str:
    """The run's display title; the workflow's name where `run-name` is not set."""
    try:
        return as_text(evaluate(workflow.document.get("run-name") or "", contexts)).strip() or workflow.name
    except ExpressionError as error:
        raise StartupError(str(error)) from None


def plan(workflow: Workflow, root: Path, contexts: Json) -> Plan:
    """The one job of a workflow with its expressions evaluated; StartupError says what is wrong or not understood."""
    jobs = workflow.document.get("jobs")
    if not isinstance(jobs, dict) or len(jobs) != 1:
        raise StartupError("the sandbox runs workflows of exactly one job")
    ((job_id, job),) = jobs.items()
    steps = job.get("steps") if isinstance(job, dict) else None
    if not isinstance(steps, list) or not steps or not all(isinstance(one, dict) for one in steps):
        raise StartupError(f"job {job_id} has no list of steps")
    for unknown in ("strategy", "if", "needs", "uses", "services"):
        if unknown in job:
            raise StartupError(f"the sandbox does not know `{unknown}` of a job")
    try:
        labels = evaluate(job.get("runs-on"), contexts)
        name = as_text(evaluate(job.get("name") or job_id, contexts))
        minutes = evaluate(job.get("timeout-minutes", DEFAULT_TIMEOUT_MINUTES), contexts)
        container = evaluate(job.get("container") or "", contexts)
    except ExpressionError as error:
        raise StartupError(str(error)) from None
    image = container.get("image") if isinstance(container, dict) else container
    try:
        image = evaluate(image, contexts)
    except ExpressionError as error:
        raise StartupError(str(error)) from None
    if image:
        raise StartupError("the sandbox has no containers; leave the container empty")
    return Plan(job_id, name, _labels(labels), _minutes(minutes), steps, _actions(steps, root, set()))


def _labels(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):
        value = value.get("labels")
    labels = [value] if isinstance(value, str) else value
    if not isinstance(labels, list) or not labels or not all(isinstance(one, str) and one for one in labels):
        raise StartupError("runs-on is not a label or a list of labels")
    return tuple(labels)


def _minutes(value: Any) -> float:
    try:
        minutes = float(value)
    except (TypeError, ValueError):
        minutes = 0.0
    if not minutes > 0:
        raise StartupError(f"timeout-minutes is not a positive number: {value!r}")
    return minutes


def _actions(steps: list[Json], root: Path, seen: set[Path]) -> dict[str, str]:
    """Third-party actions of steps and of the local composite actions they call."""
    found: dict[str, str] = {}
    for step in steps:
        uses = as_text(step.get("uses"))
        if uses.startswith("./"):
            found |= _local(root / uses, root, seen)
        elif uses:
            name, _, ref = uses.partition("@")
            if name not in STAND_INS or not ref:
                raise StartupError(f"the sandbox has no stand-in for {uses}; it has: {', '.join(STAND_INS)}")
            found[uses] = name
    return found


def _local(folder: Path, root: Path, seen: set[Path]) -> dict[str, str]:
    folder = folder.resolve()
    if not folder.is_relative_to(root.resolve()):
        raise StartupError(f"an action outside the repository: {folder.name}")
    file = next((folder / name for name in ("action.yml", "action.yaml") if (folder / name).is_file()), None)
    # GitHub finds out on the runner, after the checkout; so does act.
    if file is None or folder in seen:
        return {}
    try:
        document = read(file.read_text(encoding="utf-8"))
    except YamlError as error:
        raise StartupError(f"{file.name} of {folder.name}: {error}") from None
    steps = ((document or {}).get("runs") or {}).get("steps") or []
    return _actions(steps, root, seen | {folder})
