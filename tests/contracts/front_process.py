"""Half of a bot, as a process: it takes what members ask for, and leaves moving and showing runs to others.

Started by `test_two_bots`, as `cluster-bot up` would be: told by its environment alone. Two whole bots would each
follow and show every run; what is tried with this is what they would share, the admission of runs.
"""

import asyncio
import signal

from cluster_bot.app import bot_options, build_desk, open_parts
from cluster_bot.discord_bot.bot import ClusterBot, log_in, point_at
from cluster_bot.hints import LocalHints
from cluster_bot.log import set_up_logging
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.settings import Settings


async def main() -> None:
    settings = Settings.read(None)
    set_up_logging(settings.log_level, settings.secrets())
    token, options = bot_options(settings, debug=False)
    assert settings.discord_api_url is not None
    await point_at(settings.discord_api_url)
    async with open_parts(settings) as parts:
        scheduler = Scheduler(
            parts.store,
            parts.launchers,
            wishes=LocalHints(),
            news=LocalHints(),
            desk=build_desk(settings, parts.store.book, options.guilds),
        )
        async with ClusterBot(scheduler, options) as bot:
            await log_in(bot, token)
            work = asyncio.create_task(bot.connect(reconnect=True), name="gateway")
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
            await asyncio.wait({work})


asyncio.run(main())
