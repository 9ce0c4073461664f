"""`cluster-bot check`: tries every setting for real, one line each, before anybody depends on it.

Called by the command line only. Each check is independent: a failing one hides no other.
"""

import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from cluster_bot.app import bot_options, local_launcher
from cluster_bot.discord_bot.bot import identity, point_at
from cluster_bot.errors import StartupError
from cluster_bot.settings import Settings
from cluster_bot.store import SqlStore

# What a check's line begins with where all works and the admin should still think twice.
_WARNING = "!"


async def check_all(*, debug: bool) -> bool:
    """Print the result of every check; whether all that matter are good."""
    console = Console(highlight=False)
    settings = Settings.read()
    env_file = Path(".env")
    if env_file.exists() and env_file.stat().st_mode & 0o077:
        console.print("[yellow]![/] .env can be read by other users, and it holds the token; chmod 600 .env")
    checks: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("Database", lambda: _database(settings)),
        ("Discord", lambda: _discord(settings, debug=debug)),
        ("Local launcher", lambda: _local(settings)),
    ]
    good = True
    for name, check in checks:
        try:
            said = await check()
            mark = "[yellow]![/]" if said.startswith(_WARNING) else "[green]✓[/]"
            console.print(f"{mark} {name}: {escape(said.removeprefix(_WARNING))}")
        except (StartupError, OSError) as error:
            good = False
            console.print(f"[red]✗[/] {name}: {escape(str(error))}")
    return good


async def _database(settings: Settings) -> str:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = await SqlStore.open(settings.database())
    try:
        live = await store.unfinished()
    finally:
        await store.close()
    return f"opened and up to date, {len(live)} run(s) under way"


async def _discord(settings: Settings, *, debug: bool) -> str:
    token, options = bot_options(settings, debug=debug)
    if settings.discord_api_url is not None:
        await point_at(settings.discord_api_url)
    name, strange = await identity(token, options.guilds)
    if strange:
        listed = ", ".join(map(str, strange))
        return (
            f"{_WARNING}logged in as {name}, which is not a member of {listed}; invite it there, or correct the number"
        )
    where = f"{len(options.guilds)} server(s) allowed" if options.guilds else "every server it is invited to"
    return f"logged in as {name}; {where}"


async def _local(settings: Settings) -> str:
    if not settings.local_enabled:
        return "switched off (LOCAL_ENABLED)"
    python = settings.local_python or sys.executable
    if shutil.which(python) is None:
        raise StartupError(f"{python} is not an interpreter; set LOCAL_PYTHON to one.")
    found = [tool for tool in (settings.local_cxx, settings.local_nvcc) if shutil.which(tool)]
    no_cxx = settings.local_cxx not in found
    extra = f"; no C++ programs: {settings.local_cxx} was not found, install it or set LOCAL_CXX" if no_cxx else ""
    extra += "" if settings.local_nvcc in found else f"; no CUDA programs: {settings.local_nvcc} was not found"
    tools = f"Python programs with {python}; compilers: {', '.join(found) or 'none'}{extra}"
    trial = await local_launcher(settings).isolation()
    if not trial.works:
        raise StartupError(f"{tools}. Programs can't be started: {trial.words}")
    advice = "; install bubblewrap, or trust everybody who may run programs" if not trial.contained else ""
    good = trial.contained and not no_cxx
    return f"{'' if good else _WARNING}{tools}. Programs: {trial.words}{advice}"
