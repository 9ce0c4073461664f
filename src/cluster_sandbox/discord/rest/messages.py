"""Messages of channels: list, read, create, edit, delete, react."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import api_error
from ..gateway import Intent
from ..limits import check_message
from ..model import Channel, Json, Message
from .route import Call, Routes

routes = Routes()
COLLECTION = "/channels/{channel_id}/messages"
ONE = "/channels/{channel_id}/messages/{message_id}"
OWN_REACTION = ONE + "/reactions/{emoji}/@me"


def visible_channel(call: Call) -> Channel:
    """The channel of the path, as far as the bot may see it."""
    world = call.service.world
    channel = world.channel(call.id("channel_id"))
    world.require(channel, world.bot.id, ())
    return channel


@routes("GET", COLLECTION)
def list_messages(call: Call) -> list[Json]:
    world, query = call.service.world, call.request.query
    channel = visible_channel(call)
    limit = call.number("limit", 50, 1, 100)
    if not world.may(channel, world.bot.id, "READ_MESSAGE_HISTORY"):
        return []
    found = world.listed(channel.id)
    if "around" in query:
        found = _around(found, int(query["around"]), limit)
    elif "after" in query:
        found = [one for one in found if one.id > int(query["after"])][:limit]
    else:
        before = int(query.get("before", 1 << 63))
        found = [one for one in found if one.id < before][-limit:]
    return [call.service.payloads.message(one) for one in reversed(found)]


def _around(found: list[Message], center: int, limit: int) -> list[Message]:
    older = [one for one in found if one.id < center]
    younger = [one for one in found if one.id >= center]
    half = limit // 2
    return (older[-half:] if half else []) + younger[: limit - half]


@routes("GET", ONE)
def get_message(call: Call) -> Json:
    world = call.service.world
    channel = visible_channel(call)
    world.require(channel, world.bot.id, ["READ_MESSAGE_HISTORY"])
    return call.service.payloads.message(world.message(channel.id, call.id("message_id")))


@routes("POST", COLLECTION, limit="message")
def create_message(call: Call) -> Json:
    world, data = call.service.world, call.json
    channel = visible_channel(call)
    needed = ["SEND_MESSAGES_IN_THREADS" if channel.thread else "SEND_MESSAGES"]
    needed += ["ATTACH_FILES"] if call.files else []
    needed += ["EMBED_LINKS"] if data.get("embeds") else []
    world.require(channel, world.bot.id, needed)
    world.require_reachable(channel)
    check_message(data, call.files, world.policy)
    data = {**data, "flags": int(data.get("flags") or 0) & ~64}  # only interactions can answer in private
    message = call.service.messaging.remembered(channel, world.bot, data)
    if message is None:
        message = call.service.messaging.create(channel, world.bot, data, call.files, at=call.at)
    return call.service.payloads.message(message, nonce=True)


@routes("PATCH", ONE, limit="edit")
def edit_message(call: Call) -> Json:
    world = call.service.world
    channel = visible_channel(call)
    message = world.message(channel.id, call.id("message_id"))
    if message.author.id != world.bot.id:
        raise api_error("not_author")
    check_message(call.json, call.files, world.policy, flags=message.flags)
    call.service.messaging.edit(message, call.json, call.files, at=call.at)
    return call.service.payloads.message(message)


@routes("DELETE", ONE)
def delete_message(call: Call) -> None:
    world = call.service.world
    channel = visible_channel(call)
    message = world.message(channel.id, call.id("message_id"))
    if message.author.id != world.bot.id:
        world.require(channel, world.bot.id, ["MANAGE_MESSAGES"])
    call.service.messaging.delete(message, at=call.at)


@routes("PUT", OWN_REACTION)
def react(call: Call) -> None:
    world = call.service.world
    channel = visible_channel(call)
    world.require(channel, world.bot.id, ["ADD_REACTIONS", "READ_MESSAGE_HISTORY"])
    _change_reaction(call, channel, "MESSAGE_REACTION_ADD", lambda who, bot: who.append(bot), present=False)


@routes("DELETE", OWN_REACTION)
def unreact(call: Call) -> None:
    channel = visible_channel(call)
    _change_reaction(call, channel, "MESSAGE_REACTION_REMOVE", lambda who, bot: who.remove(bot), present=True)


def _change_reaction(
    call: Call, channel: Channel, event: str, change: Callable[[list[int], int], None], *, present: bool
) -> None:
    world, emoji = call.service.world, call.params["emoji"]
    message = world.message(channel.id, call.id("message_id"))
    if channel.thread is not None and channel.thread.archived:
        raise api_error("thread_archived")
    if emoji.isascii() and ":" not in emoji:
        raise api_error("unknown_emoji")
    who = message.reactions.setdefault(emoji, [])
    if (world.bot.id in who) is present:
        change(who, world.bot.id)
        shape: Json = {
            "user_id": str(world.bot.id),
            "channel_id": str(channel.id),
            "message_id": str(message.id),
            "message_author_id": str(message.author.id),
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        }
        if channel.guild_id is not None:
            shape["guild_id"] = str(channel.guild_id)
        call.service.gateway.dispatch(event, shape, Intent.GUILD_REACTIONS)
    if not who:
        del message.reactions[emoji]
