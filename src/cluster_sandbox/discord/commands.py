"""Application commands: what a definition may be, and where the registered ones are kept.

Definitions come from `rest/commands.py`; `members.py` reads them to type the options of an invocation.
"""

from __future__ import annotations

import asyncio
import re

from ..pulse import Pulse
from .errors import ApiError, FormErrors, api_error
from .model import Json
from .world import World

CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
SUB_COMMAND, SUB_COMMAND_GROUP = 1, 2
NAME = re.compile(r"^[-_'\w]{1,32}$")
MAX_OPTIONS = MAX_CHOICES = 25
MAX_COMMANDS = {CHAT_INPUT: 100, USER_MENU: 15, MESSAGE_MENU: 15}
MAX_CHARACTERS = 8000
OPTION_TYPES = tuple(range(1, 12))


def check_command(data: Json, errors: FormErrors, path: str = "") -> None:
    """Add to `errors` what is wrong with a definition. `path`: "" or "3." in a bulk overwrite."""
    kind = data.get("type") or CHAT_INPUT
    errors.choice(f"{path}type", kind, (1, 2, 3, 4))
    for key, most in (("contexts", 2), ("integration_types", 1)):
        values = data.get(key)
        for value in values or []:
            errors.choice(f"{path}{key}", value, tuple(range(most + 1)))
        if values is not None and (len(set(values)) < len(values) or not values):
            errors.add(f"{path}{key}", "BASE_TYPE_BAD_LENGTH", "Must be unique, and one at least")
    if kind != CHAT_INPUT:
        _check_menu(data, errors, path)
        return
    _check_named(data, errors, path)
    _check_options(data.get("options"), errors, path, depth=0)
    if _characters(data) > MAX_CHARACTERS:
        message = f"Command exceeds maximum size ({MAX_CHARACTERS})"
        errors.add(f"{path}name", "APPLICATION_COMMAND_TOO_LARGE", message)


def _check_menu(data: Json, errors: FormErrors, path: str) -> None:
    """What stands in the menu of a message or a user: a name as people write it, and nothing else."""
    errors.length(f"{path}name", data.get("name"), 1, 32, required=True)
    if data.get("description"):
        message = "Context menu commands cannot have description"
        errors.add(f"{path}description", "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_INVALID", message)
    if data.get("options"):
        message = "Context menu commands cannot have options"
        errors.add(f"{path}options", "APPLICATION_COMMAND_CONTEXT_MENU_OPTIONS_INVALID", message)


def _check_named(data: Json, errors: FormErrors, path: str) -> None:
    name = data.get("name")
    errors.length(f"{path}name", name, 1, 32, required=True)
    if isinstance(name, str) and name and (not NAME.match(name) or name != name.lower()):
        message = "Command name is invalid"
        errors.add(f"{path}name", "APPLICATION_COMMAND_INVALID_NAME", message)
    errors.length(f"{path}description", data.get("description"), 1, 100, required=True)


