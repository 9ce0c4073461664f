"""The state of the service: users, guilds, channels, messages, commands; finding things and who may do what.

Everything above (messaging, threads, REST, acting members) goes through one World. It has no sockets and no
timers; what is not there is an ApiError, worded as the API words it.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import permissions
from .clock import Clock, Snowflakes
from .errors import api_error
from .model import Channel, ChannelType, Guild, Json, Member, Message, Role, User
from .policy import Policy


class World:
    def __init__(self, policy: Policy, clock: Clock, bot_name: str) -> None:
        self.policy = policy
        self.clock = clock
        self.ids = Snowflakes(clock)
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, dict[int, Message]] = {}
        self.commands: dict[int | None, dict[int, Json]] = {None: {}}
        """Guild id (None: global) -> command id -> command as the API returns it."""
        self.application_name = bot_name
        self.bot = self.add_user(bot_name, bot=True)
        # For applications of today the bot user and the application share one id.
        self.application_id = self.bot.id
        self.owner = self.add_user("owner")

    # --- building -----------------------------------------------------------------------------------

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(self.ids.next(), name, bot)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, *, bot: bool = True) -> Guild:
        guild = Guild(self.ids.next(), name, self.owner.id)
        # The role everyone has carries the guild's id.
        guild.roles[guild.id] = Role(guild.id, "@everyone", permissions.ORDINARY, 0)
        self.guilds[guild.id] = guild
        self.commands[guild.id] = {}
        self.join(guild, self.owner)
        if bot:
            managed = Role(self.ids.next(), self.bot.name, permissions.ORDINARY, 1, managed_by=self.bot.id)
            guild.roles[managed.id] = managed
            self.join(guild, self.bot).roles.append(managed.id)
        return guild

    def join(self, guild: Guild, user: User) -> Member:
        member = Member(user, self.clock.now())
        guild.members[user.id] = member
        return member

    def add_role(self, guild: Guild, name: str, bits: int) -> Role:
        role = Role(self.ids.next(), name, bits, len(guild.roles))
        guild.roles[role.id] = role
        return role

    def add_channel(self, guild: Guild, name: str, kind: ChannelType) -> Channel:
        position = sum(1 for one in self.channels.values() if one.guild_id == guild.id and one.thread is None)
        channel = Channel(self.ids.next(), kind, name, guild.id, position=position)
        return self.store_channel(channel)

    def store_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self.messages.setdefault(channel.id, {})
        return channel

    def direct_channel(self, user: User) -> Channel:
        """The conversation between the bot and `user`, made when there is none."""
        for channel in self.channels.values():
            if channel.recipient_id == user.id:
                return channel
        return self.store_channel(Channel(self.ids.next(), ChannelType.DM, user.name, None, recipient_id=user.id))

    def group_channel(self, users: Iterable[User]) -> Channel:
        """A group of friends, without the bot."""
        ids = tuple(one.id for one in users)
        return self.store_channel(Channel(self.ids.next(), ChannelType.GROUP_DM, "group", None, group=ids))

    # --- finding ------------------------------------------------------------------------------------

    def guild(self, guild_id: int) -> Guild:
        if guild_id not in self.guilds:
            raise api_error("unknown_guild")
        return self.guilds[guild_id]

    def channel(self, channel_id: int) -> Channel:
        channel = self.channels.get(channel_id)
        if channel is None:
            raise api_error("unknown_channel")
        self.settle(channel)
        return channel

    def bots_guild(self, guild_id: int) -> Guild:
        """A guild the bot is a member of; 50001 for any other."""
        guild = self.guild(guild_id)
        if self.bot.id not in guild.members:
            raise api_error("missing_access")
        return guild

    @property
    def bots_guilds(self) -> list[Guild]:
        return [one for one in self.guilds.values() if self.bot.id in one.members]

    def share_guild(self, user: User) -> bool:
        """Whether the bot and a user are members of the same guild."""
        return any(user.id in one.members for one in self.bots_guilds)

    def hears(self, guild_id: int | None, channel_id: int | None) -> bool:
        """Whether the bot is where something happened."""
        if guild_id is not None and guild_id in self.guilds:
            return self.bot.id in self.guilds[guild_id].members
        channel = self.channels.get(channel_id or 0)
        return channel is None or channel.type is not ChannelType.GROUP_DM

    def user(self, user_id: int) -> User:
        if user_id not in self.users:
            raise api_error("unknown_user")
        return self.users[user_id]

    def member(self, guild_id: int, user_id: int) -> Member:
        guild = self.guild(guild_id)
        if user_id not in guild.members:
            raise api_error("unknown_member")
        return guild.members[user_id]

    def message(self, channel_id: int, message_id: int) -> Message:
        """A message everyone in the channel can see."""
        message = self.messages.get(channel_id, {}).get(message_id)
        if message is None or message.deleted or message.ephemeral:
            raise api_error("unknown_message")
        return message

    def listed(self, channel_id: int) -> list[Message]:
        """The channel's messages, oldest first, without deleted and ephemeral ones."""
        found = self.messages.get(channel_id, {}).values()
        return [one for one in found if not one.deleted and not one.ephemeral]

    def threads(self, guild_id: int, parent_id: int | None = None) -> list[Channel]:
        found = []
        for channel in self.channels.values():
            if channel.thread is None or channel.guild_id != guild_id:
                continue
            if parent_id is None or channel.parent_id == parent_id:
                self.settle(channel)
                found.append(channel)
        return found

    def guild_channels(self, guild_id: int) -> list[Channel]:
        return [one for one in self.channels.values() if one.guild_id == guild_id and one.thread is None]

    def settle(self, channel: Channel) -> None:
        """Archive a thread whose quiet time is over; done on sight, as nobody can look in between."""
        info = channel.thread
        if info is None or info.archived:
            return
        due = info.active_at + info.auto_archive_minutes * 60
        if due <= self.clock.now():
            info.archived, info.archived_at = True, due

    # --- permissions --------------------------------------------------------------------------------

    def guild_permissions(self, guild: Guild, user_id: int) -> int:
        if user_id == guild.owner_id:
            return permissions.EVERYTHING
        member = guild.members.get(user_id)
        if member is None:
            return 0
        value = guild.roles[guild.id].permissions
        for role_id in member.roles:
            value |= guild.roles[role_id].permissions
        return permissions.EVERYTHING if value & permissions.bits(["ADMINISTRATOR"]) else value

    def permissions(self, channel: Channel, user_id: int) -> int:
        """What a user may do in a channel; a thread has its parent's denials."""
        if channel.guild_id is None:
            talking = channel.group or (self.bot.id, channel.recipient_id)
            return permissions.ORDINARY if user_id in talking else 0
        value = self.guild_permissions(self.guilds[channel.guild_id], user_id)
        if value == permissions.EVERYTHING:
            return value
        place = self.channels[channel.parent_id] if channel.thread and channel.parent_id else channel
        value &= ~place.denied.get(user_id, 0)
        return value if value & permissions.bits(["VIEW_CHANNEL"]) else 0

    def may(self, channel: Channel, user_id: int, name: str) -> bool:
        return bool(self.permissions(channel, user_id) & permissions.bits([name]))

    def require(self, channel: Channel, user_id: int, names: Iterable[str]) -> None:
        """Raise 50001 for an invisible channel, 50013 for a missing permission."""
        if not self.may(channel, user_id, "VIEW_CHANNEL"):
            raise api_error("missing_access")
        if not all(self.may(channel, user_id, name) for name in names):
            raise api_error("missing_permissions")

    def require_reachable(self, channel: Channel) -> None:
        """Raise 50007, or 50278, where the bot may not write to the one it talks to here."""
        if channel.recipient_id is None:
            return
        user = self.users[channel.recipient_id]
        if user.closed:
            raise api_error("closed_to_bot")
        if not user.installed and not self.share_guild(user):
            raise api_error("no_mutual_guild")
