"""State as the JSON the API and the gateway send. Reads the world, changes nothing.

Shapes follow the API reference, version 10; optional keys that no client needs here are left out.
"""

from __future__ import annotations

from . import components
from .cdn import Cdn
from .clock import timestamp
from .model import Attachment, Channel, ChannelType, Guild, Json, Member, Message, MessageFlag, Role, User
from .world import World


class Payloads:
    def __init__(self, world: World, cdn: Cdn) -> None:
        self._world = world
        self._cdn = cdn

    def user(self, user: User) -> Json:
        return {
            "id": str(user.id),
            "username": user.name,
            "discriminator": "0000" if user.bot else "0",
            "global_name": None if user.bot else user.name,
            "avatar": None,
            "bot": user.bot,
            "public_flags": 0,
            "flags": 0,
        }

    def me(self) -> Json:
        return {
            **self.user(self._world.bot),
            "verified": True,
            "mfa_enabled": True,
            "locale": "en-US",
            "email": None,
        }

    def application(self) -> Json:
        return {
            "id": str(self._world.application_id),
            "name": self._world.application_name,
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "owner": self.user(self._world.owner),
            "verify_key": "0" * 64,
            "team": None,
            "flags": 0,
            "approximate_guild_count": len(self._world.bots_guilds),
            "integration_types_config": {"0": {}, "1": {}},
        }

    def member(self, member: Member, *, with_user: bool = True) -> Json:
        shape: Json = {
            "nick": member.nick,
            "avatar": None,
            "roles": [str(role) for role in member.roles],
            "joined_at": timestamp(member.joined_at),
            "deaf": False,
            "mute": False,
            "flags": 0,
            "pending": False,
        }
        return {**shape, "user": self.user(member.user)} if with_user else shape

    def role(self, role: Role) -> Json:
        shape: Json = {
            "id": str(role.id),
            "name": role.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "position": role.position,
            "permissions": str(role.permissions),
            "managed": role.managed_by is not None,
            "mentionable": False,
            "flags": 0,
        }
        return {**shape, "tags": {"bot_id": str(role.managed_by)}} if role.managed_by else shape

    def channel(self, channel: Channel) -> Json:
        if channel.thread is not None:
            return self.thread(channel)
        last = str(channel.last_message_id) if channel.last_message_id else None
        shape: Json = {"id": str(channel.id), "type": int(channel.type), "last_message_id": last, "flags": 0}
        if channel.group:
            people = [self.user(self._world.users[one]) for one in channel.group]
            return {**shape, "recipients": people, "owner_id": people[0]["id"], "name": None, "icon": None}
        if channel.recipient_id is not None:
            return {**shape, "recipients": [self.user(self._world.users[channel.recipient_id])]}
        shape |= {
            "guild_id": str(channel.guild_id),
            "name": channel.name,
            "position": channel.position,
            "permission_overwrites": [
                {"id": str(user_id), "type": 1, "allow": "0", "deny": str(denied)}
                for user_id, denied in channel.denied.items()
            ],
            "nsfw": False,
            "parent_id": None,
            "topic": channel.topic,
            "rate_limit_per_user": 0,
        }
        if channel.type is ChannelType.VOICE:
            shape |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None}
        if channel.type is ChannelType.FORUM:
            shape |= {
                "available_tags": [],
                "default_reaction_emoji": None,
                "default_sort_order": None,
                "default_forum_layout": 0,
            }
        return shape

    def thread(self, channel: Channel, *, viewer: int | None = None, new: bool = False) -> Json:
        """A thread; `viewer` adds that user's membership, `new` the mark of THREAD_CREATE."""
        info = channel.thread
        assert info is not None
        shape: Json = {
            "id": str(channel.id),
            "type": int(channel.type),
            "guild_id": str(channel.guild_id),
            "parent_id": str(channel.parent_id),
            "owner_id": str(info.owner_id),
            "name": channel.name,
            "last_message_id": str(channel.last_message_id) if channel.last_message_id else None,
            "message_count": info.message_count,
            "total_message_sent": info.total_sent,
            "member_count": len(info.members),
            "rate_limit_per_user": 0,
            "flags": 0,
            "applied_tags": [str(tag) for tag in info.applied_tags],
            "thread_metadata": {
                "archived": info.archived,
                "archive_timestamp": timestamp(info.archived_at or info.created_at),
                "auto_archive_duration": info.auto_archive_minutes,
                "locked": info.locked,
                "create_timestamp": timestamp(info.created_at),
            },
        }
        if viewer in info.members:
            shape["member"] = self.thread_member(channel, viewer)
        return {**shape, "newly_created": True} if new else shape

    def thread_member(self, channel: Channel, user_id: int) -> Json:
        assert channel.thread is not None
        joined = timestamp(channel.thread.members[user_id])
        return {"id": str(channel.id), "user_id": str(user_id), "join_timestamp": joined, "flags": 0}

    def guild(self, guild: Guild) -> Json:
        """A guild as GET /guilds/{id} answers it."""
        return {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "splash": None,
            "discovery_splash": None,
            "description": None,
            "banner": None,
            "owner_id": str(guild.owner_id),
            "region": "local",
            "afk_channel_id": None,
            "afk_timeout": 300,
            "verification_level": 0,
            "default_message_notifications": 1,
            "explicit_content_filter": 0,
            "roles": [self.role(role) for role in guild.roles.values()],
            "emojis": [],
            "features": ["COMMUNITY", "NEWS"],
            "stickers": [],
            "mfa_level": 0,
            "nsfw_level": 0,
            "application_id": None,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "public_updates_channel_id": None,
            "vanity_url_code": None,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "incidents_data": None,
            "max_members": 500_000,
        }

    def guild_create(self, guild: Guild) -> Json:
        """A guild as the gateway's GUILD_CREATE sends it."""
        world, bot = self._world, self._world.bot.id
        visible = [one for one in world.guild_channels(guild.id) if world.may(one, bot, "VIEW_CHANNEL")]
        threads = [one for one in world.threads(guild.id) if one.thread and not one.thread.archived]
        return {
            **self.guild(guild),
            "joined_at": timestamp(guild.members[bot].joined_at),
            "large": False,
            "unavailable": False,
            "member_count": len(guild.members),
            "members": [self.member(one) for one in guild.members.values()],
            "channels": [self.channel(one) for one in visible],
            "threads": [self.thread(one, viewer=bot) for one in threads if world.may(one, bot, "VIEW_CHANNEL")],
            "presences": [],
            "voice_states": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    def attachment(self, attachment: Attachment) -> Json:
        url = self._cdn.url(attachment)
        shape: Json = {
            "id": str(attachment.id),
            "filename": attachment.filename,
            "size": attachment.size,
            "url": url,
            "proxy_url": url,
            "content_type": attachment.content_type,
            "flags": 0,
        }
        if attachment.description is not None:
            shape["description"] = attachment.description
        return {**shape, "ephemeral": True} if attachment.ephemeral else shape

    def message(self, message: Message, *, nonce: bool = False, reference: bool = True) -> Json:
        """A message; `nonce` only where the API includes it (a create's answer and its gateway event)."""
        world = self._world
        shape: Json = {
            "id": str(message.id),
            "channel_id": str(message.channel_id),
            "type": int(message.type),
            "author": self.user(message.author),
            "content": message.content,
            "timestamp": timestamp(message.created_at),
            "edited_timestamp": timestamp(message.edited_at) if message.edited_at else None,
            "tts": False,
            "mention_everyone": message.mention_everyone,
            "mentions": [self.user(world.users[user_id]) for user_id in message.mentions],
            "mention_roles": [str(role_id) for role_id in message.mention_roles],
            "attachments": [self.attachment(one) for one in message.attachments],
            "embeds": message.embeds,
            "components": self.components(message),
            "pinned": False,
            "flags": message.flags,
        }
        if nonce and message.nonce is not None:
            shape["nonce"] = message.nonce
        if message.reactions:
            shape["reactions"] = [self._reaction(emoji, who) for emoji, who in message.reactions.items()]
        if message.interaction is not None:
            shape |= {
                "application_id": str(world.application_id),
                "webhook_id": str(world.application_id),
                "interaction_metadata": message.interaction,
            }
            if message.command_name is not None:
                shape["interaction"] = {
                    "id": message.interaction["id"],
                    "type": message.interaction["type"],
                    "name": message.command_name,
                    "user": message.interaction["user"],
                }
        if message.reference is not None:
            shape["message_reference"] = message.reference
            if reference and "message_id" in message.reference:
                shape["referenced_message"] = self._referenced(message.reference)
        if message.thread_id is not None and message.flags & MessageFlag.HAS_THREAD:
            shape["thread"] = self.thread(world.channels[message.thread_id])
        return shape

    def components(self, message: Message) -> list[Json]:
        """The components of a message with the addresses of the files they show."""
        files = {one.filename: one for one in message.attachments}
        return components.written(message, lambda name: self.attachment(files[name]))

    def message_event(self, message: Message) -> Json:
        """A message as MESSAGE_CREATE and MESSAGE_UPDATE send it: with its guild and its author's member."""
        shape = self.message(message, nonce=True)
        if message.guild_id is None:
            return shape
        shape["guild_id"] = str(message.guild_id)
        member = self._world.guilds[message.guild_id].members.get(message.author.id)
        if member is not None:
            shape["member"] = self.member(member, with_user=False)
        return shape

    def interaction_channel(self, channel: Channel, user_id: int) -> Json:
        return {**self.channel(channel), "permissions": str(self._world.permissions(channel, user_id))}

    def interaction_member(self, guild: Guild, channel: Channel, user_id: int) -> Json:
        granted = str(self._world.permissions(channel, user_id))
        return {**self.member(guild.members[user_id]), "permissions": granted}

    def _referenced(self, reference: Json) -> Json | None:
        found = self._world.messages.get(int(reference["channel_id"]), {}).get(int(reference["message_id"]))
        if found is None or found.deleted or found.ephemeral:
            return None
        return self.message(found, reference=False)

    def _reaction(self, emoji: str, who: list[int]) -> Json:
        return {
            "emoji": {"id": None, "name": emoji},
            "count": len(who),
            "count_details": {"burst": 0, "normal": len(who)},
            "me": self._world.bot.id in who,
            "me_burst": False,
            "burst_colors": [],
        }
