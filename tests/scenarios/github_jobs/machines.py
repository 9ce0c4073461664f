"""The machines of the halls: what `python3` is there decides as whom jobs run, and whether bubblewrap can be found.

All runners of the sandbox's GitHub share one PATH. It leads to a `python3` that looks at the runner's name: machines
called `kept` have bubblewrap, the others have none; on those called `user` the job is an ordinary user's, as GitHub's
own runner software is, to whom the job's folder belongs; on those called `stuck` nothing ever gets under way. All
others are root's where the tests are.

The repository is a copy of what jobs need of this one, with workflow files beside it that can't be executed, and one
with a concurrency group.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from cluster_sandbox.github import Runner

RUNNERS = (
    Runner("nvidia-box", ("self-hosted", "nvidia"), count=4),
    Runner("amd-box", ("self-hosted", "amd")),
    Runner("kept-box", ("self-hosted", "nvidia", "kept"), count=1),
    Runner("user-box", ("self-hosted", "nvidia", "user"), count=1),
    Runner("stuck-box", ("self-hosted", "nvidia", "stuck")),
)
# No runner has a label of NOBODY's; NOWHERE, BROKEN, STRANGE and UNASKED are no good workflow files; of SHARED one run
# at a time may ask for a runner.
GPUS = ", ".join(
    [
        *(f"{name.upper()}=nvidia:self-hosted+{name}" for name in ("nvidia", "kept", "user", "stuck", "nobody")),
        "AMD=amd:self-hosted+amd",
        *(f"{name.upper()}={name}.yml:self-hosted+nvidia" for name in ("nowhere", "broken", "strange", "unasked")),
        "SHARED=shared.yml:self-hosted+nvidia",
    ]
)
_ONE_AT_A_TIME = """
concurrency:
  group: the lab's one box
  queue: max
"""
_ROOT = Path(__file__).parents[3]
TOOLS = ("sh", "bash", "rm", "cat", "env", "chown", "sleep")
ORDINARY = 1_734_567
_ENTER = Path(__file__).parents[2] / "unit" / "runner" / "ordinary_user.py"
_PYTHON = """\
#!/bin/sh
python={python}
case "$RUNNER_NAME" in
kept*) PATH="$PATH:{rest}" ;;
stuck*) exec sleep 600 ;;
user*)
    case "$*" in *--github*)
        if [ "$(id -u)" = 0 ]; then
            chown -R {user} "$HOME/.."
            exec "$python" {enter} {user} "$HOME/.." "$python" "$@"
        fi
    esac ;;
esac
exec "$python" "$@"
"""


def machine_path(folder: Path, python: Path) -> str:
    """Make the machines' programs below `folder`; their PATH."""
    tools = folder / "bin"
    tools.mkdir(mode=0o755)
    for name in (*TOOLS, "id"):
        found = shutil.which(name)
        assert found, f"no {name} on this machine"
        (tools / name).symlink_to(found)
    rest = os.environ.get("PATH", os.defpath)
    text = _PYTHON.format(python=shlex.quote(str(python)), rest=rest, user=ORDINARY, enter=shlex.quote(str(_ENTER)))
    (tools / "python3").write_text(text)
    (tools / "python3").chmod(0o755)
    return str(tools)


def copy_repository(folder: Path) -> Path:
    """Copy the workflow files, the action and the runner to below `folder`; where."""
    root = folder / "repository"
    for name in (".github/workflows", "workflows", "src/cluster_runner"):
        shutil.copytree(_ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    workflows = root / ".github" / "workflows"
    good = (workflows / "nvidia_workflow.yml").read_text("utf-8")
    (workflows / "broken.yml").write_text(good.replace("    steps:", "    steps: [\n  - }"))
    (workflows / "strange.yml").write_text(good.replace("uses: ./workflows/run-job", "uses: nobody/knows@v1"))
    (workflows / "unasked.yml").write_text(good.replace("workflow_dispatch:", "workflow_call:"))
    (workflows / "shared.yml").write_text(good.replace("\njobs:\n", _ONE_AT_A_TIME + "\njobs:\n"))
    return root
