"""Executes a command as an ordinary user, though this process is root: `python ordinary_user.py UID FOLDER COMMAND...`.

For the tests of what happens where nobody is root. The interpreter may lie where only root may enter, so the command
gets a view of the file system in which its folders, and FOLDER, can be reached.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "src"))

from cluster_runner.mounts import enter, plan


def main(uid: int, folder: str, command: list[str]) -> None:
    """Become the user and the command; never returns."""
    os.umask(0o022)
    enter(plan([*{sys.prefix, sys.base_prefix, str(Path(__file__).parents[3])}], folder))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
