"""Guilds: themselves, their channels, members and active threads, and the bot's own nickname."""

from __future__ import annotations

from ..errors import FormErrors, api_error
from ..model import Json
from ..permissions import bits
from .route import Call, Routes

routes = Routes()


@routes("GET", "/guilds/{guild_id}")
def guild(call: Call) -> Json:
    found = call.service.world.bots_guild(call.id("guild_id"))
    shape = call.service.payloads.guild(found)
    if call.flag("with_counts"):
        shape |= {"approximate_member_count": len(found.members), "approximate_presence_count": 0}
    return shape


@routes("GET", "/guilds/{guild_id}/channels")
def guild_channels(call: Call) -> list[Json]:
    world = call.service.world
    guild_id = world.bots_guild(call.id("guild_id")).id
    return [call.service.payloads.channel(one) for one in world.guild_channels(guild_id)]


@routes("GET", "/guilds/{guild_id}/threads/active")
def active_threads(call: Call) -> Json:
    world, payloads = call.service.world, call.service.payloads
    guild_id, bot = world.bots_guild(call.id("guild_id")).id, world.bot.id
    found = [one for one in world.threads(guild_id) if one.thread and not one.thread.archived]
    visible = [one for one in found if world.may(one, bot, "VIEW_CHANNEL")]
    joined = [one for one in visible if one.thread and bot in one.thread.members]
    return {
        "threads": [payloads.thread(one, viewer=bot) for one in reversed(visible)],
        "members": [payloads.thread_member(one, bot) for one in joined],
    }


@routes("GET", "/guilds/{guild_id}/members/{user_id}")
def member(call: Call) -> Json:
    world = call.service.world
    found = world.member(world.bots_guild(call.id("guild_id")).id, call.id("user_id"))
    return call.service.payloads.member(found)


@routes("PATCH", "/guilds/{guild_id}/members/@me")
def edit_me(call: Call) -> Json:
    world = call.service.world
    found = world.bots_guild(call.id("guild_id"))
    member = world.member(found.id, world.bot.id)
    if "nick" in call.json:
        errors = FormErrors()
        errors.length("nick", call.json["nick"], 0, 32)
        errors.raise_if_any()
        if not world.guild_permissions(found, world.bot.id) & bits(["CHANGE_NICKNAME"]):
            raise api_error("missing_permissions")
        member.nick = call.json["nick"] or None
    shape = call.service.payloads.member(member)
    event = {**shape, "guild_id": str(found.id)}
    # The bot hears of its own changes whatever its intents are.
    call.service.gateway.dispatch("GUILD_MEMBER_UPDATE", event)
    return shape


@routes("GET", "/guilds/{guild_id}/roles")
def roles(call: Call) -> list[Json]:
    found = call.service.world.bots_guild(call.id("guild_id"))
    return [call.service.payloads.role(one) for one in found.roles.values()]
