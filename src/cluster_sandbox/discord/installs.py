"""Where the application is installed, and so where its commands are offered and on whose behalf. Pure.

`members.py` asks before it opens an interaction; `interactions.py` writes what it says into the payload.
"""

from __future__ import annotations

from . import permissions
from .model import Channel, ChannelType, Json, User
from .world import World

IN_GUILD, WITH_BOT, PRIVATE = 0, 1, 2
"""The contexts of an interaction: a guild, the direct messages with the bot, any other direct messages."""
BY_GUILD, BY_USER = "0", "1"
"""The installation types, as the keys of `authorizing_integration_owners`."""
MENTIONING = ("ATTACH_FILES", "EMBED_LINKS", "MENTION_EVERYONE")


def context(channel: Channel) -> int:
    """The context of what happens in a channel."""
    if channel.guild_id is not None:
        return IN_GUILD
    return WITH_BOT if channel.type is ChannelType.DM else PRIVATE


def owners(world: World, user: User, channel: Channel, command: Json | None = None) -> Json:
    """`authorizing_integration_owners`: who brought the application here; empty where nobody did.

    `command`: whose definition may exclude a context or a way of installing. A guild's own command is for that guild.
    """
    command = command or {}
    own = "guild_id" in command
    contexts = command.get("contexts")
    if not own and contexts is not None and context(channel) not in contexts:
        return {}
    kinds = [0] if own else command.get("integration_types") or [0, 1]
    found: Json = {}
    if 0 in kinds:
        if channel.guild_id is not None and world.bot.id in world.guilds[channel.guild_id].members:
            found[BY_GUILD] = str(channel.guild_id)
        elif context(channel) == WITH_BOT and world.share_guild(user):
            found[BY_GUILD] = "0"
    if 1 in kinds and user.installed:
        found[BY_USER] = str(user.id)
    return found


def app_permissions(world: World, user: User, channel: Channel) -> int:
    """What the application may do where an interaction happens.

    In direct messages that is no more than what it may put into its answers. The same where it was only brought by
    the user, less what the user may not do there.
    """
    if context(channel) == WITH_BOT:
        return permissions.bits([*MENTIONING, "USE_EXTERNAL_EMOJIS"])
    if channel.guild_id is None:
        return permissions.bits(MENTIONING)
    if world.bot.id in world.guilds[channel.guild_id].members:
        return world.permissions(channel, world.bot.id)
    return world.permissions(channel, user.id) & permissions.bits(MENTIONING)
