"""Every sentence a person reads on Discord, but for refusals, which stand in `runs.refusals`.

Called by the feed and the cogs. Pure: what happened in, text out. Nothing here is longer than Discord's 2,000
characters: what a user or a machine controls is cut and defused before it goes in.
"""

from cluster_bot.discord_bot.messages.admin import *  # noqa: F403
from cluster_bot.discord_bot.messages.forms import *  # noqa: F403
from cluster_bot.discord_bot.messages.options import *  # noqa: F403
from cluster_bot.discord_bot.messages.replies import *  # noqa: F403
from cluster_bot.discord_bot.messages.runners import *  # noqa: F403
from cluster_bot.discord_bot.messages.runs import *  # noqa: F403
from cluster_bot.discord_bot.messages.thread import *  # noqa: F403
from cluster_bot.discord_bot.messages.verify import *  # noqa: F403
from cluster_bot.discord_bot.messages.words import *  # noqa: F403
