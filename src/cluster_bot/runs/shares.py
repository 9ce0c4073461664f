"""Who gets other limits than everybody: a file of an admin's, by member and by role.

Read by the composition root at the start, asked by the scheduler for each submission. What a member's own entry says
counts; where it says nothing, the most generous of the entries of their roles; where these say nothing, what everybody
gets. The file, in TOML:

    [default]
    gpus = ["T4", "L4"]

    [[role]]
    id = "4096"
    runs_at_once = 10
    gpus = ["*"]

    [[member]]
    id = "8192"
    gpu_minutes_per_day = "unlimited"
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cluster_bot.runs.rules import Limits

# Names of fields of Limits, and their values.
Share = Mapping[str, Any]

# The file's word for each field of Limits that it may set, and whether a whole number is meant.
_NUMBERS = {
    "runs_at_once": ("live_per_member", True),
    "runs_per_hour": ("runs_per_hour", True),
    "gpu_minutes_per_day": ("gpu_minutes_per_day", False),
}
_UNLIMITED = "unlimited"
# Never reached: as many as all may have together is a limit of its own.
_MANY = 1_000_000
_PATTERN = re.compile(r"[!-_a-~]{1,100}")


@dataclass(frozen=True, slots=True)
class Shares:
    """Fields of Limits that differ: for everybody, by group (a role's id) and by member's id."""

    default: Share = field(default_factory=dict)
    groups: Mapping[str, Share] = field(default_factory=dict)
    members: Mapping[str, Share] = field(default_factory=dict)

    def of(self, usual: Limits, member: str, groups: Collection[str]) -> Limits:
        """The limits of a member who is in `groups`; `usual` are those of the settings."""
        of_groups = [self.groups[one] for one in groups if one in self.groups]
        generous = {name: _most(share[name] for share in of_groups if name in share) for name in _names(of_groups)}
        return replace(usual, **{**self.default, **generous, **self.members.get(member, {})})


def parse_shares(text: str) -> Shares:
    """The shares that a file's text gives; raises ValueError with half a sentence that says what is wrong with it."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is no TOML: {error}") from None
    unknown = sorted(set(tables) - {"default", "role", "member"})
    if unknown:
        raise ValueError(f"there is no [{unknown[0][:40]}], only [default], [[role]] and [[member]]")
    return Shares(_share("[default]", tables.get("default", {})), _by_id("role", tables), _by_id("member", tables))


def _by_id(kind: str, tables: Mapping[str, Any]) -> dict[str, Share]:
    entries = tables.get(kind, [])
    if not isinstance(entries, list):
        raise ValueError(f"a {kind} is written as [[{kind}]]")
    found: dict[str, Share] = {}
    for entry in entries:
        number = str(entry.get("id", ""))
        if not number.isascii() or not number.isdecimal():
            raise ValueError(f"each [[{kind}]] needs an id, the number that Discord's Copy ID gives")
        if number in found:
            raise ValueError(f"the {kind} {number[:40]} is there twice")
        found[number] = _share(f"[[{kind}]] {number[:40]}", {key: entry[key] for key in entry if key != "id"})
    return found


def _share(where: str, entry: object) -> Share:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} must be a table")
    share: dict[str, Any] = {}
    for word, value in entry.items():
        if word == "gpus":
            share["gpus"] = _patterns(where, value)
        elif word in _NUMBERS:
            name, whole = _NUMBERS[word]
            share[name] = _number(f"{word} of {where}", value, whole=whole)
            if share[name] is None and name == "live_per_member":
                share[name] = _MANY
        else:
            raise ValueError(f"{where} has no {str(word)[:40]!r}; it may have gpus, {', '.join(_NUMBERS)}")
    return share


def _number(what: str, value: object, *, whole: bool) -> int | float | None:
    if value == _UNLIMITED:
        return None
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value <= _MANY:
        raise ValueError(f'{what} must be a {"whole number" if whole else "number"}, 0 or more, or "{_UNLIMITED}"')
    return value


def _patterns(where: str, value: object) -> tuple[str, ...]:
    fine = isinstance(value, list) and all(isinstance(one, str) and _PATTERN.fullmatch(one) for one in value)
    if not isinstance(value, list) or not fine:
        raise ValueError(f'gpus of {where} must be a list of names, such as ["T4", "H100*"]')
    return tuple(value)


def _names(shares: Iterable[Share]) -> set[str]:
    return {name for share in shares for name in share}


def _most(values: Iterable[Any]) -> Any:
    """The most generous: no limit before any, the highest number, all the GPUs together."""
    given = list(values)
    if None in given:
        return None
    if all(isinstance(one, tuple) for one in given):
        return tuple(dict.fromkeys(gpu for one in given for gpu in one))
    return max(given)
