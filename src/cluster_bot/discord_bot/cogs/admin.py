"""`/admin`: what admins decide about running things: pause and resume, drain, ban, cancel, and the journal of it all.

What may be set stands in `admin_settings`, whose commands `bot` adds to this group beside those of other modules. Every
decision is an order at the desk: kept, in force at once, and told in the journal.
"""

from collections.abc import Callable, Sequence

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import (
    check_admin,
    check_operator,
    is_operator,
    member_of,
    orders_of,
    rules_over,
    scope_of,
    scope_of_run,
)
from cluster_bot.discord_bot.gpu_choices import LONGEST_NAME, MOST_CHOICES, gpu_choices
from cluster_bot.discord_bot.run_choices import run_number, stoppable_runs
from cluster_bot.discord_bot.run_views import text_view
from cluster_bot.errors import UserError
from cluster_bot.runs.orders import EVERYTHING, EVERYWHERE, MOST_WHY, Decided, Orders, machine, names_gpu
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.summary import Summary
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.scheduler import Scheduler

ENTRIES_SHOWN = 15
_HOUR_S = 3600.0
Why = Range[str, 1, MOST_WHY]
Hours = Range[float, 0.1, 8760.0]


def scope_meant(desk: Desk, interaction: discord.Interaction, everywhere: bool | None) -> str:
    """Whose order it is: this server's, or everybody's. Refuses, with UserError, whose word does not go so far.

    Where the bot serves this server alone, both are one, and direct messages belong to it.
    """
    if everywhere is None:
        everywhere = desk.home == scope_of(interaction) and is_operator(interaction)
    if everywhere:
        check_operator(interaction)
        return EVERYWHERE
    check_admin(interaction)
    return scope_of(interaction)


def scopes_meant(desk: Desk, interaction: discord.Interaction, everywhere: bool | None) -> list[str]:
    """Where an order that is to be taken back may have been given: where both are one, this server's own too."""
    scope = scope_meant(desk, interaction, everywhere)
    return [scope, scope_of(interaction)] if scope == EVERYWHERE and everywhere is None else [scope]


