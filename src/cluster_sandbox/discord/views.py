"""Events, messages, requests and interactions as the control API's JSON. Ids are strings, times unix seconds."""

from __future__ import annotations

import dataclasses

from ..record import Request
from .interactions import Interaction
from .log import MessageEvent
from .model import Channel, Json, Message
from .payloads import Payloads

ID_FIELDS = ("channel_id", "message_id", "author_id", "thread_id")


def event_view(event: MessageEvent) -> Json:
    """A MessageEvent with all its fields."""
    shape = dataclasses.asdict(event)
    for name in ID_FIELDS:
        shape[name] = None if shape[name] is None else str(shape[name])
    return {**shape, "mentions": [str(one) for one in event.mentions]}


def request_view(request: Request) -> Json:
    return dataclasses.asdict(request)


def message_view(message: Message, payloads: Payloads) -> Json:
    """A message as it is now, with the addresses of its files and everything it said before."""
    return {
        "id": str(message.id),
        "channel_id": str(message.channel_id),
        "author": message.author.name,
        "author_id": str(message.author.id),
        "bot": message.author.bot,
        "time": message.created_at,
        "edited": message.edited_at,
        "type": int(message.type),
        "content": message.content,
        "embeds": message.embeds,
        "components": payloads.components(message),
        "attachments": [payloads.attachment(one) for one in message.attachments],
        "ephemeral": message.ephemeral,
        "thread_id": None if message.thread_id is None else str(message.thread_id),
        "mentions": [str(one) for one in message.mentions],
        "mention_everyone": message.mention_everyone,
        "deleted": message.deleted,
        "history": [{"time": one.time, "content": one.content} for one in message.history],
    }


def interaction_view(interaction: Interaction, payloads: Payloads) -> Json:
    """What the member sees of an interaction; its token is not theirs to see."""
    message = interaction.message
    return {
        "id": str(interaction.id),
        "state": interaction.state,
        "failed": interaction.failed,
        "acknowledged_after": interaction.acknowledged_after,
        "content": interaction.content,
        "ephemeral": interaction.ephemeral,
        "message": None if message is None else message_view(message, payloads),
        "followups": [message_view(one, payloads) for one in interaction.followups],
        "choices": interaction.choices,
        "modal": interaction.modal,
    }


def channel_view(channel: Channel) -> Json:
    """A channel or thread; `archived` is None for what is no thread."""
    return {
        "id": str(channel.id),
        "name": channel.name,
        "type": int(channel.type),
        "guild_id": None if channel.guild_id is None else str(channel.guild_id),
        "parent_id": None if channel.parent_id is None else str(channel.parent_id),
        "archived": channel.thread.archived if channel.thread else None,
    }
