"""The part of this repository that a GitHub needs to execute our jobs: its workflows and the runner, and no more.

A stand-in copies its whole repository for each job, so a small folder makes tests quick.
"""

import atexit
import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PARTS = (".github/workflows", "workflows", "src/cluster_runner")
_PACKAGES = "          packages: ${{ inputs.packages }}\n"


def workflow_folder(target: Path, *, same_user: str = "if_needed") -> Path:
    """Make `target` such a folder, whose programs may write outside of their own: tests want to hear from them."""
    for part in _PARTS:
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    for workflow in (target / ".github" / "workflows").glob("*_workflow.yml"):
        text = workflow.read_text("utf-8")
        assert _PACKAGES in text
        # A setting of the machine, as README.md says: programs in a sandbox could not write to where the test looks.
        given = f"{_PACKAGES}          sandbox: none\n          same-user: {same_user}\n"
        workflow.write_text(text.replace(_PACKAGES, given), "utf-8")
    return target


def _folder(prefix: str) -> Path:
    """An empty folder for all to read, there until this process ends."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    return folder


@functools.cache
def _without_node() -> Path:
    node = _folder("cluster-no-node-") / "node"
    node.write_text("#!/bin/sh\nexit 127\n")
    node.chmod(0o755)
    return node.parent


def machine_environment() -> dict[str, str]:
    """What the runners' machines have in their environment: this interpreter as `python3`, and no Node.

    act would start one for each job, to ask where it is, and no step of ours wants it.
    """
    before = (str(_without_node()), str(Path(sys.executable).parent))
    return {"PATH": os.pathsep.join([*before, os.environ.get("PATH", os.defpath)])}
