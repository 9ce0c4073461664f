"""What GitHub prints of a step before it runs: its script, `with:` and `env:`, expressions evaluated, unmasked here.

act keeps quiet about them. Expressions the sandbox cannot evaluate are printed as written: they come from outputs of
earlier steps, which are not secret from the log that printed them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .expressions import ExpressionError, as_text, evaluate
from .workflow import Plan, step_index
from .yaml_reader import YamlError, read

Json = dict[str, Any]


class Announcer:
    """Knows the steps by act's path to them: ["2"] is the third step, ["2", "build"] the step `build` of its action."""

    def __init__(self, plan: Plan, document: Json, root: Path, contexts: Json) -> None:
        self._plan, self._document, self._root = plan, document, root
        self._contexts = contexts

    def lines(self, path: list[str]) -> str:
        """The group of lines in front of a step's own; empty within a stand-in, for what that replaces says nothing."""
        steps, contexts, folder_env = self._plan.steps, self._contexts, self._outer_env()
        for depth, key in enumerate(path):
            if (index := step_index(steps, key)) is None:
                return ""
            if depth == len(path) - 1:
                return _announce(steps[index], contexts, folder_env)
            if as_text(steps[index].get("uses")) in self._plan.actions:
                return ""
            action, contexts = self._inside(steps[index], contexts)
            steps = action.get("runs", {}).get("steps") or []
        return ""

    def _outer_env(self) -> Json:
        job = self._document["jobs"][self._plan.job_id]
        return {**(self._document.get("env") or {}), **(job.get("env") or {})}

    def _inside(self, step: Json, contexts: Json) -> tuple[Json, Json]:
        """The composite action a step uses, and the contexts within it."""
        folder = self._root / as_text(step.get("uses"))
        action: Json = {}
        for file in (folder / "action.yml", folder / "action.yaml"):
            try:
                action = read(file.read_text(encoding="utf-8")) or {}
                break
            except (OSError, YamlError):
                continue
        given = {name: _shown(value, contexts) for name, value in (step.get("with") or {}).items()}
        defaults = {
            name: _shown((one or {}).get("default"), contexts) for name, one in (action.get("inputs") or {}).items()
        }
        return action, {**contexts, "inputs": {**defaults, **given}}


def _shown(value: Any, contexts: Json) -> str:
    try:
        return as_text(evaluate(value, contexts))
    except ExpressionError:
        return as_text(value)


def _announce(step: Json, contexts: Json, outer_env: Json) -> str:
    script = _shown(step.get("run"), contexts).rstrip("\n")
    title = script.split("\n")[0] if script else as_text(step.get("uses"))
    lines = [f"##[group]Run {title}"]
    if script:
        lines += [f"\x1b[36;1m{line}\x1b[0m" for line in script.split("\n")]
        lines.append(f"shell: {as_text(step.get('shell')) or 'bash -e'} {{0}}")
    for block, values in (("with", step.get("with") or {}), ("env", {**outer_env, **(step.get("env") or {})})):
        if values:
            lines.append(f"{block}:")
            lines += [f"  {name}: {_shown(value, contexts)}" for name, value in values.items()]
    return "\n".join([*lines, "##[endgroup]"])
