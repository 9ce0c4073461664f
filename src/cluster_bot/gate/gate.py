"""The `Gate` port: an admin's rules first, since they cost nothing, then their program.

The rules' file is read again when it has changed, so that an admin edits it while the bot works. One that can't be used
is said in the log, and the last one that could stays in force.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster_bot.errors import StartupError
from cluster_bot.gate.checker import Checker, CheckerFailedError
from cluster_bot.gate.rules import ContentRules, SearchTooLongError, parse_rules
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.refusals import Refusal, ended, refuse

log = get_logger(__name__)

Stamp = tuple[int, int, int]

AT_ONCE = 4


@dataclass(slots=True)
class _Read:
    """The rules, and of which state of the file they are."""

    rules: ContentRules
    stamp: Stamp | None


def closed() -> bool:
    """What could not be checked may not begin."""
    return False


class AdminsGate:
    """`fails_open()`: whether a run may begin that could not be checked. StartupError where the file is no use."""

    def __init__(self, rules: Path | None, checker: Checker | None, *, fails_open: Callable[[], bool] = closed) -> None:
        self._path = rules
        self._checker = checker
        self._fails_open = fails_open
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._read = _Read(ContentRules(), None)
        if rules is not None:
            try:
                self._read = _Read(*_load(rules))
            except (OSError, ValueError) as error:
                raise StartupError(f"The file CONTENT_RULES_FILE can't be used ({_why(error)}); correct it.") from None

    async def check(self, submission: Submission) -> None:
        """Raise UserError with the reason where it must not run."""
        try:
            # Few at once, whoever asks how often: a search may take seconds, and a checker is a program.
            async with self._turns:
                rules = await asyncio.to_thread(self._newest)
                await asyncio.to_thread(rules.check, submission.spec)
                words = None if self._checker is None else await self._checker.refusal(submission)
        except (SearchTooLongError, CheckerFailedError) as error:
            what = "the patterns take too long" if isinstance(error, SearchTooLongError) else f"the checker: {error}"
            log.error("not checked: %s", what, extra={"action": "gate_failed", "let_pass": self._fails_open()})
            if not self._fails_open():
                raise refuse(Refusal.NOT_CHECKED) from None
            return
        if words is not None:
            raise refuse(Refusal.CHECKER_SAID_NO, why=ended(words))

    def _newest(self) -> ContentRules:
        if self._path is None:
            return self._read.rules
        try:
            if _stamp(self._path) != self._read.stamp:
                self._read = _Read(*_load(self._path))
        except (OSError, ValueError) as error:
            stamp = _stamp_or_none(self._path)
            if stamp != self._read.stamp:
                log.error("rules kept as they were: %s", _why(error), extra={"action": "rules_unusable"})
            self._read = _Read(self._read.rules, stamp)
        return self._read.rules


def _load(path: Path) -> tuple[ContentRules, Stamp]:
    # In this order a change in between is seen the next time.
    stamp = _stamp(path)
    return parse_rules(path.read_text("utf-8")), stamp


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _stamp_or_none(path: Path) -> Stamp | None:
    try:
        return _stamp(path)
    except OSError:
        return None


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"it can't be read: {(error.strerror or 'unknown error').lower()}"
    return "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
