"""A member's options for a command, typed and checked as the real client does before it sends anything.

Pure but for uploading attachments through the given function. Used by `members.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .commands import SUB_COMMAND, SUB_COMMAND_GROUP, all_names
from .model import Attachment, Json

STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(3, 12)


class CommandError(ValueError):
    """The member could not have sent this: no such command or option, a value the client would refuse."""


@dataclass(frozen=True, slots=True)
class File:
    """A file a member attaches."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A registered command and the path to the part of it that runs."""

    command: Json
    path: tuple[Json, ...]
    """Subcommand group and subcommand, as far as there are any."""

    @property
    def options(self) -> list[Json]:
        return list((self.path[-1] if self.path else self.command).get("options") or [])

    @property
    def qualified_name(self) -> str:
        return " ".join([self.command["name"], *(one["name"] for one in self.path)])


def choose(commands: list[Json], full_name: str) -> Chosen:
    """Find "run local" among registered commands; CommandError says what there is instead."""
    names = full_name.removeprefix("/").split()
    command = next((one for one in commands if names and one["name"] == names[0] and one["type"] == 1), None)
    if command is None:
        known = ", ".join(sorted(f"/{one}" for one in all_names(commands))) or "none"
        raise CommandError(f"no command /{full_name}; registered: {known}")
    path: list[Json] = []
    node = command
    for name in names[1:]:
        parts = [one for one in node.get("options") or [] if one["type"] in (SUB_COMMAND, SUB_COMMAND_GROUP)]
        found = next((one for one in parts if one["name"] == name), None)
        if found is None:
            known = ", ".join(sorted(f"/{one}" for one in all_names([command])))
            raise CommandError(f"no command /{full_name}; there is: {known}")
        path.append(found)
        node = found
    if any(one["type"] in (SUB_COMMAND, SUB_COMMAND_GROUP) for one in node.get("options") or []):
        raise CommandError(f"/{full_name} is a group; there is: {', '.join(sorted(all_names([command])))}")
    return Chosen(command, tuple(path))


@dataclass(slots=True)
class Resolver:
    """Turns values into options and collects what they refer to. The functions look up or upload."""

    upload: Callable[[File], Attachment]
    attachment: Callable[[Attachment], Json]
    user: Callable[[Any], tuple[int, Json, Json]]
    channel: Callable[[Any], tuple[int, Json]]
    role: Callable[[Any], tuple[int, Json]]
    resolved: dict[str, dict[str, Json]] = field(default_factory=dict)

    def option(self, definition: Json, value: Any, *, partial: bool = False) -> Json:
        """One option as it is sent; `partial`: still being typed, so limits do not apply yet."""
        kind, name = definition["type"], definition["name"]
        if kind == ATTACHMENT:
            value = self._file(name, value)
        elif kind == ROLE:
            number, role = self.role(value)
            self.resolved.setdefault("roles", {})[str(number)] = role
            value = str(number)
        elif kind in (USER, MENTIONABLE):
            number, user, member = self.user(value)
            self.resolved.setdefault("users", {})[str(number)] = user
            if member:
                self.resolved.setdefault("members", {})[str(number)] = member
            value = str(number)
        elif kind == CHANNEL:
            number, channel = self.channel(value)
            if definition.get("channel_types") and channel["type"] not in definition["channel_types"]:
                raise CommandError(f"option {name!r} takes another kind of channel than {channel['name']!r}")
            self.resolved.setdefault("channels", {})[str(number)] = channel
            value = str(number)
        elif not partial:
            value = _plain(kind, name, value)
            _check_value(definition, value)
        return {"name": name, "type": kind, "value": value}

    def _file(self, name: str, value: Any) -> str:
        if not isinstance(value, File):
            raise CommandError(f"option {name!r} takes a File, not {value!r}")
        stored = self.upload(value)
        self.resolved.setdefault("attachments", {})[str(stored.id)] = self.attachment(stored)
        return str(stored.id)


def _plain(kind: int, name: str, value: Any) -> Any:
    if kind == STRING:
        return str(value)
    wanted: dict[int, tuple[type, ...]] = {INTEGER: (int,), BOOLEAN: (bool,), NUMBER: (int, float)}
    if not isinstance(value, wanted[kind]) or (isinstance(value, bool) and kind != BOOLEAN):
        raise CommandError(f"option {name!r} takes {wanted[kind][0].__name__}, not {value!r}")
    return value


def _check_value(definition: Json, value: Any) -> None:
    name, choices = definition["name"], definition.get("choices") or []
    if choices and not definition.get("autocomplete") and value not in [one["value"] for one in choices]:
        raise CommandError(f"option {name!r} takes one of {[one['value'] for one in choices]}, not {value!r}")
    size = len(value) if isinstance(value, str) else value
    low_key, high_key = ("min_length", "max_length") if isinstance(value, str) else ("min_value", "max_value")
    high = definition.get(high_key, 6000 if isinstance(value, str) else None)
    if definition.get(low_key) is not None and size < definition[low_key]:
        raise CommandError(f"option {name!r} is below its {low_key} of {definition[low_key]}: {value!r}")
    if high is not None and size > high:
        raise CommandError(f"option {name!r} is above its {high_key} of {high}: {str(value)[:80]!r}")


def build(
    chosen: Chosen, given: Mapping[str, Any], resolver: Resolver, *, focused: tuple[str, Any] | None = None
) -> Json:
    """The `data` of the interaction. `focused`: name and text of the option being typed (autocomplete)."""
    known = {one["name"]: one for one in chosen.options}
    unknown = [name for name in given if name not in known]
    if unknown or (focused and focused[0] not in known):
        wrong = unknown or [focused[0] if focused else ""]
        raise CommandError(f"/{chosen.qualified_name} has no option {wrong[0]!r}; it has: {', '.join(known)}")
    missing = [name for name, one in known.items() if one.get("required") and given.get(name) is None]
    if missing and focused is None:
        raise CommandError(f"/{chosen.qualified_name} needs the option {missing[0]!r}")
    options = [resolver.option(known[name], value) for name, value in given.items() if value is not None]
    if focused is not None:
        name, text = focused
        if not known[name].get("autocomplete"):
            raise CommandError(f"option {name!r} of /{chosen.qualified_name} has no autocomplete")
        options.append({**resolver.option(known[name], text, partial=True), "focused": True})
    for part in reversed(chosen.path):
        options = [{"name": part["name"], "type": part["type"], "options": options}]
    command = chosen.command
    data: Json = {"id": command["id"], "name": command["name"], "type": 1, "options": options}
    if "guild_id" in command:
        # Without it discord.py looks among the global commands only.
        data["guild_id"] = command["guild_id"]
    if resolver.resolved:
        data["resolved"] = resolver.resolved
    return data
