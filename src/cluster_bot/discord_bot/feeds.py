"""Which feed a run has: a thread, a line of a verification's table, or none that anybody sees.

Made by the composition root for the relay.
"""

import discord

from cluster_bot.discord_bot.thread_feed import ThreadFeed
from cluster_bot.discord_bot.verify_feed import Tables, VerifyFeed
from cluster_bot.runs.ports import Memory, RunFeed
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Budget
from cluster_bot.scheduling.quiet import QuietFeed, is_quiet
from cluster_bot.scheduling.relay import FeedMaker
from cluster_bot.scheduling.verifying import Verifier, is_verification


def feed_maker(client: discord.Client, verifier: Verifier, budget: Budget) -> FeedMaker:
    """What makes a run's feed, by where it was asked for."""
    tables = Tables(client, verifier, budget)

    def make(run: Run, memory: Memory) -> RunFeed:
        if is_verification(run.origin):
            return VerifyFeed(run, memory, tables)
        return QuietFeed(memory) if is_quiet(run.origin) else ThreadFeed(client, run, memory, budget)

    return make
