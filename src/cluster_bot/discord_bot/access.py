"""Who may use the bot where: the guild and user allow-lists, and what counts as an admin. An empty list allows all."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import discord

from cluster_bot.discord_bot.direct import is_away
from cluster_bot.discord_bot.messages import cannot_write_here
from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.errors import UserError
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Member, Run
from cluster_bot.runs.summary import Summary


@dataclass(frozen=True, slots=True)
class Access:
    """The allow-lists, ids as Discord gives them."""

    guilds: Collection[int] = ()
    users: Collection[int] = ()

    def check_guild(self, interaction: discord.Interaction) -> None:
        """Refuse a command from a guild that is not on the list.

        Outside of all guilds, and where only the member brought the bot, the list of users stands for that of guilds.
        """
        if not self.guilds:
            return
        if interaction.guild_id is None or is_away(interaction):
            if interaction.user.id not in self.users:
                raise refuse(Refusal.NOT_ALLOWED_ALONE)
        elif interaction.guild_id not in self.guilds:
            raise refuse(Refusal.NOT_ALLOWED_HERE)

    def check_submitter(self, interaction: discord.Interaction) -> None:
        """Refuse a member who may not run programs, or a channel in which the bot could not show them."""
        if self.users and interaction.user.id not in self.users:
            raise refuse(Refusal.NOT_ALLOWED_YOU)
        missing = _missing(interaction)
        if missing:
            raise UserError(cannot_write_here(missing), "cannot_write_here")


def _missing(interaction: discord.Interaction) -> list[str]:
    """What the bot lacks to show a run here, by Discord's own names; nothing where it can.

    Some of it a run can do without: it is shown without a thread or without files. Where something else is missing it
    is named too, so that an admin is asked once.
    """
    if interaction.guild_id is None or is_away(interaction):
        # It is shown in direct messages, of which `app_permissions` says nothing.
        return []
    may, in_thread = interaction.app_permissions, isinstance(interaction.channel, discord.Thread)
    needed = {
        "view_channel": may.view_channel,
        "send_messages": may.send_messages or in_thread,
        "send_messages_in_threads": may.send_messages_in_threads or not in_thread,
    }
    if all(needed.values()):
        return []
    wished = {
        "create_public_threads": may.create_public_threads or in_thread,
        "send_messages_in_threads": may.send_messages_in_threads,
        "attach_files": may.attach_files,
        "read_message_history": may.read_message_history,
    }
    return [name for name, given in {**needed, **wished}.items() if not given]


def is_admin(interaction: discord.Interaction) -> bool:
    """Whether this member may manage the server, as Discord itself says with the interaction.

    Who manages a server that the bot is not in has brought it there for themselves, and is no admin of it.
    """
    return interaction.permissions.manage_guild and not is_away(interaction)


def rules_over(interaction: discord.Interaction, run: Run | Summary) -> bool:
    """Whether this member is an admin of the server in which the run was asked for; elsewhere they are nobody."""
    asked_in = DiscordOrigin.of(run.origin).guild
    return is_admin(interaction) and asked_in is not None and asked_in == interaction.guild_id


def check_may_see(interaction: discord.Interaction, run: Run, place: Mapping[str, Any]) -> None:
    """Refuse all but a run's owner, its server's admins, and those who ask where it is shown.

    `place` is the feed's. That the run exists is said all the same: numbers count up, so that is no secret.
    """
    if run.owner.id == str(interaction.user.id) or rules_over(interaction, run):
        return
    shown = {place.get("room")} | ({DiscordOrigin.of(run.origin).channel} if place.get("anchor") else set())
    if interaction.channel_id is None or interaction.channel_id not in shown:
        raise refuse(Refusal.NOT_SHOWN_HERE, number=run.number)


def member_of(interaction: discord.Interaction) -> Member:
    """Who is asking."""
    return Member(str(interaction.user.id), interaction.user.display_name)


def groups_of(interaction: discord.Interaction) -> tuple[str, ...]:
    """The ids of the asker's roles here, the server's own for everybody among them; none outside a server."""
    user = interaction.user
    return tuple(str(role.id) for role in user.roles) if isinstance(user, discord.Member) else ()
