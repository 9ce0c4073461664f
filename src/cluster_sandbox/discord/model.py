"""What a guild is made of, as plain data. No rules here: `world.py` finds, `messaging.py` and `threads.py` change.

Ids are integers inside; the API and the control API write them as strings, as JSON numbers lose their low bits
in browsers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

Json = dict[str, Any]


class ChannelType(IntEnum):
    TEXT = 0
    DM = 1
    VOICE = 2
    GROUP_DM = 3
    NEWS = 5
    NEWS_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    FORUM = 15


THREAD_TYPES = frozenset({ChannelType.NEWS_THREAD, ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD})
CHANNEL_KINDS = {
    "text": ChannelType.TEXT,
    "announcement": ChannelType.NEWS,
    "forum": ChannelType.FORUM,
    "voice": ChannelType.VOICE,
}


class MessageType(IntEnum):
    DEFAULT = 0
    THREAD_CREATED = 18
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    THREAD_STARTER = 21
    CONTEXT_MENU_COMMAND = 23


SYSTEM_TYPES = frozenset({MessageType.THREAD_CREATED, MessageType.THREAD_STARTER})


class MessageFlag(IntFlag):
    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    COMPONENTS_V2 = 1 << 15


@dataclass(slots=True)
class User:
    id: int
    name: str
    bot: bool = False
    installed: bool = False
    """Whether the application is installed on this account, and so comes with it everywhere."""
    closed: bool = False
    """Whether this account takes no direct messages from members of its guilds, nor from the bot."""


@dataclass(slots=True)
class Role:
    id: int
    name: str
    permissions: int
    position: int
    managed_by: int | None = None


@dataclass(slots=True)
class Member:
    user: User
    joined_at: float
    nick: str | None = None
    roles: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Guild:
    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    commands_of_roles: dict[int, set[str]] = field(default_factory=dict)
    """Commands that a role sees although not everybody does."""


@dataclass(slots=True)
class ThreadInfo:
    """What only threads have. `members`: user id -> time of joining."""

    owner_id: int
    created_at: float
    auto_archive_minutes: int
    active_at: float
    archived: bool = False
    archived_at: float | None = None
    locked: bool = False
    members: dict[int, float] = field(default_factory=dict)
    message_count: int = 0
    total_sent: int = 0
    applied_tags: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Channel:
    """A channel, a thread (`thread` is set) or a direct conversation (`recipient_id` is set)."""

    id: int
    type: ChannelType
    name: str
    guild_id: int | None
    parent_id: int | None = None
    position: int = 0
    topic: str | None = None
    recipient_id: int | None = None
    group: tuple[int, ...] = ()
    """Those who talk in a group; the bot is never one of them."""
    thread: ThreadInfo | None = None
    last_message_id: int | None = None
    denied: dict[int, int] = field(default_factory=dict)
    """User id -> permission bits taken from that user here."""


@dataclass(slots=True)
class Attachment:
    id: int
    filename: str
    data: bytes = field(repr=False)
    content_type: str
    channel_id: int
    description: str | None = None
    ephemeral: bool = False

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Version:
    """What a message said from `time` (unix seconds) on."""

    time: float
    content: str
    attachments: tuple[str, ...]
    embeds: tuple[Json, ...]
    components: tuple[Json, ...]


@dataclass(slots=True)
class Message:
    id: int
    channel_id: int
    guild_id: int | None
    author: User
    created_at: float
    type: MessageType = MessageType.DEFAULT
    content: str = ""
    flags: int = 0
    embeds: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    nonce: str | None = None
    edited_at: float | None = None
    mentions: list[int] = field(default_factory=list)
    mention_roles: list[int] = field(default_factory=list)
    mention_everyone: bool = False
    reference: Json | None = None
    reactions: dict[str, list[int]] = field(default_factory=dict)
    thread_id: int | None = None
    ephemeral_to: int | None = None
    """The one member who sees the message; None for everyone."""
    interaction: Json | None = None
    """`interaction_metadata` of a message that answers an interaction."""
    command_name: str | None = None
    deleted: bool = False
    history: list[Version] = field(default_factory=list)
    """Everything it ever said, the first version included."""

    @property
    def ephemeral(self) -> bool:
        return self.ephemeral_to is not None

    @property
    def edits(self) -> list[Version]:
        return self.history[1:]
