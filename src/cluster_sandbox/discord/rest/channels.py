"""Channels and threads themselves: read, change, typing."""

from __future__ import annotations

from ..errors import FormErrors, api_error
from ..gateway import Intent
from ..limits import check_thread
from ..model import Channel, Json
from .route import Call, Routes

routes = Routes()


@routes("GET", "/channels/{channel_id}")
def channel(call: Call) -> Json:
    world = call.service.world
    found = world.channel(call.id("channel_id"))
    world.require(found, world.bot.id, ())
    if found.thread is not None:
        return call.service.payloads.thread(found, viewer=world.bot.id)
    return call.service.payloads.channel(found)


@routes("PATCH", "/channels/{channel_id}")
def edit_channel(call: Call) -> Json:
    world = call.service.world
    found, data = world.channel(call.id("channel_id")), call.json
    world.require(found, world.bot.id, ())
    if found.thread is not None:
        _check_thread_edit(call, found, data)
    else:
        world.require(found, world.bot.id, ["MANAGE_CHANNELS"])
        errors = FormErrors()
        errors.length("name", data.get("name", found.name), 1, 100, required=True)
        errors.length("topic", data.get("topic"), 0, 1024)
        errors.raise_if_any()
    renamed = data.get("name", found.name) != found.name or data.get("topic", found.topic) != found.topic
    if renamed:
        call.service.buckets.take_hidden("rename", world.policy.rename_bucket, str(found.id))
    if found.thread is not None:
        call.service.threads.update(found, data)
        return call.service.payloads.thread(found, viewer=world.bot.id)
    found.name, found.topic = data.get("name", found.name), data.get("topic", found.topic)
    shape = call.service.payloads.channel(found)
    call.service.gateway.dispatch("CHANNEL_UPDATE", shape, Intent.GUILDS)
    return shape


def _check_thread_edit(call: Call, thread: Channel, data: Json) -> None:
    """What the owner of a thread may do, what takes MANAGE_THREADS, what an archived thread refuses."""
    world = call.service.world
    info, bot = thread.thread, world.bot.id
    assert info is not None
    check_thread({"name": thread.name, **data})
    manages = world.may(thread, bot, "MANAGE_THREADS")
    if not manages and (info.owner_id != bot or "locked" in data or info.locked):
        raise api_error("missing_permissions")
    if info.archived and data.get("archived") is not False:
        raise api_error("thread_archived")


@routes("POST", "/channels/{channel_id}/typing")
def typing(call: Call) -> None:
    world = call.service.world
    found = world.channel(call.id("channel_id"))
    world.require(found, world.bot.id, ["SEND_MESSAGES_IN_THREADS" if found.thread else "SEND_MESSAGES"])
    world.require_reachable(found)
