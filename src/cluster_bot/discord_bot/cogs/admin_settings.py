"""What admins set with `/admin`: settings, limits of roles and members, channels, who is an admin, the journal's place.

Its commands are added to the group of `admin` by `bot`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import check_admin, is_admin, member_of, orders_of, scope_of
from cluster_bot.discord_bot.cogs.admin import done, scope_meant
from cluster_bot.discord_bot.gpu_choices import MOST_CHOICES
from cluster_bot.discord_bot.run_views import text_view
from cluster_bot.errors import UserError
from cluster_bot.runs.knobs import DEFAULT, KNOBS, Knob
from cluster_bot.runs.orders import EVERYWHERE, InForce, Orders
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.rules import Limits, lower
from cluster_bot.scheduling.desk import Desk

Typed = Range[str, 1, 200]
Channel = discord.TextChannel | discord.Thread | discord.VoiceChannel | discord.ForumChannel | discord.CategoryChannel


class SettingCommands(app_commands.Group, name="admin", description="Its commands become those of /admin"):
    """Commands of the group `/admin`."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    # --- settings -----------------------------------------------------------------------------------------------

    @app_commands.command(name="settings", description="What is ordered and set here, and where each comes from")
    async def settings(self, interaction: discord.Interaction) -> None:
        """Show all of it."""
        check_admin(interaction)
        orders, scope = orders_of(interaction), scope_of(interaction)
        channel = orders.here.log_channel or (await self._desk.log_channel(EVERYWHERE) if self._is_home(scope) else "")
        values = [(knob, *self._value(knob, orders)) for knob in KNOBS.values()]
        view = text_view(messages.overview(orders, values, channel, several=self._desk.spans(EVERYWHERE)))
        await interaction.response.send_message(view=view, ephemeral=True, allowed_mentions=_NOBODY)

    def _is_home(self, scope: str) -> bool:
        return self._desk.home == scope

    def _value(self, knob: Knob, orders: InForce) -> tuple[object, str]:
        """What a setting is here, and where that comes from, "" for the bot's own settings."""
        own = orders.here.values.get(knob.field, _UNSET)
        of_all = orders.everywhere.values.get(knob.field, _UNSET)
        near = own is not _UNSET or not self._desk.spans(EVERYWHERE)
        source = messages.HERE_SOURCE if near else messages.EVERYWHERE_SOURCE
        source = source if own is not _UNSET or of_all is not _UNSET else ""
        if knob.shared or knob.field not in _LIMITS:
            return (self._desk.usual(knob.name) if of_all is _UNSET else of_all), source
        limits = self._desk.limits(orders)
        few = limits.gpus_here if knob.field == "gpus" and limits.gpus_here != ("*",) else None
        return few or getattr(limits, knob.field), source

    @app_commands.command(name="set", description="Change a setting, with effect at once")
    @app_commands.describe(setting=messages.SETTING, value=messages.VALUE, everywhere=messages.EVERYWHERE_OPTION)
    async def set(
        self, interaction: discord.Interaction, setting: Typed, value: Typed, everywhere: bool | None = None
    ) -> None:
        """Change one."""
        scope = scope_meant(self._desk, interaction, everywhere)
        knob = KNOBS.get(setting.strip().lower())
        if knob is None:
            raise refuse(Refusal.NO_SUCH_SETTING, names=", ".join(f"`{one}`" for one in KNOBS))
        if knob.shared and scope != EVERYWHERE:
            raise refuse(Refusal.SETTING_OF_ALL, name=knob.name)
        usual = value.strip().lower() == DEFAULT
        chosen = self._usual(knob, scope, orders_of(interaction)) if usual else _read(knob, value)
        if scope != EVERYWHERE and not usual:
            self._check_no_more(self._desk.limits(InForce(orders_of(interaction).everywhere)), {knob.field: chosen})
        told = messages.value_set(knob, chosen, usual=usual, everywhere=self._desk.spans(scope))
        await self._desk.change(
            scope,
            member_of(interaction),
            told,
            lambda orders: orders.with_value(knob.field, chosen, usual=usual),
        )
        await done(interaction, told)

    def _usual(self, knob: Knob, scope: str, orders: InForce) -> Any:
        if scope != EVERYWHERE and knob.field in _LIMITS:
            return getattr(self._desk.limits(InForce(orders.everywhere)), knob.field)
        return self._desk.usual(knob.name)

    @staticmethod
    def _check_no_more(of_all: Limits, wished: Mapping[str, Any]) -> None:
        """Refuse what would have no effect: a server can give less than what they have everywhere, and not more."""
        for knob in KNOBS.values():
            if knob.field not in wished or knob.field == "gpus":
                continue
            only = {knob.field: wished[knob.field]}
            least = getattr(lower(of_all, replace(of_all, **only)), knob.field)
            if least != wished[knob.field]:
                most = knob.shown(getattr(of_all, knob.field))
                raise refuse(Refusal.NOT_MORE_THAN_ALL, name=knob.name, most=most)

    @set.autocomplete("setting")
    async def _settings(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        orders = orders_of(interaction)
        found = [one for one in KNOBS.values() if typed.strip().lower() in one.name]
        return [
            Choice(name=messages.setting_choice(one, self._value(one, orders)[0])[:100], value=one.name)
            for one in found[:MOST_CHOICES]
        ]

    # --- limits -------------------------------------------------------------------------------------------------

    @app_commands.command(name="limit", description="Give a role or a member other limits than everybody has")
    @app_commands.describe(
        role=messages.LIMIT_ROLE,
        member=messages.LIMIT_MEMBER,
        runs_at_once=messages.LIMIT_NUMBER,
        runs_per_hour=messages.LIMIT_NUMBER,
        gpu_minutes_per_day=messages.LIMIT_NUMBER,
        gpus=messages.LIMIT_GPUS,
        max_time_limit_s=messages.LIMIT_NUMBER,
        reset=messages.LIMIT_RESET,
        everywhere=messages.EVERYWHERE_OPTION,
    )
    async def limit(
        self,
        interaction: discord.Interaction,
        role: discord.Role | None = None,
        member: discord.User | None = None,
        runs_at_once: Typed | None = None,
        runs_per_hour: Typed | None = None,
        gpu_minutes_per_day: Typed | None = None,
        gpus: Typed | None = None,
        max_time_limit_s: Typed | None = None,
        reset: bool = False,
        everywhere: bool | None = None,
    ) -> None:
        """Set some of them; those that are not named stay as they were."""
        scope = scope_meant(self._desk, interaction, everywhere)
        if (role is None) == (member is None):
            raise refuse(Refusal.ONE_OF_TWO)
        typed = {
            "runs_at_once": runs_at_once,
            "runs_per_hour": runs_per_hour,
            "gpu_minutes_per_day": gpu_minutes_per_day,
            "gpus": gpus,
            "max_time_limit_s": max_time_limit_s,
        }
        given = {KNOBS[name].field: _read(KNOBS[name], text) for name, text in typed.items() if text is not None}
        if bool(given) == reset:
            raise refuse(Refusal.NO_LIMITS_GIVEN)
        role_id, member_id = str(role.id) if role else None, str(member.id) if member else None
        if scope != EVERYWHERE:
            held = [role] if role is not None else member.roles if isinstance(member, discord.Member) else []
            of_all = self._desk.limits(
                InForce(orders_of(interaction).everywhere), member_id or "", [str(one.id) for one in held]
            )
            self._check_no_more(of_all, given)

        def change(orders: Orders) -> Orders:
            known = orders.members.get(str(member_id), {}) if role_id is None else orders.roles.get(role_id, {})
            return orders.with_share(role=role_id, member=member_id, share={} if reset else {**known, **given})

        who = f"<@&{role_id}>" if role_id else f"<@{member_id}>"
        told = messages.share_set(who, given, everywhere=self._desk.spans(scope))
        await self._desk.change(scope, member_of(interaction), told, change)
        await done(interaction, told)

    # --- this server --------------------------------------------------------------------------------------------

    @app_commands.command(name="channel", description="Keep runs to some channels of this server")
    @app_commands.describe(channel=messages.CHANNEL, allowed=messages.CHANNEL_ALLOWED)
    async def channel(
        self, interaction: discord.Interaction, channel: Channel | None = None, allowed: bool = True
    ) -> None:
        """Allow one, or allow it no more; without one, all again: one that was deleted cannot be chosen any more."""
        check_admin(interaction)
        scope, key = scope_of(interaction), "" if channel is None else str(channel.id)

        def changed(known: tuple[str, ...]) -> tuple[str, ...]:
            return () if not key else (*(one for one in known if one != key), *([key] if allowed else []))

        told = messages.channels_set(changed(orders_of(interaction).here.channels))
        await self._desk.change(
            scope, member_of(interaction), told, lambda orders: orders.with_channels(changed(orders.channels))
        )
        await done(interaction, told)

    @app_commands.command(name="role", description="Give a role's members the rights of an admin here")
    @app_commands.describe(role=messages.ROLE, may=messages.ROLE_MAY)
    async def role(self, interaction: discord.Interaction, role: discord.Role, may: bool = True) -> None:
        """Give or take them; only who may manage the server can, so that nobody passes on what was given to them."""
        if not is_admin(interaction) or not interaction.permissions.manage_guild:
            raise refuse(Refusal.MANAGERS_ONLY)
        if role.is_default():
            raise refuse(Refusal.NOT_EVERYBODY)
        key, told = str(role.id), messages.role_set(str(role.id), may=may)
        await self._desk.change(
            scope_of(interaction),
            member_of(interaction),
            told,
            lambda orders: orders.with_admin_role(key, may=may),
        )
        await done(interaction, told, messages.ROLE_NOTE if may else "")

    @app_commands.command(name="log", description="Show the journal of what admins decide in a channel")
    @app_commands.describe(channel=messages.LOG_CHANNEL, everywhere=messages.EVERYWHERE_OPTION)
    async def log(
        self,
        interaction: discord.Interaction,
        channel: discord.TextChannel | discord.Thread | None = None,
        everywhere: bool | None = None,
    ) -> None:
        """Choose the channel; the entry that says so is the first one there."""
        # The channel is a server's, and where there is one server it is everybody's too.
        meant = scope_meant(self._desk, interaction, everywhere or False)
        scope = meant if self._desk.spans(meant) else scope_of(interaction)
        if channel is not None:
            _check_may_write(channel)
        key = "" if channel is None else str(channel.id)
        told = messages.log_set(key, everywhere=self._desk.spans(scope))
        await self._desk.change(scope, member_of(interaction), told, lambda orders: orders.with_log_channel(key))
        await done(interaction, told)


_UNSET = object()
_LIMITS = frozenset(Limits.__dataclass_fields__)
_NOBODY = discord.AllowedMentions.none()


def _read(knob: Knob, typed: str) -> Any:
    try:
        return knob.read(typed.strip())
    except ValueError:
        raise refuse(Refusal.BAD_SETTING, name=knob.name, rule=knob.rule) from None


def _check_may_write(channel: discord.TextChannel | discord.Thread) -> None:
    may = channel.permissions_for(channel.guild.me)
    writes = may.send_messages_in_threads if isinstance(channel, discord.Thread) else may.send_messages
    reads = may.read_message_history
    needed = {"view_channel": may.view_channel, "send_messages": writes, "read_message_history": reads}
    missing = [name for name, given in needed.items() if not given]
    if missing:
        raise UserError(messages.cannot_log_there(str(channel.id), missing), "cannot_log_there")
