"""The checks of what is here: the database, Discord's login, the local launcher, the address runners report to."""

import asyncio
import ipaddress
import shutil
import sys
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from cluster_bot.app import WEB_PORT, bot_options, build_gate, build_shares, local_launcher
from cluster_bot.check.lines import Check, Said
from cluster_bot.discord_bot.bot import identity, point_at
from cluster_bot.errors import StartupError
from cluster_bot.settings import Settings
from cluster_bot.store import SqlStore

ANSWER_S = 10.0


def checks_of_here(settings: Settings, *, debug: bool) -> list[tuple[str, Check]]:
    """The checks with their names, in the order in which an admin would mend them."""
    limits = [("LIMITS_FILE", lambda: _limits(settings))] if settings.limits_file is not None else []
    gate = [("Gate", lambda: _gate(settings))] if settings.content_rules_file or settings.checker else []
    return [
        *limits,
        *gate,
        ("Database", lambda: _database(settings)),
        *([("NATS", lambda: _nats(settings))] if settings.nats_url is not None else []),
        ("Discord", lambda: _discord(settings, debug=debug)),
        ("Local launcher", lambda: _local(settings)),
        ("PUBLIC_URL", lambda: _public_url(settings)),
    ]


async def _limits(settings: Settings) -> Said:
    shares = build_shares(settings)
    return Said(f"read, with {len(shares.groups)} role(s) and {len(shares.members)} member(s)")


async def _gate(settings: Settings) -> Said:
    build_gate(settings)
    file = "the rules are read" if settings.content_rules_file else "no rules in a file"
    return Said(f"{file}; {'a checker is asked' if settings.checker else 'no checker'}")


async def _database(settings: Settings) -> Said:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = await SqlStore.open(settings.database())
    try:
        live = await store.unfinished()
    finally:
        await store.close()
    return Said(f"opened and up to date, {len(live)} run(s) under way")


async def _nats(settings: Settings) -> Said:
    from cluster_bot.hints.nats_hints import answers

    assert settings.nats_url is not None
    trouble = await answers(settings.nats_url.get_secret_value(), ANSWER_S)
    if not trouble:
        return Said("it answers")
    return Said(f"no hints for other processes ({trouble}); start it, or correct NATS_URL", warning=True)


async def _discord(settings: Settings, *, debug: bool) -> Said:
    token, options = bot_options(settings, debug=debug)
    if settings.discord_api_url is not None:
        await point_at(settings.discord_api_url)
    name, strange = await identity(token, options.guilds)
    if strange:
        listed = ", ".join(map(str, strange))
        return Said(
            f"logged in as {name}, which is not a member of {listed}; invite it there, or correct the number", True
        )
    where = f"{len(options.guilds)} server(s) allowed" if options.guilds else "every server it is invited to"
    return Said(f"logged in as {name}; {where}")


async def _local(settings: Settings) -> Said:
    if not settings.local_enabled:
        return Said("switched off (LOCAL_ENABLED)")
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
    return Said(f"{tools}. Programs: {trial.words}{advice}", warning=not trial.contained or no_cxx)


async def _public_url(settings: Settings) -> Said:
    if settings.public_url is None:
        return Said("not set: output of `/run github` comes at a run's end; docs/admin.md says how to have it live")
    port = WEB_PORT if settings.web_port is None else settings.web_port
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.web_host, settings.web_host)
    inside = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    trouble = await asyncio.to_thread(_trouble_at, f"{settings.public_url}/healthz")
    if trouble is None:
        return _reached(settings.public_url)
    if await asyncio.to_thread(_trouble_at, f"{inside}/healthz") is not None:
        return Said(
            f"can't be tried while no bot runs at {inside} ({settings.public_url} says: {trouble}); start it with "
            "`cluster-bot up`, and check again",
            warning=True,
        )
    raise StartupError(
        f"the bot answers at {inside}, and {settings.public_url} does not lead to it ({trouble}); look at the name in "
        "DNS, the firewall, and the proxy that ends TLS."
    )


def _reached(public_url: str) -> Said:
    address = urlsplit(public_url)
    try:
        near = ipaddress.ip_address(address.hostname or "").is_loopback
    except ValueError:
        near = address.hostname == "localhost"
    if near:
        return Said("the bot answers there, but only runners on this machine can reach that address", warning=True)
    if address.scheme != "https":
        return Said(
            "the bot answers there, but without TLS others can read what runners send; put a proxy that ends TLS in "
            "front, and write https:// here",
            warning=True,
        )
    return Said(f"the bot answers at {public_url}")


def _trouble_at(address: str) -> str | None:
    """What keeps a bot of ours from answering there; None where one does."""
    try:
        with urlopen(address, timeout=ANSWER_S) as answer:
            return None if b'"healthy"' in answer.read(1000) else "another program answers"
    except HTTPError as error:
        with error:
            return f"it answers {error.code}"
    except URLError as error:
        return str(error.reason)
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
