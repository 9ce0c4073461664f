"""From a command or a form to an admitted run: what all ways of submitting have in common.

The order keeps Discord's three seconds: names, sizes and options are looked at first and refused privately at once,
then the answer is deferred, then files are downloaded, unpacked and read. From `submit` on the run is ours; the feed,
not this module, finishes the answer, because the feed also does it after a restart.
"""

from dataclasses import dataclass

import discord

from cluster_bot.discord_bot.access import Access, groups_of, member_of, orders_of, scope_of
from cluster_bot.discord_bot.direct import origin_of
from cluster_bot.discord_bot.sent import Sent
from cluster_bot.runs import spec
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.choosing import Prefer
from cluster_bot.scheduling.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to run, with which arguments, for how long, as a member typed it.

    With `prefer`, the launcher is the one that is chosen by it.
    """

    launcher: str
    gpu: str | None = None
    arguments: str = ""
    time_limit_s: int | None = None
    prefer: Prefer | None = None


class Intake:
    """Takes submissions for every command and form."""

    def __init__(self, scheduler: Scheduler, access: Access) -> None:
        self._scheduler = scheduler
        self._access = access

    async def enter(self, interaction: discord.Interaction) -> None:
        """Let an interaction in that is no command, which the command tree does for those."""
        await self._access.enter(interaction)

    def check_submitter(self, interaction: discord.Interaction) -> None:
        """Refuse, with UserError, who may not run anything here; for what comes before a submission."""
        self._access.check_submitter(interaction)

    def limits_of(self, interaction: discord.Interaction) -> Limits:
        """What the member may have here, now."""
        return self._scheduler.desk.limits(orders_of(interaction), member_of(interaction).id, groups_of(interaction))

    async def take(self, interaction: discord.Interaction, asked: Asked, sent: Sent) -> Run:
        """Admit what was asked for. Raises UserError, before or after the deferral, for what the member can mend."""
        self.check_submitter(interaction)
        sent.check()
        limits = self.limits_of(interaction)
        limits.check_time_limit(asked.time_limit_s)
        split = spec.split_arguments(asked.arguments)
        await interaction.response.defer(ephemeral=True, thinking=True)
        files, main = await sent.read()
        wanted = spec.RunSpec(
            files=files,
            main=main,
            launcher=asked.launcher,
            gpu=asked.gpu,
            arguments=split,
            time_limit_s=asked.time_limit_s or limits.usual_time_limit_s,
        )
        if asked.prefer is not None:
            wanted = await self._scheduler.choose(wanted, asked.prefer, limits, orders_of(interaction))
        origin = (await origin_of(interaction)).stored()
        member, groups = member_of(interaction), groups_of(interaction)
        return await self._scheduler.submit(Submission(wanted, member, origin, groups, scope_of(interaction)))
