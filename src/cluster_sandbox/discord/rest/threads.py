"""Threads: start them in the three ways there are, find archived ones, join, add, remove."""

from __future__ import annotations

from ..clock import timestamp
from ..errors import FormErrors, api_error
from ..limits import check_message, check_thread, require_dict
from ..model import Channel, ChannelType, Json, User
from .messages import visible_channel
from .route import Answer, Call, Routes

routes = Routes()
MEMBERS = "/channels/{channel_id}/thread-members"


@routes("POST", "/channels/{channel_id}/messages/{message_id}/threads")
def start_from_message(call: Call) -> Answer:
    world = call.service.world
    parent = visible_channel(call)
    world.require(parent, world.bot.id, ["CREATE_PUBLIC_THREADS"])
    check_thread(call.json)
    message = world.message(parent.id, call.id("message_id"))
    thread = call.service.threads.from_message(parent, message, call.json, world.bot, at=call.at)
    return Answer(201, call.service.payloads.thread(thread, viewer=world.bot.id))


@routes("POST", "/channels/{channel_id}/threads")
def start(call: Call) -> Answer:
    world, service, data = call.service.world, call.service, call.json
    parent = visible_channel(call)
    check_thread(data)
    if parent.type is ChannelType.FORUM:
        world.require(parent, world.bot.id, ["SEND_MESSAGES"])
        body = require_dict(data.get("message"))
        check_message(body, call.files, world.policy)
        thread, message = service.threads.post(parent, data, call.files, world.bot, at=call.at)
        shape = service.payloads.thread(thread, viewer=world.bot.id)
        return Answer(201, {**shape, "message": service.payloads.message(message)})
    errors = FormErrors()
    errors.choice("type", data.get("type", 12), (10, 11, 12))
    errors.raise_if_any()
    private = data.get("type", 12) == ChannelType.PRIVATE_THREAD
    world.require(parent, world.bot.id, ["CREATE_PRIVATE_THREADS" if private else "CREATE_PUBLIC_THREADS"])
    thread = service.threads.plain(parent, data, world.bot, at=call.at)
    return Answer(201, service.payloads.thread(thread, viewer=world.bot.id))


@routes("GET", "/channels/{channel_id}/threads/archived/public")
def archived(call: Call) -> Json:
    world, payloads, bot = call.service.world, call.service.payloads, call.service.world.bot.id
    parent = visible_channel(call)
    world.require(parent, bot, ["READ_MESSAGE_HISTORY"])
    limit, before = call.number("limit", 50, 2, 100), call.request.query.get("before")
    assert parent.guild_id is not None
    found = []
    for thread in world.threads(parent.guild_id, parent.id):
        info = thread.thread
        if info is None or not info.archived or thread.type is ChannelType.PRIVATE_THREAD:
            continue
        when = info.archived_at or info.created_at
        if before is None or timestamp(when) < before.replace("Z", "+00:00"):
            found.append((when, thread))
    found.sort(key=lambda one: one[0], reverse=True)
    page = [thread for _, thread in found[:limit]]
    return {
        "threads": [payloads.thread(one, viewer=bot) for one in page],
        "members": [payloads.thread_member(one, bot) for one in page if one.thread and bot in one.thread.members],
        "has_more": len(found) > limit,
    }


def _thread(call: Call) -> Channel:
    channel = visible_channel(call)
    if channel.thread is None:
        raise api_error("wrong_channel_type")
    return channel


def _subject(call: Call) -> User:
    world = call.service.world
    return world.user(call.id("user_id")) if "user_id" in call.params else world.bot


@routes("PUT", MEMBERS + "/@me")
@routes("PUT", MEMBERS + "/{user_id}")
def add_member(call: Call) -> None:
    world = call.service.world
    thread, user = _thread(call), _subject(call)
    if user.id != world.bot.id:
        world.require(thread, world.bot.id, ["SEND_MESSAGES_IN_THREADS"])
        assert thread.guild_id is not None
        world.member(thread.guild_id, user.id)
    call.service.threads.join(thread, user)


@routes("DELETE", MEMBERS + "/@me")
@routes("DELETE", MEMBERS + "/{user_id}")
def remove_member(call: Call) -> None:
    world = call.service.world
    thread, user = _thread(call), _subject(call)
    if user.id != world.bot.id:
        world.require(thread, world.bot.id, ["MANAGE_THREADS"])
    call.service.threads.leave(thread, user)


@routes("GET", MEMBERS + "/{user_id}")
def get_member(call: Call) -> Json:
    thread, user = _thread(call), _subject(call)
    if thread.thread is None or user.id not in thread.thread.members:
        raise api_error("unknown_member")
    return call.service.payloads.thread_member(thread, user.id)


@routes("GET", MEMBERS)
def list_members(call: Call) -> list[Json]:
    thread = _thread(call)
    members = thread.thread.members if thread.thread else {}
    return [call.service.payloads.thread_member(thread, one) for one in members]