class AdminCommands(
    app_commands.Group,
    name="admin",
    description="For admins: keep order, connect GPUs, change settings",
    default_permissions=discord.Permissions(manage_guild=True),
):
    """The group. Who may what is looked at in each command: Discord's own settings are a server's to change."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        )
        self._scheduler = scheduler
        self._desk = scheduler.desk

    # --- pauses -------------------------------------------------------------------------------------------------

    @app_commands.command(name="pause", description="Take no new runs: none at all, or none of a launcher or a GPU")
    @app_commands.describe(
        launcher=messages.PAUSE_LAUNCHER,
        gpu=messages.PAUSE_GPU,
        why=messages.WHY,
        hours=messages.HOURS,
        everywhere=messages.EVERYWHERE_OPTION,
    )
    async def pause(
        self,
        interaction: discord.Interaction,
        launcher: Range[str, 1, 50] | None = None,
        gpu: Range[str, 1, 60] | None = None,
        why: Why = "",
        hours: Hours | None = None,
        everywhere: bool | None = None,
    ) -> None:
        """Pause it; what is under way goes on."""
        scope = scope_meant(self._desk, interaction, everywhere)
        if launcher is not None and launcher.lower() not in self._scheduler.launchers:
            raise refuse(Refusal.UNKNOWN_LAUNCHER, launcher="…")
        await self._pause(interaction, scope, _meant(launcher, gpu), self._decided(interaction, why, hours))

    @app_commands.command(name="drain", description="Take no new runs, and say when the last one has ended")
    @app_commands.describe(why=messages.WHY)
    async def drain(self, interaction: discord.Interaction, why: Why = "") -> None:
        """Pause everything for all servers, before the bot is stopped."""
        check_operator(interaction)
        await self._pause(interaction, EVERYWHERE, EVERYTHING, self._decided(interaction, why, drain=True))

    async def _pause(self, interaction: discord.Interaction, scope: str, what: str, pause: Decided) -> None:
        told = messages.paused(what, pause, everywhere=self._desk.spans(scope))
        live = messages.live_runs(await self._scheduler.reading.live_count())
        await self._desk.change(scope, member_of(interaction), told, lambda orders: orders.with_pause(what, pause))
        note = messages.DRAIN_NOTE if pause.drain else messages.UNDER_WAY
        await done(interaction, told, note.format(live=live))

    @app_commands.command(name="resume", description="Take new runs again; without an option, of all that is paused")
    @app_commands.describe(
        launcher=messages.PAUSE_LAUNCHER, gpu=messages.PAUSE_GPU, everywhere=messages.EVERYWHERE_OPTION
    )
    async def resume(
        self,
        interaction: discord.Interaction,
        launcher: Range[str, 1, 50] | None = None,
        gpu: Range[str, 1, 60] | None = None,
        everywhere: bool | None = None,
    ) -> None:
        """Take pauses back."""
        meant = _meant(launcher, gpu) if launcher or gpu else None
        resumed: set[str] = set()
        for scope in scopes_meant(self._desk, interaction, everywhere):
            standing = (await self._desk.orders(scope)).pauses
            whats = [one for one in standing if meant in (None, one)]
            if whats:
                told = messages.resumed(whats, everywhere=self._desk.spans(scope))
                await self._desk.change(scope, member_of(interaction), told, _without(whats))
                resumed.update(whats)
        if not resumed:
            raise refuse(Refusal.NOTHING_PAUSED)
        await done(interaction, messages.resumed(resumed, everywhere=self._desk.spans(scope)))

    @pause.autocomplete("launcher")
    @resume.autocomplete("launcher")
    async def _launchers(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        names = [one for one in self._scheduler.launchers if typed.strip().lower() in one]
        return [Choice(name=name[:LONGEST_NAME], value=name) for name in names[:MOST_CHOICES]]

    @pause.autocomplete("gpu")
    @resume.autocomplete("gpu")
    async def _gpus(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        launcher = getattr(interaction.namespace, "launcher", None)
        offers = await self._scheduler.all_offers()
        named = {
            one.gpu: messages.place_name(name, one.gpu)
            for name, offered in offers.items()
            for one in offered
            if one.gpu is not None and launcher in (None, name)
        }
        return gpu_choices(list(named.items()), typed)

    # --- members ------------------------------------------------------------------------------------------------

    @app_commands.command(name="ban", description="Let a member run nothing more; their runs under way are cancelled")
    @app_commands.describe(
        member=messages.BAN_MEMBER,
        why=messages.WHY,
        hours=messages.HOURS,
        cancel_runs=messages.CANCEL_RUNS,
        everywhere=messages.EVERYWHERE_OPTION,
    )
    async def ban(
        self,
        interaction: discord.Interaction,
        member: discord.User,
        why: Why = "",
        hours: Hours | None = None,
        cancel_runs: bool = True,
        everywhere: bool | None = None,
    ) -> None:
        """Ban them."""
        scope = scope_meant(self._desk, interaction, everywhere)
        if member.bot or member.id == interaction.user.id or _is_admin(interaction, member):
            raise refuse(Refusal.NOT_YOURSELF)
        await interaction.response.defer(ephemeral=True, thinking=True)
        ban = self._decided(interaction, why, hours)
        key, by = str(member.id), member_of(interaction)
        told = messages.banned(key, ban, everywhere=self._desk.spans(scope))
        # First the ban, so that nothing new comes in between.
        await self._desk.change(scope, by, told, lambda orders: orders.with_ban(key, ban))
        live = await self._scheduler.reading.live(key) if cancel_runs else []
        numbers = await self._cancel(interaction, [one for one in live if scope in (EVERYWHERE, scope_of_run(one))])
        if numbers:
            told = f"{told}; {messages.cancelled(numbers, key)}"
        await done(interaction, told)

    @app_commands.command(name="unban", description="Let a banned member run programs again")
    @app_commands.describe(member=messages.UNBAN_MEMBER, everywhere=messages.EVERYWHERE_OPTION)
    async def unban(
        self, interaction: discord.Interaction, member: discord.User, everywhere: bool | None = None
    ) -> None:
        """Take a ban back."""
        key, told = str(member.id), ""
        for scope in scopes_meant(self._desk, interaction, everywhere):
            if key in (await self._desk.orders(scope)).bans:
                told = messages.unbanned(key, everywhere=self._desk.spans(scope))
                await self._desk.change(scope, member_of(interaction), told, lambda orders: orders.with_ban(key, None))
        if not told:
            raise refuse(Refusal.NOT_BANNED)
        await done(interaction, told)

    # --- runs ---------------------------------------------------------------------------------------------------

    @app_commands.command(name="cancel", description="Stop a run, all runs of a member, or all there are")
    @app_commands.describe(
        run=messages.RUN,
        member=messages.CANCEL_MEMBER,
        all_runs=messages.CANCEL_ALL,
        everywhere=messages.EVERYWHERE_OPTION,
    )
    async def cancel(
        self,
        interaction: discord.Interaction,
        run: str | None = None,
        member: discord.User | None = None,
        all_runs: bool = False,
        everywhere: bool | None = None,
    ) -> None:
        """Stop runs of this server, or of all; one that is named, wherever this admin rules over it."""
        scope = scope_meant(self._desk, interaction, everywhere)
        if sum((run is not None, member is not None, all_runs)) != 1:
            raise refuse(Refusal.ONE_OF_THREE)
        number = None if run is None else run_number(run)
        await interaction.response.defer(ephemeral=True, thinking=True)
        live = await self._scheduler.reading.live(None if member is None else str(member.id))
        meant = [
            one
            for one in live
            if rules_over(interaction, one)
            and (scope in (EVERYWHERE, scope_of_run(one)) if number is None else one.number == number)
        ]
        numbers = await self._cancel(interaction, meant)
        if not numbers:
            await interaction.edit_original_response(content=messages.NOTHING_CANCELLED)
            return
        owners = {one.owner.id for one in meant}
        await done(interaction, messages.cancelled(numbers, owners.pop() if len(owners) == 1 else ""))

    @cancel.autocomplete("run")
    async def _live_runs(self, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
        return await stoppable_runs(self._scheduler.reading, interaction, typed)

    async def _cancel(self, interaction: discord.Interaction, runs: Sequence[Summary]) -> list[int]:
        """Cancel them, and tell the admins of each server of theirs; the numbers of those not over just then."""
        by = member_of(interaction)
        ended: dict[tuple[str, str], list[int]] = {}
        for one in runs:
            try:
                await self._scheduler.cancel(one.number, by, rules_over=lambda run: True)
            except UserError:
                continue
            ended.setdefault((scope_of_run(one), one.owner.id), []).append(one.number)
        for (scope, owner), numbers in ended.items():
            await self._desk.note(scope, messages.cancelled(numbers, owner), by=by)
        return sorted((number for numbers in ended.values() for number in numbers), reverse=True)

    @app_commands.command(name="journal", description="What admins decided lately, and what they were told")
    @app_commands.describe(everywhere=messages.EVERYWHERE_OPTION)
    async def journal(self, interaction: discord.Interaction, everywhere: bool | None = None) -> None:
        """Show the newest entries."""
        scope = scope_meant(self._desk, interaction, everywhere)
        entries = list(await self._desk.journal(scope, ENTRIES_SHOWN))
        if scope == EVERYWHERE and everywhere is None:
            # Both are this server's.
            entries += await self._desk.journal(scope_of(interaction), ENTRIES_SHOWN)
            entries = sorted(entries, key=lambda one: one.number, reverse=True)[:ENTRIES_SHOWN]
        await interaction.response.send_message(view=text_view(messages.journal(entries)), ephemeral=True)

    def _decided(
        self, interaction: discord.Interaction, why: str, hours: float | None = None, *, drain: bool = False
    ) -> Decided:
        now, by = self._desk.now(), member_of(interaction)
        until = None if hours is None else now + hours * _HOUR_S
        return Decided(by.name, now, until, messages.said_why(why), drain)


def _meant(launcher: str | None, gpu: str | None) -> str:
    """What is to be paused or resumed. A pattern, or a machine alone, would be everything, or nothing."""
    if gpu is not None and not names_gpu(gpu):
        raise refuse(Refusal.NO_GPU_NAME)
    return machine(launcher, gpu)


def _without(whats: Sequence[str]) -> Callable[[Orders], Orders]:
    def change(orders: Orders) -> Orders:
        for what in whats:
            orders = orders.with_pause(what, None)
        return orders

    return change


def _is_admin(interaction: discord.Interaction, member: discord.User | discord.Member) -> bool:
    if not isinstance(member, discord.Member):
        return False
    may = member.resolved_permissions or member.guild_permissions
    chosen = {str(role.id) for role in member.roles} & set(orders_of(interaction).here.admin_roles)
    return may.manage_guild or bool(chosen)


async def done(interaction: discord.Interaction, told: str, note: str = "") -> None:
    """Say what was decided, and what follows."""
    text = messages.DONE.format(order=told) + note
    if interaction.response.is_done():
        await interaction.edit_original_response(content=text)
    else:
        await interaction.response.send_message(text, ephemeral=True)
