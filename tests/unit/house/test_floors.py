"""The import floors hold over all of src, and the checker is able to complain."""

from pathlib import Path

import floors
import pytest

SRC = Path(__file__).parents[3] / "src"
MODULES = sorted(SRC.rglob("*.py"))


def name_of(path: Path) -> tuple[str, bool]:
    parts = path.relative_to(SRC).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if is_package else parts), is_package


def test_imports_point_down() -> None:
    found = [floors.complaints(path.read_text(encoding="utf-8"), *name_of(path)) for path in MODULES]
    assert [one for each in found for one in each] == []


def test_all_three_packages_were_looked_at() -> None:
    packages = {path.relative_to(SRC).parts[0] for path in MODULES}
    assert packages == {"cluster_bot", "cluster_runner", "cluster_sandbox"}


def test_every_room_has_a_floor() -> None:
    rooms = {path.stem if path.is_file() else path.name for path in (SRC / "cluster_bot").iterdir()}
    assert rooms - {"__init__", "__pycache__", "py"} <= set(floors.FLOORS)


BAD = {
    "up": ("cluster_bot.runs.spec", "from cluster_bot.scheduling import scheduler"),
    "up to settings from errors": ("cluster_bot.errors", "from cluster_bot.settings import Settings"),
    "up by the package": ("cluster_bot.store.sql", "from cluster_bot import app"),
    "up, relative": ("cluster_bot.runs.spec", "from ..scheduling.scheduler import Scheduler"),
    "up, relative, bare": ("cluster_bot.runs.spec", "from .. import scheduling"),
    "up in a function": ("cluster_bot.hints.local", "def f():\n    import cluster_bot.web.ingest"),
    "up for types only": (
        "cluster_bot.launchers.x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from cluster_bot.scheduling import x",
    ),
    "up by a call": ("cluster_bot.runs.spec", "import importlib\nimportlib.import_module('cluster_bot.store')"),
    "siblings": ("cluster_bot.launchers.x", "from cluster_bot.store.sql import SqlStore"),
    "siblings upstairs": ("cluster_bot.web.x", "from cluster_bot.discord_bot import messages"),
    "siblings on the ground": ("cluster_bot.log", "from cluster_bot.settings import Settings"),
    "a room without a floor": ("cluster_bot.attic", "from cluster_bot.errors import UserError"),
    "into a room without a floor": ("cluster_bot.app", "from cluster_bot.attic import chest"),
    "the package's init": ("cluster_bot", "from cluster_bot.settings import Settings"),
    "cog to store": ("cluster_bot.discord_bot.cogs.run", "from cluster_bot.store.sql import SqlStore"),
    "cog to launchers": ("cluster_bot.discord_bot.cogs.run", "import cluster_bot.launchers.local_process"),
    "cog to bot": ("cluster_bot.discord_bot.cogs.run", "from ..bot import Bot"),
    "discord in the scheduler": ("cluster_bot.scheduling.relay", "import discord"),
    "discord in the app": ("cluster_bot.app", "from discord.ext import commands"),
    "discord in the sandbox": ("cluster_sandbox.discord.server", "import discord"),
    "sqlalchemy in the domain": ("cluster_bot.runs.run", "from sqlalchemy import Table"),
    "aiosqlite in the app": ("cluster_bot.app", "import aiosqlite"),
    "github in the bot": ("cluster_bot.discord_bot.bot", "from github import Github"),
    "modal in the app": ("cluster_bot.app", "import modal"),
    "nats in the store": ("cluster_bot.store.sql", "import nats.js"),
    "a web server in the bot": ("cluster_bot.discord_bot.bot", "from aiohttp import web"),
    "aiohttp in the scheduler": ("cluster_bot.scheduling.relay", "import aiohttp"),
    "typer in the app": ("cluster_bot.app", "import typer"),
    "rich in the scheduler": ("cluster_bot.scheduling.relay", "from rich.console import Console"),
    "pydantic in the domain": ("cluster_bot.runs.spec", "from pydantic import BaseModel"),
    "prometheus in the scheduler": ("cluster_bot.scheduling.follower", "import prometheus_client"),
    "a package nobody chose": ("cluster_bot.web.x", "import requests"),
    "I/O in the domain": ("cluster_bot.runs.spec", "import os.path"),
    "files in the domain": ("cluster_bot.runs.spec", "from pathlib import Path"),
    "a clock in the domain": ("cluster_bot.runs.spec", "from time import time"),
    "asyncio in the domain": ("cluster_bot.runs.ports", "import asyncio"),
    "the sandbox from the scheduler": ("cluster_bot.scheduling.relay", "from cluster_sandbox.discord import Policy"),
    "the sandbox from the app": ("cluster_bot.app", "import cluster_sandbox"),
    "the product from the sandbox": ("cluster_sandbox.discord.x", "from cluster_bot.errors import UserError"),
    "the runner from the sandbox": ("cluster_sandbox.discord.x", "from cluster_runner import wire"),
    "the runner's inside": ("cluster_bot.launchers.x", "from cluster_runner.spool import Spool"),
    "the bot from the runner": ("cluster_runner.execute", "from cluster_bot.errors import UserError"),
    "a package in the runner": ("cluster_runner.execute", "import aiohttp"),
}

GOOD = {
    "down": ("cluster_bot.scheduling.relay", "from cluster_bot.runs.ports import Store"),
    "far down": ("cluster_bot.app", "from cluster_runner import wire"),
    "within a room": ("cluster_bot.discord_bot.bot", "from .cogs.run import RunCommands"),
    "the top floor's own": ("cluster_bot.cli", "from cluster_bot import app, demo"),
    "the version": ("cluster_bot.web.health", "from cluster_bot import __version__"),
    "a file's name in the domain": ("cluster_bot.runs.spec", "from pathlib import PurePosixPath"),
    "wire in the domain": ("cluster_bot.runs.ports", "from cluster_runner.wire import Event"),
    "the sandbox from the demo": ("cluster_bot.demo.once", "from cluster_sandbox.discord import DiscordServer"),
    "aiohttp's exceptions": ("cluster_bot.discord_bot.bot", "from aiohttp import ClientError"),
    "the sandbox's server": ("cluster_sandbox.discord.server", "from aiohttp import web"),
    "the runner itself": ("cluster_runner.execute", "import os\nfrom . import wire"),
}


@pytest.mark.parametrize(("module", "source"), BAD.values(), ids=BAD)
def test_a_bad_import_is_seen(module: str, source: str) -> None:
    assert len(floors.complaints(source, module, is_package="." not in module)) == 1


@pytest.mark.parametrize(("module", "source"), GOOD.values(), ids=GOOD)
def test_a_good_import_is_let_through(module: str, source: str) -> None:
    assert floors.complaints(source, module) == []


def test_a_package_resolves_its_relative_imports_from_itself() -> None:
    source = "from .server import DiscordServer\nfrom ..other import x"
    targets = [found.target for found in floors.imports(source, "cluster_sandbox.discord", is_package=True)]
    assert targets == ["cluster_sandbox.discord.server.DiscordServer", "cluster_sandbox.other.x"]


def test_an_import_that_text_cannot_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="only running it tells"):
        floors.complaints("import importlib\nimportlib.import_module(name)", "cluster_bot.app")
