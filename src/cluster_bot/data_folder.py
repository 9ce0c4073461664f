"""The folder that a bot has to itself: made private, and locked for as long as the bot lives.

Entered by the composition root before anything is opened.
"""

import fcntl
from pathlib import Path
from typing import ClassVar

from cluster_bot.errors import StartupError


class DataFolder:
    """The data folder, made where missing, and locked: two bots on one folder would each answer everything.

    A record lock dies with its process. Any other would be held, for a moment after a kill, by a runner that was just
    being forked, and turn away the bot's next life. As a process has it only once, `_held` keeps its own bots apart.
    """

    _held: ClassVar[set[Path]] = set()

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        if self._path.resolve() in self._held:
            raise self._in_use()
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            for kept in self._path.glob("cluster-bot.sqlite3*"):
                # What was made under another umask: programs of other users could read it.
                kept.chmod(0o600)
            self._lock = (self._path / "bot.lock").open("w")
        except OSError as error:
            raise StartupError(
                f"The data folder {self._path} can't be used ({error.strerror}); set DATA_DIR."
            ) from None
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self._lock.close()
            raise self._in_use() from None
        self._held.add(self._path.resolve())

    def __exit__(self, *_: object) -> None:
        self._held.discard(self._path.resolve())
        self._lock.close()

    def _in_use(self) -> StartupError:
        return StartupError(f"Another bot is using the data folder {self._path}; stop it, or set DATA_DIR.")
