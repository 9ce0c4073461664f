"""Messages come, change and go: the rules of the service, the record of what people saw, the gateway events.

The one door for every message: the bot's REST calls, its answers to interactions, members' own messages, system
messages. `data` is a message body as the API takes it, already within `limits.py`.
"""

from __future__ import annotations

import mimetypes
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import mentions
from .buckets import too_many
from .cdn import Cdn
from .components import check_whole
from .errors import ApiError, api_error, form_error
from .gateway import Gateway, Intent
from .limits import SENDABLE, Upload
from .log import EventKind, EventLog, MessageEvent
from .model import (
    SYSTEM_TYPES,
    Attachment,
    Channel,
    ChannelType,
    Json,
    Message,
    MessageFlag,
    MessageType,
    User,
    Version,
)
from .payloads import Payloads
from .world import World

NO_FILES: Mapping[int, Upload] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a message comes from besides its author.

    `interaction`: metadata of the interaction it answers. `id`: for a forum post, whose first message has the
    id of its thread.
    """

    id: int | None = None
    type: MessageType = MessageType.DEFAULT
    ephemeral_to: int | None = None
    interaction: Json | None = None
    command_name: str | None = None
    reference: Json | None = None
    loading: bool = False


@dataclass(slots=True)
class Messaging:
    world: World
    cdn: Cdn
    payloads: Payloads
    gateway: Gateway
    log: EventLog
    _nonces: dict[tuple[int, int, str], tuple[float, int]] = field(default_factory=dict)
    _old_edits: dict[int, deque[float]] = field(default_factory=dict)

    # --- creating -----------------------------------------------------------------------------------

    def remembered(self, channel: Channel, author: User, data: Json) -> Message | None:
        """The message a repeated nonce stands for, as long as the nonce is remembered and the message exists."""
        if not data.get("enforce_nonce"):
            return None
        known = self._nonces.get((channel.id, author.id, str(data.get("nonce"))))
        if known is None or self.world.clock.now() - known[0] > self.world.policy.nonce_memory_s:
            return None
        message = self.world.messages[channel.id][known[1]]
        return None if message.deleted else message

    def create(
        self,
        channel: Channel,
        author: User,
        data: Json,
        files: Mapping[int, Upload] = NO_FILES,
        *,
        at: float | None = None,
        origin: Origin | None = None,
    ) -> Message:
        """Post a message. `at`: arrival of the request that asked for it. Permissions are the caller's business."""
        origin = origin or Origin()
        if channel.type is ChannelType.FORUM:
            raise api_error("non_text_channel")
        message = Message(
            origin.id or self.world.ids.next(),
            channel.id,
            channel.guild_id,
            author,
            self.world.clock.now(),
            origin.type,
        )
        message.ephemeral_to = origin.ephemeral_to
        message.interaction, message.command_name = origin.interaction, origin.command_name
        message.reference = origin.reference or self._reference(channel, data.get("message_reference"))
        if message.reference is not None and message.type is MessageType.DEFAULT:
            message.type = MessageType.REPLY
        message.flags = int(data.get("flags") or 0) & SENDABLE
        if origin.loading:
            message.flags |= MessageFlag.LOADING
        if message.ephemeral:
            message.flags |= MessageFlag.EPHEMERAL
        message.nonce = None if data.get("nonce") is None else str(data["nonce"])
        self._fill(channel, message, data, files)
        if not origin.loading and message.type not in SYSTEM_TYPES:
            self._refuse_empty(message)
        check_whole(message)
        self.wake(channel, locked_ok=message.ephemeral or message.type in SYSTEM_TYPES)
        self._store(channel, message)
        self._remember(message, "create", at)
        if not message.ephemeral:
            self.gateway.dispatch_message("MESSAGE_CREATE", self.payloads.message_event(message))
        return message

    def wake(self, channel: Channel, *, locked_ok: bool = False) -> None:
        """A message into an archived thread brings it back, unless it is locked."""
        info = channel.thread
        if info is None or not info.archived:
            return
        if info.locked and not locked_ok:
            raise api_error("thread_archived")
        info.archived, info.archived_at, info.active_at = False, self.world.clock.now(), self.world.clock.now()
        self.gateway.dispatch("THREAD_UPDATE", self.payloads.channel(channel), Intent.GUILDS)

    def _store(self, channel: Channel, message: Message) -> None:
        self.world.messages[channel.id][message.id] = message
        if message.nonce is not None:
            key = (channel.id, message.author.id, message.nonce)
            self._nonces[key] = (self.world.clock.now(), message.id)
        if message.ephemeral:
            return
        channel.last_message_id = message.id
        if channel.thread is not None:
            channel.thread.active_at = self.world.clock.now()
            channel.thread.members.setdefault(message.author.id, self.world.clock.now())
            if message.type not in SYSTEM_TYPES:
                channel.thread.message_count += 1
                channel.thread.total_sent += 1

    def _reference(self, channel: Channel, wanted: Json | None) -> Json | None:
        if not wanted or "message_id" not in wanted:
            return None
        known = self.world.messages[channel.id].get(int(wanted["message_id"]))
        if known is None or known.deleted or known.ephemeral:
            if wanted.get("fail_if_not_exists", True):
                raise form_error("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            return None
        shape: Json = {"type": 0, "channel_id": str(channel.id), "message_id": str(known.id)}
        return {**shape, "guild_id": str(channel.guild_id)} if channel.guild_id else shape

    # --- changing -----------------------------------------------------------------------------------

    def edit(
        self,
        message: Message,
        data: Json,
        files: Mapping[int, Upload] = NO_FILES,
        *,
        at: float | None = None,
    ) -> Message:
        """Change what `data` names and leave the rest; the first edit of a loading answer makes it one."""
        channel = self.world.channel(message.channel_id)
        if message.type in SYSTEM_TYPES:
            raise api_error("system_message")
        if channel.thread is not None and channel.thread.archived:
            raise api_error("thread_archived")
        self._count_old_edit(message)
        loading = bool(message.flags & MessageFlag.LOADING)
        before = (message.content, message.embeds, message.attachments, message.components, message.flags)
        if "flags" in data and data["flags"] is not None:
            kept = message.flags & ~(SENDABLE ^ MessageFlag.COMPONENTS_V2 ^ MessageFlag.EPHEMERAL)
            message.flags = kept | (int(data["flags"]) & SENDABLE & ~MessageFlag.EPHEMERAL)
        self._fill(channel, message, data, files)
        try:
            self._refuse_empty(message)
            check_whole(message)
        except ApiError:
            message.content, message.embeds, message.attachments, message.components, message.flags = before
            raise
        message.flags &= ~MessageFlag.LOADING
        if not loading:
            message.edited_at = self.world.clock.now()
        self._remember(message, "edit", at)
        if not message.ephemeral:
            self.gateway.dispatch_message("MESSAGE_UPDATE", self.payloads.message_event(message))
        return message

    def _count_old_edit(self, message: Message) -> None:
        policy, now = self.world.policy, self.world.clock.now()
        if now - message.created_at < policy.old_edit_s:
            return
        recent = self._old_edits.setdefault(message.channel_id, deque())
        while recent and recent[0] <= now - policy.old_edit_window_s:
            recent.popleft()
        if len(recent) >= policy.old_edits:
            text = "Maximum number of edits to messages older than 1 hour reached. Try again later."
            raise too_many(policy.old_edit_retry_s, "user", code=30046, message=text)
        recent.append(now)

    def delete(self, message: Message, *, at: float | None = None) -> None:
        if message.type is MessageType.THREAD_STARTER:
            raise api_error("system_message")
        message.deleted = True
        channel = self.world.channels[message.channel_id]
        if channel.thread is not None and message.type not in SYSTEM_TYPES:
            channel.thread.message_count -= 1
        self._record(message, "delete", at)
        if message.ephemeral:
            return
        shape: Json = {"id": str(message.id), "channel_id": str(message.channel_id)}
        if message.guild_id is not None:
            shape["guild_id"] = str(message.guild_id)
        direct = message.guild_id is None
        intent = Intent.DIRECT_MESSAGES if direct else Intent.GUILD_MESSAGES
        self.gateway.dispatch("MESSAGE_DELETE", shape, intent)

    def touch(self, message: Message) -> None:
        """Tell the gateway that something about a message changed that is no edit (a thread under it)."""
        self.gateway.dispatch_message("MESSAGE_UPDATE", self.payloads.message_event(message))

    # --- parts --------------------------------------------------------------------------------------

    def _fill(self, channel: Channel, message: Message, data: Json, files: Mapping[int, Upload]) -> None:
        if "content" in data:
            # Discord strips what surrounds a text.
            message.content = (data["content"] or "").strip()
        if "embeds" in data:
            message.embeds = [{"type": "rich", **one} for one in data["embeds"] or []]
        if "components" in data:
            message.components = list(data["components"] or [])
        self._attach(message, data, files)
        guild = self.world.guilds.get(channel.guild_id or 0)
        replied = None
        if message.reference is not None and "message_id" in message.reference:
            origin = self.world.messages.get(int(message.reference["channel_id"]), {})
            target = origin.get(int(message.reference["message_id"]))
            replied = target.author.id if target and message.type is MessageType.REPLY else None
        allowed = data.get("allowed_mentions")
        if allowed is None and message.interaction is not None:
            # Answers to interactions ping users only, unless told otherwise.
            allowed = {"parse": ["users"], "replied_user": True}
        text = "\n".join([message.content, *_texts(message.components)])
        found = mentions.compute(
            text,
            allowed,
            users=guild.members if guild else (),
            roles=guild.roles if guild else (),
            may_everyone=self.world.may(channel, message.author.id, "MENTION_EVERYONE"),
            replied_to=replied,
        )
        message.mentions, message.mention_roles = list(found.users), list(found.roles)
        message.mention_everyone = found.everyone

    def _attach(self, message: Message, data: Json, files: Mapping[int, Upload]) -> None:
        """Keep the attachments an edit lists (all when it lists none), then add the uploaded ones."""
        listed = data.get("attachments")
        if "attachments" in data:
            ids = {int(one["id"]) for one in listed or [] if int(one["id"]) not in files}
            unknown = ids - {one.id for one in message.attachments}
            if unknown:
                raise form_error("attachments", "ATTACHMENT_NOT_FOUND", "Attachment data not found")
            message.attachments = [one for one in message.attachments if one.id in ids]
        described = {int(one["id"]): one for one in listed or []}
        for number, upload in sorted(files.items()):
            meta = described.get(number, {})
            attachment = self.make_attachment(
                message.channel_id,
                Upload(meta.get("filename") or upload.filename, upload.data, upload.content_type),
                description=meta.get("description"),
                ephemeral=message.ephemeral,
            )
            message.attachments = [*message.attachments, attachment]

    def make_attachment(
        self, channel_id: int, upload: Upload, *, description: str | None = None, ephemeral: bool = False
    ) -> Attachment:
        """Put a file on the CDN. Its name is cleaned and its type guessed as the service does."""
        filename = re.sub(r"[^\w.\-]", "_", upload.filename) or "unknown"
        guessed = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        textual = guessed.startswith("text/") or guessed in ("application/json", "application/xml")
        content_type = f"{guessed}; charset=utf-8" if textual else guessed
        return self.cdn.add(
            Attachment(self.world.ids.next(), filename, upload.data, content_type, channel_id, description, ephemeral)
        )

    def _refuse_empty(self, message: Message) -> None:
        if not (message.content or message.embeds or message.attachments or message.components):
            raise api_error("empty_message")

    def _remember(self, message: Message, event: EventKind, at: float | None) -> None:
        message.history.append(
            Version(
                self.world.clock.now() if at is None else at,
                message.content,
                tuple(one.filename for one in message.attachments),
                tuple(message.embeds),
                tuple(message.components),
            )
        )
        self._record(message, event, at)

    def _record(self, message: Message, event: EventKind, at: float | None) -> None:
        self.log.append(
            MessageEvent(
                seq=len(self.log.events) + 1,
                time=self.world.clock.now() if at is None else at,
                event=event,
                channel_id=message.channel_id,
                message_id=message.id,
                author=message.author.name,
                author_id=message.author.id,
                content=message.content,
                attachments=tuple(one.filename for one in message.attachments),
                components=tuple(message.components),
                embeds=tuple(message.embeds),
                ephemeral=message.ephemeral,
                loading=bool(message.flags & MessageFlag.LOADING),
                nonce=message.nonce,
                type=int(message.type),
                mentions=tuple(message.mentions),
                mention_everyone=message.mention_everyone,
            )
        )


def _texts(components: list[Json]) -> list[str]:
    """The texts of text displays, which ping like content."""
    found = []
    for one in components:
        if one.get("type") == 10:
            found.append(str(one.get("content") or ""))
        found += _texts(one.get("components") or [])
    return found
