"""The program's own folder and environment: all it can write to, and all it is told.

Called by `execute` before the first command. The folder is `work/` of the spool: `src/` (the files, in their folders;
the current folder), `build/`, `artifacts/`, `home/`, `tmp/`, `shm/` (shared memory, in a sandbox). The environment is
made from nothing: no variable of the bot's ever reaches a program, only what names the GPUs and the system's libraries
is passed on.
"""

import os
from typing import Dict, Optional, Sequence

from cluster_runner.wire import PASSED_ON, Payload

_STANDARD_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Workspace:
    """`work/` below the current folder, made anew for `owner` (a uid, None: this process's own)."""

    def __init__(self, payload: Payload, owner: Optional[int]) -> None:
        self._payload = payload
        self.root = os.path.abspath("work")
        os.mkdir(self.root, 0o700)
        for name in ("src", "build", "artifacts", "home", "tmp", "shm"):
            os.mkdir(os.path.join(self.root, name), 0o700)
        for name, text in payload.files.items():
            # The payload has seen to it that no name leads out of the folder, and that none is a folder of another.
            _make_folders(os.path.join(self.root, "src"), name.split("/")[:-1])
            with open(os.path.join(self.root, "src", *name.split("/")), "x", encoding="utf-8", newline="") as file:
                file.write(text)
        if owner is not None:
            for folder, folders, files in os.walk(self.root):
                for name in (*folders, *files):
                    os.chown(os.path.join(folder, name), owner, owner)
            os.chown(self.root, owner, owner)

    @property
    def artifacts(self) -> str:
        """The folder whose files are kept."""
        return os.path.join(self.root, "artifacts")

    def environment(self, tool_folders: Sequence[str], seen: str) -> Dict[str, str]:
        """The environment of compiler and program, to whom `root` is known as `seen`.

        They run in PWD, the folder of the files. The folders of the tools in use come first in PATH.
        """
        path = list(dict.fromkeys((*tool_folders, *_STANDARD_PATH)))
        home = os.path.join(seen, "home")
        env = {
            "PATH": os.pathsep.join(path),
            "HOME": home,
            "TMPDIR": os.path.join(seen, "tmp"),
            "PWD": os.path.join(seen, "src"),
            "USER": "runner",
            "LOGNAME": "runner",
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            # A terminal, but one that moves no cursor and invites no colours: what is printed ends in a chat. Colours
            # that a program gives anyway are kept; they are not asked for, since phones may show their codes instead.
            "TERM": "dumb",
            "PYTHONUNBUFFERED": "1",
            "MPLBACKEND": "Agg",
            "MPLCONFIGDIR": os.path.join(home, "matplotlib"),
            "CLUSTER_ARTIFACTS": os.path.join(seen, "artifacts"),
            "CLUSTER_RUN": self._payload.run,
        }
        return dict(env, **{name: os.environ[name] for name in PASSED_ON if name in os.environ})


def _make_folders(below: str, names: Sequence[str]) -> None:
    # Not makedirs: its mode is that of the last one alone.
    for name in names:
        below = os.path.join(below, name)
        if not os.path.isdir(below):
            os.mkdir(below, 0o700)
