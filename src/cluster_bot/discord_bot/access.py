"""Who may use the bot where: the allow-lists, admins' orders, and who counts as an admin. An empty list allows all.

Called for every interaction before anything else of it (`enter`), then by whatever answers it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import discord

from cluster_bot.discord_bot.direct import is_away
from cluster_bot.discord_bot.messages import cannot_write_here
from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.errors import UserError
from cluster_bot.runs.orders import EVERYWHERE, InForce
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Member, Run
from cluster_bot.runs.summary import Summary
from cluster_bot.scheduling.desk import Desk

_ENTERED = "cluster_bot"


@dataclass(frozen=True, slots=True)
class _Entered:
    """What is known of an interaction that was let in."""

    orders: InForce
    operator: bool
    now: float


@dataclass(frozen=True, slots=True)
class Access:
    """The allow-lists, ids as Discord gives them; `operators` are who runs the bot."""

    desk: Desk
    guilds: Collection[int] = ()
    users: Collection[int] = ()
    operators: Collection[int] = ()

    async def enter(self, interaction: discord.Interaction) -> None:
        """Let an interaction in, or refuse it with UserError; what is asked of it afterwards goes by what holds now."""
        self.check_guild(interaction)
        orders = await self.desk.in_force(scope_of(interaction))
        interaction.extras[_ENTERED] = _Entered(orders, self._is_operator(interaction, orders), self.desk.now())

    def _is_operator(self, interaction: discord.Interaction, orders: InForce) -> bool:
        if self.operators:
            return interaction.user.id in self.operators
        return self.desk.home == scope_of(interaction) and _rules(interaction, orders)

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
        """Refuse a member who may not run programs now, or not here, and where the bot could not show them."""
        if self.users and interaction.user.id not in self.users:
            raise refuse(Refusal.NOT_ALLOWED_YOU)
        entered = _entered(interaction)
        entered.orders.check_member(str(interaction.user.id), entered.now)
        entered.orders.check_open(entered.now)
        if scope_of(interaction) != EVERYWHERE:
            entered.orders.check_channel(_channels(interaction))
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


def _channels(interaction: discord.Interaction) -> set[str]:
    """The channel, and the one that its thread or the category that it is in belongs to."""
    channel = interaction.channel
    parent = channel.parent if isinstance(channel, discord.Thread) else channel
    # Not the thread's own: the library raises where it does not know the channel, as just after a start.
    found = (interaction.channel_id, getattr(channel, "parent_id", None), getattr(parent, "category_id", None))
    return {str(one) for one in found if one is not None}


def _entered(interaction: discord.Interaction) -> _Entered:
    entered: _Entered = interaction.extras[_ENTERED]
    return entered


def scope_of(interaction: discord.Interaction) -> str:
    """Whose orders hold: the server's, or only those for everywhere where the bot is a member of none."""
    return EVERYWHERE if interaction.guild_id is None or is_away(interaction) else str(interaction.guild_id)


def scope_of_run(run: Run | Summary) -> str:
    """Whose admins hear of what is done to a run: those of the server in which it was asked for, if in one."""
    asked_in = DiscordOrigin.guild_of(run.origin)
    return EVERYWHERE if asked_in is None else str(asked_in)


def orders_of(interaction: discord.Interaction) -> InForce:
    """The orders in force when the interaction was let in."""
    return _entered(interaction).orders


def is_admin(interaction: discord.Interaction) -> bool:
    """Whether this member may manage the server, as Discord itself says, or has a role that its admins chose.

    Who manages a server that the bot is not in has brought it there for themselves, and is no admin of it.
    """
    return _rules(interaction, orders_of(interaction))


def _rules(interaction: discord.Interaction, orders: InForce) -> bool:
    chosen = set(orders.here.admin_roles) & set(groups_of(interaction))
    return not is_away(interaction) and (interaction.permissions.manage_guild or bool(chosen))


def is_operator(interaction: discord.Interaction) -> bool:
    """Whether this member's word holds for all servers."""
    return _entered(interaction).operator


def check_admin(interaction: discord.Interaction) -> None:
    """Refuse, with UserError, who is neither an admin here nor an operator."""
    if not is_admin(interaction) and not is_operator(interaction):
        raise refuse(Refusal.ADMINS_ONLY)


def check_operator(interaction: discord.Interaction) -> None:
    """Refuse, with UserError, who is no operator."""
    if not is_operator(interaction):
        raise refuse(Refusal.OPERATORS_ONLY if is_admin(interaction) else Refusal.ADMINS_ONLY)


def rules_over(interaction: discord.Interaction, run: Run | Summary) -> bool:
    """Whether this member is an admin of the server in which the run was asked for, or an operator."""
    if is_operator(interaction):
        return True
    asked_in = DiscordOrigin.guild_of(run.origin)
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
