"""What may not be submitted, as a file of an admin's says it. Called by `gate`; pure, from text to refusals.

The file, in TOML; everything in it may be left out:

    [files]
    most = 20
    largest_kb = 256
    endings = [".py", ".cu", ".cuh"]

    [[forbid]]
    pattern = "stratum\\\\+tcp://"
    files = "*.py"
    reason = "Mining is not allowed here."

A pattern is a regular expression of the `regex` package, searched in each file line by line borders or not, as it says
itself with (?m), (?s) and (?i).
"""

import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import regex

from cluster_bot.runs.refusals import Refusal, ended, refuse
from cluster_bot.runs.spec import RunSpec

# All patterns together may look that long at one submission: a pattern can take for ever over a file made for it.
SEARCH_S = 2.0
_LONGEST_REASON = 300


class SearchTooLongError(Exception):
    """The patterns did not come to an end in time."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What no file whose name fits `files` may hold, and the sentence for who tries."""

    pattern: regex.Pattern[str]
    reason: str
    files: str = "*"


@dataclass(frozen=True, slots=True)
class ContentRules:
    """The rules; `most` counts files, `largest_bytes` is of one of them in UTF-8, no `endings` means any."""

    forbidden: Sequence[Forbidden] = ()
    most: int | None = None
    largest_bytes: int | None = None
    endings: tuple[str, ...] = ()

    def check(self, spec: RunSpec, *, search_s: float = SEARCH_S) -> None:
        """Raise UserError for the first rule that is broken; SearchTooLongError where that can't be told in time."""
        if self.most is not None and len(spec.files) > self.most:
            raise refuse(Refusal.TOO_MANY_FILES_HERE, limit=self.most)
        for name, text in spec.files.items():
            if self.endings and not name.lower().endswith(self.endings):
                endings = ", ".join(f"`{one}`" for one in self.endings)
                raise refuse(Refusal.ENDING_NOT_ALLOWED_HERE, name=name, extensions=endings)
            size = len(text.encode())
            if self.largest_bytes is not None and size > self.largest_bytes:
                raise refuse(Refusal.FILE_TOO_LARGE, name=name, size=size, limit=self.largest_bytes)
        end = time.monotonic() + search_s
        for one in self.forbidden:
            for name, text in spec.files.items():
                # In any case of letters: `a.PY` is a program in Python too.
                meant = fnmatchcase(name.lower(), one.files.lower())
                if meant and _found(one.pattern, text, end - time.monotonic()):
                    raise refuse(Refusal.NOT_ALLOWED_CONTENT, name=name, why=ended(one.reason))


def _found(pattern: regex.Pattern[str], text: str, within_s: float) -> bool:
    if within_s <= 0:
        # The time ran out between two searches: what was not looked for must not count as not there.
        raise SearchTooLongError
    try:
        # The lock of the interpreter is let go of meanwhile: this happens on a thread, beside the loop.
        return pattern.search(text, timeout=within_s, concurrent=True) is not None
    except TimeoutError:
        raise SearchTooLongError from None


def parse_rules(text: str) -> ContentRules:
    """The rules of a file's text; raises ValueError with half a sentence that says what is wrong with it."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is no TOML: {error}") from None
    _only(tables, "the file", "files", "forbid")
    files, forbid = tables.get("files", {}), tables.get("forbid", [])
    if not isinstance(files, Mapping) or not isinstance(forbid, list):
        raise ValueError("files is written as [files], and forbid as [[forbid]]")
    _only(files, "[files]", "most", "largest_kb", "endings")
    largest = _count(files, "largest_kb")
    endings = files.get("endings", [])
    if not isinstance(endings, list) or not all(isinstance(one, str) and one.startswith(".") for one in endings):
        raise ValueError('endings must be a list such as [".py", ".cu"]')
    return ContentRules(
        tuple(_forbidden(number, one) for number, one in enumerate(forbid, 1)),
        _count(files, "most"),
        None if largest is None else 1000 * largest,
        tuple(one.lower() for one in endings),
    )


def _forbidden(number: int, entry: Any) -> Forbidden:
    here = f"[[forbid]] number {number}"
    if not isinstance(entry, Mapping):
        raise ValueError(f"{here} is no table")
    _only(entry, here, "pattern", "files", "reason")
    texts = [entry.get(name, standard) for name, standard in (("pattern", ""), ("reason", ""), ("files", "*"))]
    if not all(isinstance(one, str) and one.strip() for one in texts):
        raise ValueError(f"{here} needs a pattern and a reason")
    pattern, reason, files = texts
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"the pattern of {here} is no regular expression: {error}") from None
    return Forbidden(compiled, " ".join(reason.split())[:_LONGEST_REASON], files)


def _count(table: Mapping[str, Any], name: str) -> int | None:
    value = table.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{name} of [files] must be a whole number of 1 or more")
    return value


def _only(table: Mapping[str, Any], where: str, *known: str) -> None:
    unknown = [name for name in table if name not in known]
    if unknown:
        raise ValueError(f"{where} has no {str(unknown[0])[:40]!r}, only {', '.join(known)}")
