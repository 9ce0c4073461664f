"""What a member sees, as the page's JSON. Ids are strings, times unix seconds. Reads the world, changes nothing.

Beside the control API's views, which are for tests: these leave out what is private to others and the history, and
carry a `stamp`, so that a browser that gets two versions of a message out of order keeps the newer.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from cluster_sandbox.discord.commands import SUB_COMMAND, SUB_COMMAND_GROUP
from cluster_sandbox.discord.errors import ApiError
from cluster_sandbox.discord.interactions import Interaction
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import (
    Attachment,
    Channel,
    ChannelType,
    Guild,
    Json,
    Message,
    MessageFlag,
    MessageType,
    User,
)
from cluster_sandbox.discord.options import CommandError

if TYPE_CHECKING:
    from cluster_sandbox.discord.server import DiscordServer


class Views:
    """The views of one server."""

    def __init__(self, server: DiscordServer) -> None:
        self._server = server
        self._stamps = itertools.count(1)

    @property
    def guild(self) -> Guild:
        """The one guild that the page shows."""
        return self._server.service.world.guilds[self._server.guild_id]

    # --- who may see --------------------------------------------------------------------------------

    def sees_channel(self, channel: Channel, viewer: int) -> bool:
        """Whether a member sees a channel, thread or conversation; a private thread is for those in it."""
        world = self._server.service.world
        if channel.type is ChannelType.DM:
            return channel.recipient_id == viewer
        if channel.guild_id != self.guild.id or not world.may(channel, viewer, "VIEW_CHANNEL"):
            return False
        if channel.type is not ChannelType.PRIVATE_THREAD or channel.thread is None:
            return True
        return viewer in channel.thread.members or world.may(channel, viewer, "MANAGE_THREADS")

    @staticmethod
    def sees_message(message: Message, viewer: int) -> bool:
        """Whether a message is there for a member, given that they see its channel."""
        return not message.deleted and message.ephemeral_to in (None, viewer)

    # --- places and people --------------------------------------------------------------------------

    def places(self, viewer: int) -> dict[str, Json]:
        """The channels and threads a member sees, and their conversation with the bot, by id."""
        world = self._server.service.world
        found = [*world.guild_channels(self.guild.id), *world.threads(self.guild.id), self.conversation(viewer)]
        return {str(one.id): self._place(one, viewer) for one in found if self.sees_channel(one, viewer)}

    def conversation(self, viewer: int) -> Channel:
        """A member's direct messages with the bot, which are there before anything was said in them."""
        world = self._server.service.world
        return world.direct_channel(world.user(viewer))

    def _place(self, channel: Channel, viewer: int) -> Json:
        info, world = channel.thread, self._server.service.world
        direct = channel.type is ChannelType.DM
        locked = bool(info and info.locked) and not world.may(channel, viewer, "MANAGE_THREADS")
        needed = "SEND_MESSAGES_IN_THREADS" if info else "SEND_MESSAGES"
        return {
            "id": str(channel.id),
            "name": world.bot.name if direct else channel.name,
            "type": int(channel.type),
            "parent_id": None if channel.parent_id is None else str(channel.parent_id),
            "position": channel.position,
            "archived": bool(info and info.archived),
            "writable": not locked and world.may(channel, viewer, needed),
            "messages": info.message_count if info else 0,
            "newest": None if channel.last_message_id is None else str(channel.last_message_id),
        }

    def people(self) -> list[Json]:
        """The members one can act as, then everybody else whose messages may be there; `online` is the bot's."""
        world = self._server.service.world
        acting = {one.user_id for one in self._server.people}
        others = [one for one in world.users.values() if one.id not in acting]
        return [
            *(self._person(one.user, acting=True) for one in self._server.people),
            *(self._person(one, acting=False) for one in others),
        ]

    def roles(self) -> list[Json]:
        """The roles that a member can have here, without the one everybody has and those of bots."""
        roles = [one for one in self.guild.roles.values() if one.id != self.guild.id and not one.managed_by]
        return [{"id": str(one.id), "name": one.name} for one in roles]

    def _person(self, user: User, *, acting: bool) -> Json:
        world, bot = self._server.service.world, self._server.bot_user_id
        admin = bool(world.guild_permissions(self.guild, user.id) >> 3 & 1)
        return {
            "id": str(user.id),
            "name": user.name,
            "bot": user.bot,
            "acting": acting,
            "admin": admin and acting,
            "online": self._server.gateway.connections > 0 if user.id == bot else True,
        }

    def commands(self, acting: Acting) -> list[Json]:
        """The commands a member can type, one entry for each full name; `places`: where ("guild", "dm")."""
        found: dict[str, Json] = {}
        for place, channel in self._kinds_of_place(acting.user_id).items():
            try:
                offered = acting.offered(channel.id)
            except (ApiError, CommandError):
                continue  # the member may use none there
            for leaf in [leaf for one in offered for leaf in _leaves(one, one["name"])]:
                found.setdefault(leaf["name"], {**leaf, "places": []})["places"].append(place)
        return sorted(found.values(), key=lambda one: str(one["name"]))

    def _kinds_of_place(self, viewer: int) -> dict[str, Channel]:
        """A channel of each kind that makes a difference for what is offered."""
        channels = self._server.service.world.guild_channels(self.guild.id)
        text = [one for one in channels if one.type is ChannelType.TEXT and self.sees_channel(one, viewer)]
        return {**({"guild": text[0]} if text else {}), "dm": self.conversation(viewer)}

    # --- messages and interactions ------------------------------------------------------------------

    def message(self, message: Message, *, quote: bool = True) -> Json:
        """A message as it is now. `quoted`: what it answers, or what its thread hangs from."""
        loading = bool(message.flags & MessageFlag.LOADING)
        shape: Json = {
            "stamp": next(self._stamps),
            "id": str(message.id),
            "channel_id": str(message.channel_id),
            "author_id": str(message.author.id),
            "author": message.author.name,
            "bot": message.author.bot,
            "time": message.created_at,
            "edited": message.edited_at,
            "type": int(message.type),
            "content": message.content,
            "embeds": message.embeds,
            "components": message.components,
            "layout": bool(message.flags & MessageFlag.COMPONENTS_V2),
            "attachments": [self._file(one) for one in message.attachments],
            "private": message.ephemeral,
            "loading": loading,
            "failed": self._failure(message) if loading else None,
            "thread_id": None if message.thread_id is None else str(message.thread_id),
            "mentions": [str(one) for one in message.mentions],
            "everyone": message.mention_everyone,
            "command": None,
        }
        if message.command_name is not None and message.interaction is not None:
            shape["command"] = {"name": message.command_name, "by": message.interaction["user"]["id"]}
        quoted = self._quoted(message) if quote else None
        return {**shape, "quoted": self.message(quoted, quote=False) if quoted else None}

    def starter(self, message: Message) -> Message | None:
        """The first entry of the thread that hangs from a message: it shows that message, so it changes with it."""
        inside = self._server.service.world.messages.get(message.thread_id or 0, {})
        return next((one for one in inside.values() if one.type is MessageType.THREAD_STARTER), None)

    def _quoted(self, message: Message) -> Message | None:
        reference = message.reference or {}
        if "message_id" not in reference:
            return None
        place = self._server.service.world.messages.get(int(reference["channel_id"]), {})
        found = place.get(int(reference["message_id"]))
        return None if found is None or found.deleted or found.ephemeral else found

    def _failure(self, message: Message) -> str | None:
        """What stands in place of an answer that never came."""
        opened = self._server.service.interactions.get(int((message.interaction or {}).get("id", 0)))
        return opened.failed if opened else None

    def _file(self, attachment: Attachment) -> Json:
        # Without the host: the page may have been opened under this machine's other name.
        url = self._server.service.cdn.url(attachment).removeprefix(self._server.url)
        return {
            "id": str(attachment.id),
            "name": attachment.filename,
            "size": attachment.size,
            "type": attachment.content_type,
            "url": url,
        }

    @staticmethod
    def interaction(opened: Interaction) -> Json:
        """What became of a command or press."""
        return {
            "id": str(opened.id),
            "kind": opened.kind.name.lower(),
            "state": opened.state,
            "failed": opened.failed,
            "time": opened.created_at,
            "channel_id": str(opened.channel.id),
            "command": opened.command_name,
            "source_id": str(opened.source.id) if opened.source else None,
            "modal": opened.modal,
        }


def _leaves(node: Json, name: str) -> list[Json]:
    parts = [one for one in node.get("options") or [] if one["type"] in (SUB_COMMAND, SUB_COMMAND_GROUP)]
    if not parts:
        return [{"name": name, "description": node["description"], "options": node.get("options") or []}]
    return [leaf for one in parts for leaf in _leaves(one, f"{name} {one['name']}")]
