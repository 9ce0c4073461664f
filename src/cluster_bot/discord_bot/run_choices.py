"""Run numbers as members give them: the choices of an autocomplete, and what they chose or typed.

Called by the cogs whose commands take a run.
"""

import re
from collections.abc import Iterable

import discord
from discord.app_commands import Choice

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import is_admin, member_of, rules_over
from cluster_bot.discord_bot.gpu_choices import LONGEST_NAME, MOST_CHOICES
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.summary import Summary
from cluster_bot.scheduling.reading import Reading

_NUMBER = re.compile(r"#?\s*(\d{1,18})(?:\s.*)?", re.ASCII | re.DOTALL)


def run_number(typed: str) -> int:
    """The number that was chosen or typed, as in `12` or `#12`; refuses anything else."""
    match = _NUMBER.fullmatch(typed.strip())
    if match is None:
        raise refuse(Refusal.NO_NUMBER)
    return int(match.group(1))


async def own_runs(reading: Reading, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
    """The member's runs, live ones first, then newest first."""
    return _choices(await reading.choices(member_of(interaction).id, typed, MOST_CHOICES))


async def stoppable_runs(reading: Reading, interaction: discord.Interaction, typed: str) -> list[Choice[str]]:
    """The live runs that this member could cancel, newest first."""
    if not is_admin(interaction):
        return _choices(await reading.live(member_of(interaction).id, typed, MOST_CHOICES))
    me = member_of(interaction).id
    live = await reading.live(typed=typed)
    return _choices(one for one in live if one.owner.id == me or rules_over(interaction, one))


def _choices(runs: Iterable[Summary]) -> list[Choice[str]]:
    named = [Choice(name=messages.run_choice(one)[:LONGEST_NAME], value=str(one.number)) for one in runs]
    return named[:MOST_CHOICES]
