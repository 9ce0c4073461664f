"""A follower in a process of its own, without Discord; the first of two stops itself in the middle of its dispatch.

Run as a script by `test_overtaken.py`: `overtaken_bot.py TIMING STOPS`, TIMING being the launcher's as JSON and STOPS
"before" or "after" the launcher's own last check before the request leaves, "" for never. Told by the environment as
the bot is. Each thing that happens is a line on its standard output.
"""

import asyncio
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from cluster_bot import app
from cluster_bot.hints import LocalHints
from cluster_bot.launchers.github_actions import GithubActions, GithubApi, Reporting, Timing
from cluster_bot.log import set_up_logging
from cluster_bot.scheduling.follower import Follower
from cluster_bot.settings import Settings
from cluster_bot.web import WebServer


def tell(what: str) -> None:
    """One line for the test."""
    print(what, flush=True)


class StoppingApi(GithubApi):
    """Stops the whole process once, when everything is saved and the dispatch has not left."""

    stops = ""

    async def dispatch(self, *given: Any, allowed: Callable[[], bool], **options: Any) -> Any:
        def at_last() -> bool:
            may = True
            for moment in ("before", "check", "after"):
                if moment == "check":
                    may = allowed()
                elif moment == self.stops:
                    self.stops = ""
                    # At this very thread: another might take notice first, and this one run on for a moment.
                    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            return may

        try:
            return await super().dispatch(*given, allowed=at_last, **options)
        finally:
            tell("dispatched")


async def follow(settings: Settings, timing: dict[str, float], stops: str) -> None:
    """Follow, with a web side where there is a port for it, until SIGTERM."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    assert settings.github_token is not None and settings.github_repository is not None
    token, address = settings.github_token.get_secret_value(), settings.github_api_url
    api = StoppingApi(token, settings.github_repository, base_url=str(address))
    api.stops = stops
    wishes, news = LocalHints(), LocalHints()
    news.listen(lambda run_id: tell("moved"))
    async with app.open_parts(settings) as parts, AsyncExitStack() as stack:
        reporting = None
        if settings.public_url is not None and parts.tokens is not None:
            reporting = Reporting(settings.public_url, parts.tokens.mint)
        launcher = GithubActions(
            api, settings.data_dir / "github", ref=settings.github_ref, reporting=reporting, timing=Timing(**timing)
        )
        stack.push_async_callback(launcher.close)
        if settings.web_port is not None and parts.tokens is not None:
            server = WebServer(
                parts.store, parts.tokens, wishes=wishes, news=news, ready=_always, port=settings.web_port
            )
            await stack.enter_async_context(server)
        await Follower(launcher, parts.store, lambda: app.build_rules(settings)[0], wishes=wishes, news=news).run()


async def _always() -> str:
    return ""


if __name__ == "__main__":
    set_up_logging("INFO")
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(follow(Settings.read(None), json.loads(sys.argv[1]), sys.argv[2]))
