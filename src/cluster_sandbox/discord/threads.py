"""Threads: started from a message, beside the messages, or as a forum post; archived, joined, left.

Called by the REST handlers for the bot and by `members.py` for members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import api_error
from .gateway import Intent
from .limits import Upload
from .log import MessageEvent
from .messaging import Messaging, Origin
from .model import (
    Channel,
    ChannelType,
    Json,
    Message,
    MessageFlag,
    MessageType,
    ThreadInfo,
    User,
)
from .world import World

FROM_MESSAGE = {ChannelType.TEXT: ChannelType.PUBLIC_THREAD, ChannelType.NEWS: ChannelType.NEWS_THREAD}
DEFAULT_ARCHIVE_MINUTES = 4320


@dataclass(slots=True)
class Threads:
    world: World
    messaging: Messaging

    def from_message(
        self, parent: Channel, message: Message, data: Json, owner: User, *, at: float | None = None
    ) -> Channel:
        """Start a thread under a message; it takes the message's id. 160004 if there is one."""
        if parent.type not in FROM_MESSAGE:
            raise api_error("wrong_channel_type")
        if message.thread_id is not None:
            raise api_error("thread_exists")
        if message.type is MessageType.THREAD_CREATED:
            raise api_error("system_message")
        thread = self._make(message.id, parent, FROM_MESSAGE[parent.type], data, owner, at=at)
        message.thread_id = thread.id
        message.flags |= MessageFlag.HAS_THREAD
        self.messaging.touch(message)
        reference = {
            "type": 0,
            "channel_id": str(parent.id),
            "message_id": str(message.id),
            "guild_id": str(parent.guild_id),
        }
        starter = Origin(type=MessageType.THREAD_STARTER, reference=reference)
        self.messaging.create(thread, message.author, {}, at=at, origin=starter)
        return thread

    def plain(self, parent: Channel, data: Json, owner: User, *, at: float | None = None) -> Channel:
        """Start a thread without a message; private unless `type` says otherwise, as on the real service."""
        kind = ChannelType(data.get("type", ChannelType.PRIVATE_THREAD))
        allowed = {
            ChannelType.TEXT: (ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD),
            ChannelType.NEWS: (ChannelType.NEWS_THREAD,),
        }
        if kind not in allowed.get(parent.type, ()):
            raise api_error("wrong_channel_type")
        thread = self._make(self.world.ids.next(), parent, kind, data, owner, at=at)
        if kind is not ChannelType.PRIVATE_THREAD:
            reference = {"type": 0, "channel_id": str(thread.id), "guild_id": str(parent.guild_id)}
            created = Origin(type=MessageType.THREAD_CREATED, reference=reference)
            self.messaging.create(parent, owner, {"content": thread.name}, at=at, origin=created)
        return thread

    def post(
        self,
        forum: Channel,
        data: Json,
        files: Mapping[int, Upload],
        owner: User,
        *,
        at: float | None = None,
    ) -> tuple[Channel, Message]:
        """Start a forum post; its first message has the thread's id."""
        if forum.type is not ChannelType.FORUM:
            raise api_error("wrong_channel_type")
        body = data["message"]
        if not (body.get("content") or body.get("embeds") or body.get("components") or files):
            raise api_error("empty_message")
        thread_id = self.world.ids.next()
        thread = self._make(thread_id, forum, ChannelType.PUBLIC_THREAD, data, owner, at=at)
        forum.last_message_id = thread.id
        message = self.messaging.create(thread, owner, body, files, at=at, origin=Origin(id=thread_id))
        return thread, message

    def update(self, thread: Channel, data: Json) -> Channel:
        """Rename, archive, lock; what `data` does not name stays."""
        info, now = thread.thread, self.world.clock.now()
        assert info is not None
        thread.name = data.get("name", thread.name)
        info.auto_archive_minutes = data.get("auto_archive_duration", info.auto_archive_minutes)
        info.locked = data.get("locked", info.locked)
        archived = data.get("archived", info.archived)
        if archived != info.archived:
            info.archived, info.archived_at, info.active_at = archived, now, now
        shape = self.messaging.payloads.thread(thread, viewer=self.world.bot.id)
        self.messaging.gateway.dispatch("THREAD_UPDATE", shape, Intent.GUILDS)
        return thread

    def join(self, thread: Channel, user: User) -> None:
        assert thread.thread is not None
        self.messaging.wake(thread)
        if user.id not in thread.thread.members:
            thread.thread.members[user.id] = self.world.clock.now()
            self._members_changed(thread, added=[user.id])

    def leave(self, thread: Channel, user: User) -> None:
        assert thread.thread is not None
        if thread.thread.members.pop(user.id, None) is not None:
            self._members_changed(thread, removed=[user.id])

    def _members_changed(
        self, thread: Channel, *, added: list[int] | None = None, removed: list[int] | None = None
    ) -> None:
        assert thread.thread is not None
        payloads = self.messaging.payloads
        shape: Json = {
            "id": str(thread.id),
            "guild_id": str(thread.guild_id),
            "member_count": len(thread.thread.members),
            "added_members": [payloads.thread_member(thread, one) for one in added or []],
            "removed_member_ids": [str(one) for one in removed or []],
        }
        self.messaging.gateway.dispatch("THREAD_MEMBERS_UPDATE", shape, Intent.GUILDS)

    def _make(
        self,
        thread_id: int,
        parent: Channel,
        kind: ChannelType,
        data: Json,
        owner: User,
        *,
        at: float | None,
    ) -> Channel:
        assert parent.guild_id is not None
        active = [one for one in self.world.threads(parent.guild_id) if one.thread and not one.thread.archived]
        if len(active) >= self.world.policy.max_active_threads:
            raise api_error("too_many_threads")
        now = self.world.clock.now()
        info = ThreadInfo(owner.id, now, data.get("auto_archive_duration") or DEFAULT_ARCHIVE_MINUTES, active_at=now)
        info.members[owner.id] = now
        info.applied_tags = [int(one) for one in data.get("applied_tags") or []]
        thread = self.world.store_channel(
            Channel(thread_id, kind, data["name"].strip(), parent.guild_id, parent_id=parent.id, thread=info)
        )
        log = self.messaging.log
        log.append(
            MessageEvent(
                seq=len(log.events) + 1,
                time=now if at is None else at,
                event="thread",
                channel_id=parent.id,
                message_id=thread.id,
                author=owner.name,
                author_id=owner.id,
                content=thread.name,
                thread_id=thread.id,
            )
        )
        shape = self.messaging.payloads.thread(thread, viewer=self.world.bot.id, new=True)
        self.messaging.gateway.dispatch("THREAD_CREATE", shape, Intent.GUILDS)
        return thread
