"""What a program of the local launcher is kept apart with, tried for real: a runner starts one that does nothing.

Called by `local_process` once in its life, so that every run after it may insist on what was found: a runner that fell
back by itself could be made to, by a crowd of processes. Blocks for tenths of a second. Limits: a machine that changes
meanwhile (bubblewrap installed, namespaces forbidden) is noticed when the bot starts again.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 60.0
_STALE_S = 120.0


@dataclass(frozen=True, slots=True)
class Trial:
    """`words`: how programs are kept apart, one line for people; `without`: why there is no sandbox, "" if there is."""

    words: str
    without: str = ""
    works: bool = True

    @property
    def contained(self) -> bool:
        """Whether a program is kept from what the bot's own user may read and change."""
        return self.works and not self.words.startswith("NOT CONTAINED")


def try_machine(root: Path, command: Sequence[str], env: Mapping[str, str]) -> Trial:
    """Try it in a folder of its own in `root`, removed afterwards; `command` is a runner's without its folder."""
    _remove_stale(root)
    folder = Path(tempfile.mkdtemp(prefix="trial-", dir=root))
    try:
        folder.chmod(0o711)
        done = subprocess.run(
            [*command, "--try", "--spool", str(folder)],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Trial(f"the runner could not be tried ({type(error).__name__})", works=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode == 0 and len(lines) == 2:
        return Trial(lines[1], lines[0])
    return Trial(lines[-1] if lines else "the runner could not be tried", works=False)


def _remove_stale(root: Path) -> None:
    # Left by a bot that was killed meanwhile.
    for folder in root.glob("trial-*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_S:
                shutil.rmtree(folder, ignore_errors=True)
