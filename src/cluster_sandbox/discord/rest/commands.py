"""Registering application commands, globally and for one guild."""

from __future__ import annotations

from ..errors import api_error, form_error
from ..model import Json
from .route import Answer, Call, Routes

routes = Routes()
GLOBAL = "/applications/{application_id}/commands"
GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"
ONE = "/{command_id}"


def _scope(call: Call) -> int | None:
    if call.id("application_id") != call.service.world.application_id:
        raise api_error("unknown_application")
    return call.id("guild_id") if "guild_id" in call.params else None


@routes("GET", GLOBAL)
@routes("GET", GUILD)
def list_commands(call: Call) -> list[Json]:
    return call.service.commands.listed(_scope(call))


@routes("PUT", GLOBAL)
@routes("PUT", GUILD)
def overwrite_commands(call: Call) -> list[Json]:
    scope = _scope(call)
    if not isinstance(call.body, list):
        raise form_error("_", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    return call.service.commands.overwrite(scope, call.body)


@routes("POST", GLOBAL)
@routes("POST", GUILD)
def create_command(call: Call) -> Answer:
    return Answer(201, call.service.commands.create(_scope(call), call.json))


@routes("GET", GLOBAL + ONE)
@routes("GET", GUILD + ONE)
def get_command(call: Call) -> Json:
    return call.service.commands.get(_scope(call), call.id("command_id"))


@routes("PATCH", GLOBAL + ONE)
@routes("PATCH", GUILD + ONE)
def edit_command(call: Call) -> Json:
    return call.service.commands.update(_scope(call), call.id("command_id"), call.json)


@routes("DELETE", GLOBAL + ONE)
@routes("DELETE", GUILD + ONE)
def delete_command(call: Call) -> None:
    call.service.commands.delete(_scope(call), call.id("command_id"))
