"""From a `/run` command to an admitted run: what all launchers' commands have in common.

The order keeps Discord's three seconds: the attachment's metadata is looked at first and refused privately at once,
then the command is deferred, then the file is downloaded and read. From `submit` on the run is ours; the feed, not
this module, finishes the answer, because the feed also does it after a restart.
"""

from dataclasses import dataclass

import aiohttp
import discord

from cluster_bot.discord_bot.access import Access, groups_of, member_of
from cluster_bot.discord_bot.direct import origin_of
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


class Intake:
    """Takes submissions for every launcher's command."""

    def __init__(self, scheduler: Scheduler, access: Access, limits: TimeLimits) -> None:
        self._scheduler = scheduler
        self._access = access
        self._limits = limits

    async def take(
        self,
        interaction: discord.Interaction,
        *,
        launcher: str,
        script: discord.Attachment,
        arguments: str,
        time_limit_s: int | None,
        gpu: str | None = None,
        prefer: Prefer | None = None,
    ) -> Run:
        """Admit what was asked for; with `prefer`, at the launcher that is chosen by it.

        Raises UserError, before or after the deferral, for what the member can mend.
        """
        self._access.check_submitter(interaction)
        spec.check_path(script.filename)
        spec.language_of(script.filename)
        if script.size > spec.MAX_SOURCE_BYTES:
            raise refuse(Refusal.FILE_TOO_LARGE, name=script.filename, size=script.size, limit=spec.MAX_SOURCE_BYTES)
        if time_limit_s is not None and not 1 <= time_limit_s <= self._limits.longest_s:
            raise refuse(Refusal.TIME_LIMIT, limit=self._limits.longest_s)
        split = spec.split_arguments(arguments)
        await interaction.response.defer(ephemeral=True, thinking=True)
        text = spec.source_text(script.filename, await _download(script))
        wanted = spec.RunSpec(
            files={script.filename: text},
            main=script.filename,
            launcher=launcher,
            gpu=gpu,
            arguments=split,
            time_limit_s=time_limit_s or self._limits.default_s,
        )
        member, groups = member_of(interaction), groups_of(interaction)
        if prefer is not None:
            wanted = await self._scheduler.choose(wanted, prefer, self._scheduler.limits_of(member, groups))
        origin = (await origin_of(interaction)).stored()
        return await self._scheduler.submit(Submission(wanted, member, origin, groups))


async def _download(script: discord.Attachment) -> bytes:
    try:
        return await script.read()
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError):
        raise refuse(Refusal.DOWNLOAD_FAILED, name=script.filename) from None