def _check_options(options: object, errors: FormErrors, path: str, *, depth: int) -> None:
    if not errors.count(f"{path}options", options, MAX_OPTIONS) or not isinstance(options, list):
        return
    names = [one.get("name") for one in options]
    if len(set(names)) < len(names):
        message = "Option names must be unique"
        errors.add(f"{path}options", "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", message)
    optional_seen = False
    for index, option in enumerate(options):
        here = f"{path}options.{index}."
        kind = option.get("type")
        errors.choice(f"{here}type", kind, OPTION_TYPES)
        _check_named(option, errors, here)
        if kind in (SUB_COMMAND, SUB_COMMAND_GROUP):
            if depth >= (2 if kind == SUB_COMMAND else 1):
                errors.add(f"{here}type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Nested too deeply")
            else:
                _check_options(option.get("options"), errors, here, depth=depth + 1)
            continue
        if option.get("required") and optional_seen:
            message = "Required options must be placed before non-required options"
            errors.add(here.rstrip("."), "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        optional_seen = optional_seen or not option.get("required")
        _check_choices(option, errors, here)


def _check_choices(option: Json, errors: FormErrors, path: str) -> None:
    choices = option.get("choices")
    if errors.count(f"{path}choices", choices, MAX_CHOICES) and isinstance(choices, list):
        for index, choice in enumerate(choices):
            errors.length(f"{path}choices.{index}.name", choice.get("name"), 1, 100, required=True)
            if option.get("type") == 3:
                errors.length(f"{path}choices.{index}.value", choice.get("value"), 1, 100, required=True)
    if choices and option.get("autocomplete"):
        message = "Autocomplete cannot be set on options with choices"
        errors.add(f"{path}autocomplete", "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES", message)


def _characters(data: Json) -> int:
    total = len(str(data.get("name") or "")) + len(str(data.get("description") or ""))
    for choice in data.get("choices") or []:
        total += len(str(choice.get("name") or "")) + len(str(choice.get("value") or ""))
    return total + sum(_characters(one) for one in data.get("options") or [])


def typed(commands: list[Json]) -> list[Json]:
    """Those that a member types; the others are in the menu of a message or a user."""
    return [one for one in commands if one["type"] == CHAT_INPUT]


def all_names(commands: list[Json]) -> list[str]:
    """Every full name, as a member types it or reads it in a menu."""
    found = []
    for command in commands:
        parts = [one for one in command.get("options") or [] if one["type"] in (SUB_COMMAND, SUB_COMMAND_GROUP)]
        found += [f"{command['name']} {name}" for name in all_names(parts)] if parts else [command["name"]]
    return found


class Commands:
    """The registered commands of the one application, global and per guild."""

    def __init__(self, world: World, pulse: Pulse) -> None:
        self._world = world
        self._pulse = pulse
        self._changed = asyncio.Event()

    async def wait_registered(self, full_name: str, timeout: float) -> None:
        """Return once "run local" is registered anywhere; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while full_name not in all_names(
                [one for known in self._world.commands.values() for one in known.values()]
            ):
                await self._changed.wait()

    def listed(self, guild_id: int | None) -> list[Json]:
        return list(self._scope(guild_id).values())

    def get(self, guild_id: int | None, command_id: int) -> Json:
        scope = self._scope(guild_id)
        if command_id not in scope:
            raise api_error("unknown_command")
        return scope[command_id]

    def overwrite(self, guild_id: int | None, definitions: list[Json]) -> list[Json]:
        """Replace all commands of a scope; those of the same name and type keep their ids."""
        errors = FormErrors()
        for index, data in enumerate(definitions):
            check_command(data, errors, f"{index}.")
        keys = [_key(one) for one in definitions]
        if len(set(keys)) < len(keys):
            message = "Application command names must be unique"
            errors.add("_", "APPLICATION_COMMANDS_DUPLICATE_NAME", message)
        errors.raise_if_any()
        for kind, most in MAX_COMMANDS.items():
            if sum(1 for one in definitions if (one.get("type") or CHAT_INPUT) == kind) > most:
                raise ApiError(400, 30032, f"Maximum number of application commands reached ({most}).")
        scope = self._scope(guild_id)
        known = {_key(one): int(one["id"]) for one in scope.values()}
        scope.clear()
        self._pulse.ring()
        return [self._put(guild_id, data, known.get(_key(data))) for data in definitions]

    def create(self, guild_id: int | None, data: Json) -> Json:
        """Add one command, or replace the one of the same name and type."""
        errors = FormErrors()
        check_command(data, errors)
        errors.raise_if_any()
        known = {_key(one): int(one["id"]) for one in self.listed(guild_id)}
        return self._put(guild_id, data, known.get(_key(data)))

    def update(self, guild_id: int | None, command_id: int, data: Json) -> Json:
        merged = {**self.get(guild_id, command_id), **data}
        errors = FormErrors()
        check_command(merged, errors)
        errors.raise_if_any()
        return self._put(guild_id, merged, command_id)

    def delete(self, guild_id: int | None, command_id: int) -> None:
        self.get(guild_id, command_id)
        del self._scope(guild_id)[command_id]
        self._pulse.ring()

    def _scope(self, guild_id: int | None) -> dict[int, Json]:
        if guild_id is not None:
            self._world.bots_guild(guild_id)
        return self._world.commands[guild_id]

    def _put(self, guild_id: int | None, data: Json, command_id: int | None) -> Json:
        number = command_id or self._world.ids.next()
        command: Json = {
            "description": "",
            "options": [],
            "default_member_permissions": None,
            "nsfw": False,
            "contexts": None,
            **data,
            "integration_types": data.get("integration_types") or [0],
            "id": str(number),
            "type": data.get("type") or CHAT_INPUT,
            "application_id": str(self._world.application_id),
            "version": str(self._world.ids.next()),
        }
        if guild_id is not None:
            # Where it is used and how it is installed is only asked of global commands.
            command |= {"guild_id": str(guild_id), "contexts": None, "integration_types": [0]}
        elif command["contexts"] is None and data.get("dm_permission") is False:
            command["contexts"] = [0]
        self._scope(guild_id)[number] = command
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._pulse.ring()
        return command


def _key(command: Json) -> tuple[int, object]:
    return command.get("type") or CHAT_INPUT, command.get("name")
