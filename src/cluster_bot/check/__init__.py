"""`cluster-bot check`: tries every setting for real, one line each, before anybody depends on it.

Called by the command line only. Each check is independent: a failing one hides no other, and what can't be tried for
that reason says so. `here` looks at this machine and Discord, `of_github` at GitHub, `of_modal` at Modal, and `lines`
prints.
"""

from pathlib import Path

from rich.console import Console

from cluster_bot.check.here import checks_of_here
from cluster_bot.check.lines import say
from cluster_bot.check.of_github import checks_of_github
from cluster_bot.check.of_modal import checks_of_modal
from cluster_bot.settings import Settings

__all__ = ["check_all"]


async def check_all(*, debug: bool) -> bool:
    """Print the result of every check; whether all that matter are good."""
    console = Console(highlight=False)
    settings = Settings.read()
    settings = settings.for_staging() if debug else settings
    env_file = Path(".env")
    if env_file.exists() and env_file.stat().st_mode & 0o077:
        console.print("[yellow]![/] .env can be read by other users, and it holds the token; chmod 600 .env")
    good = True
    async with checks_of_github(settings) as github:
        for name, check in [*checks_of_here(settings, debug=debug), *github, *checks_of_modal(settings)]:
            good = await say(console, name, check) and good
    return good
