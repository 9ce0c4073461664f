"""The folder of one execution: a copy of the repository, a home, the event file, the stand-ins of actions.

`execution.py` makes one for every job and removes it after, so that parallel jobs never meet. Blocking: call
it in a thread.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from .model import Run

ACTIONS = Path(__file__).with_name("actions")
LEFT_OUT = (".git", ".venv", "venv", "data", "node_modules", "__pycache__")
EVERY_LABEL = "self-hosted"


class Workspace:
    """Made by `prepare`; `close` removes it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sandbox-github-"))
        self.tree = self.folder / "repository"
        self.home = self.folder / "home"

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self, root: Path, run: Run, full_name: str, event: Mapping[str, Any]) -> None:
        """Fill the folder. OSError where the disk or the repository will not have it."""
        copy_tree(root, self.tree)
        _leave_concurrency_out(self.tree / run.workflow.path, run.workflow.document)
        _write_git(self.tree, run, full_name)
        for name in ("config", "cache", "temp", "bin"):
            (self.home / name).mkdir(parents=True)
        (self.folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
        secrets = self.folder / "secrets"
        secrets.touch(mode=0o600)
        secrets.write_text(f"GITHUB_TOKEN={run.token}\n", encoding="utf-8")
        python = _python3(os.environ.get("PATH", os.defpath))
        if python is not None:
            (self.home / "bin" / "python3").symlink_to(python)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """What a runner's service gives to its jobs: nothing of ours but the way to the programs."""
        path = os.environ.get("PATH", os.defpath)
        return {
            "PATH": f"{self.home / 'bin'}{os.pathsep}{path}",
            "LANG": "C.UTF-8",
            **extra,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "TMPDIR": str(self.home / "temp"),
        }

    def command(self, run: Run, variables: Mapping[str, str]) -> list[str]:
        """The way to call act. No artifact server: it would give `run:` steps a token GitHub does not give them."""
        assert run.plan is not None
        act = Path(sys.executable).with_name("act")
        command = [str(act) if act.exists() else "act", "workflow_dispatch", "--json", "-W", run.workflow.path]
        command += ["-e", str(self.folder / "event.json"), "--secret-file", str(self.folder / "secrets")]
        command += [
            "--action-offline-mode",
            "--no-cache-server",
            "--env-file",
            "",
            "--var-file",
            "",
            "--input-file",
            "",
        ]
        command += ["--actor", variables["GITHUB_ACTOR"]]
        for label in sorted({EVERY_LABEL, *(label.lower() for label in run.plan.labels)}):
            command += ["-P", f"{label}=-self-hosted"]
        for name, value in variables.items():
            command += ["--env", f"{name}={value}"]
        for uses, name in run.plan.actions.items():
            command += ["--local-repository", f"{uses}={ACTIONS / name.partition('/')[2]}"]
        return command


def _leave_concurrency_out(file: Path, document: Mapping[str, Any]) -> None:
    """Groups are this server's matter, and act takes `queue` for an error."""
    jobs = {name: {**job} for name, job in document["jobs"].items()}
    given = {**document, "jobs": jobs}
    if sum(one.pop("concurrency", None) is not None for one in (given, *jobs.values())):
        # JSON is YAML.
        file.write_text(json.dumps(given), encoding="utf-8")


@functools.cache
def _python3(path: str) -> str | None:
    """What a job's `python3` is to be; None where the one that `path` leads to will do."""
    found = shutil.which("python3", path=path)
    if found is None:
        # A runner machine has a python3; one where only this interpreter exists lends it.
        return sys.executable
    if Path(found).parent.name != "shims":
        return None
    # pyenv and its like look for the right version at each call, which takes ten times as long as what they start.
    question = "import sys; print(sys.executable if sys.prefix == sys.base_prefix else '')"
    asked = subprocess.run([found, "-I", "-c", question], capture_output=True, check=False, text=True)
    return asked.stdout.strip() or None


def copy_tree(root: Path, target: Path) -> None:
    """Copy what belongs to the repository."""
    target.mkdir()
    for name in listed(root):
        source = root / name
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target / name, follow_symlinks=False)


def listed(root: Path) -> list[str]:
    """The files that belong to the repository, by path: what git does not ignore, else everything but `LEFT_OUT`."""
    names = _listed_by_git(root)
    if names is None:
        return walk(root, LEFT_OUT)
    return [name for name in names if (root / name).is_file() or (root / name).is_symlink()]


def walk(root: Path, left_out: Container[str] = ()) -> list[str]:
    """The files and links below a folder, by path."""
    return sorted(_walk(root, root, left_out))


def _walk(folder: Path, root: Path, left_out: Container[str]) -> Iterator[str]:
    for path in folder.iterdir():
        if path.name in left_out or path.name.startswith(".venv-"):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, root, left_out)
        elif path.is_file() or path.is_symlink():
            yield path.relative_to(root).as_posix()


def _listed_by_git(root: Path) -> list[str] | None:
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    command = [git, "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    # A checkout of another user is refused by git; it is copied as a plain folder then.
    return os.fsdecode(listed.stdout).split("\0")[:-1] if listed.returncode == 0 else None


def _write_git(tree: Path, run: Run, full_name: str) -> None:
    """As much of a .git as act reads: where the repository comes from and what is checked out."""
    git = tree / ".git"
    (git / "objects").mkdir(parents=True)
    reference = git / run.ref
    reference.parent.mkdir(parents=True)
    reference.write_text(run.sha + "\n", encoding="ascii")
    (git / "HEAD").write_text(f"ref: {run.ref}\n", encoding="ascii")
    (git / "config").write_text(
        f'[core]\n\trepositoryformatversion = 0\n\tbare = false\n[remote "origin"]\n\turl = https://github.com/{full_name}\n',
        encoding="utf-8",
    )
