"""From a command or a form to an admitted run: what all ways of submitting have in common.

The order keeps Discord's three seconds: names, sizes and options are looked at first and refused privately at once,
then the answer is deferred, then files are downloaded, unpacked and read. From `submit` on the run is ours; the feed,
not this module, finishes the answer, because the feed also does it after a restart.
"""

from dataclasses import dataclass

import discord

from cluster_bot.discord_bot.access import Access, groups_of, member_of
from cluster_bot.discord_bot.direct import origin_of
from cluster_bot.discord_bot.sent import Sent
from cluster_bot.runs import spec
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.choosing import Prefer
from cluster_bot.scheduling.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The time limit a run gets unasked, and the longest it may ask for; seconds."""

    default_s: int
    longest_s: int


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

    def __init__(self, scheduler: Scheduler, access: Access, limits: TimeLimits) -> None:
        self._scheduler = scheduler
        self._access = access
        self.limits = limits

    def check_submitter(self, interaction: discord.Interaction) -> None:
        """Refuse, with UserError, who may not run anything here; for what comes before a submission."""
        self._access.check_guild(interaction)
        self._access.check_submitter(interaction)

    async def take(self, interaction: discord.Interaction, asked: Asked, sent: Sent) -> Run:
        """Admit what was asked for. Raises UserError, before or after the deferral, for what the member can mend."""
        self.check_submitter(interaction)
        sent.check()
        if asked.time_limit_s is not None and not 1 <= asked.time_limit_s <= self.limits.longest_s:
            raise refuse(Refusal.TIME_LIMIT, limit=self.limits.longest_s)
        split = spec.split_arguments(asked.arguments)
        await interaction.response.defer(ephemeral=True, thinking=True)
        files, main = await sent.read()
        wanted = spec.RunSpec(
            files=files,
            main=main,
            launcher=asked.launcher,
            gpu=asked.gpu,
            arguments=split,
            time_limit_s=asked.time_limit_s or self.limits.default_s,
        )
        member, groups = member_of(interaction), groups_of(interaction)
        if asked.prefer is not None:
            limits = self._scheduler.limits_of(member, groups)
            wanted = await self._scheduler.choose(wanted, asked.prefer, limits)
        origin = (await origin_of(interaction)).stored()
        return await self._scheduler.submit(Submission(wanted, member, origin, groups))
