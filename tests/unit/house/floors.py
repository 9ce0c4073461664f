"""Which module may import which: the floors of ARCHITECTURE.md as data, and a checker that reads source text.

Used by test_floors.py on every module under src, and on small bad examples. Imports are read from the syntax tree, so
those inside functions and under TYPE_CHECKING count too, and so does `importlib.import_module("...")`.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

# From the top down; an import may only go to a lower number. Rooms with one number are siblings and never meet, but
# for those of the top floor, whose business is to put the others together.
TOP = 7
FLOORS = {
    "__main__": TOP,
    "app": TOP,
    "backups": TOP,
    "cli": TOP,
    "demo": TOP,
    "check": TOP,
    "github_install": TOP,
    "modal_deploy": TOP,
    "discord_bot": 6,
    "web": 6,
    "scheduling": 5,
    "launchers": 4,
    "store": 4,
    "hints": 4,
    "gate": 4,
    "runs": 3,
    "settings": 2,
    "log": 2,
    "meter": 2,
    "data_folder": 2,
    "errors": 1,  # below its neighbours: a setting that cannot be is a StartupError
}

# Who may name a vendor; a third-party package that is not in this table may be imported nowhere.
COMMAND_LINE = ("cluster_bot.cli", "cluster_bot.demo", "cluster_bot.check")
VENDORS = {
    "discord": ("cluster_bot.discord_bot",),
    "sqlalchemy": ("cluster_bot.store",),
    "alembic": ("cluster_bot.store",),
    "psycopg": ("cluster_bot.store",),
    "github": ("cluster_bot.launchers",),
    # The worker runs containers of the real client.
    "modal": ("cluster_bot.launchers.modal_functions", "cluster_sandbox.modal.worker"),
    "modal_proto": ("cluster_bot.launchers.modal_functions", "cluster_sandbox.modal"),
    # Modal's client lets its errors through.
    "grpclib": ("cluster_bot.launchers.modal_functions.connection", "cluster_sandbox.modal"),
    "google": ("cluster_sandbox.modal",),  # what protobuf calls itself
    "modal_runners": (
        "cluster_bot.launchers.modal_functions.deploy",
    ),  # imports the client, so it is as far away as that
    "nats": ("cluster_bot.hints",),
    "aiohttp.web": ("cluster_bot.web", "cluster_sandbox"),
    # discord.py lets its errors through; PyGithub can't fetch from another host.
    "aiohttp": (
        "cluster_bot.web",
        "cluster_bot.discord_bot",
        "cluster_bot.launchers.github_actions",
        "cluster_sandbox",
    ),
    "requests": ("cluster_bot.launchers.github_actions",),  # PyGithub lets their errors through
    "urllib3": ("cluster_bot.launchers.github_actions",),
    "multidict": ("cluster_bot.web", "cluster_sandbox"),
    "yarl": ("cluster_bot.web", "cluster_bot.discord_bot", "cluster_sandbox"),
    "typer": COMMAND_LINE,
    "rich": COMMAND_LINE,
    "pydantic": ("cluster_bot.settings", "cluster_bot.store"),
    "pydantic_settings": ("cluster_bot.settings",),
    "prometheus_client": ("cluster_bot.web",),
    "regex": ("cluster_bot.gate",),
    "yaml": ("cluster_sandbox.github",),
    "jwt": ("cluster_sandbox.github",),  # what an App says of itself
    "cryptography": ("cluster_sandbox.github",),
}

# The domain is pure: it is told the time and does no I/O.
IMPURE = (
    *("asyncio", "concurrent", "ctypes", "fcntl", "glob", "http", "io", "logging", "mmap", "multiprocessing", "os"),
    *("pathlib", "random", "resource", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib.request"),
)

# Names of files, no files; bytes in memory that a library wants to read as a file.
PURE_ALL_THE_SAME = ("pathlib.PurePath", "pathlib.PurePosixPath", "io.BytesIO")

# A cog is given a Scheduler; through none of these may it reach further.
NOT_FOR_COGS = (
    "cluster_bot.app",
    "cluster_bot.discord_bot.bot",
    "cluster_bot.hints",
    "cluster_bot.launchers",
    "cluster_bot.store",
)


@dataclass(frozen=True)
class Import:
    """One imported name, dotted and absolute: `from a.b import c` is `a.b.c`."""

    target: str
    line: int


def under(name: str, *places: str) -> bool:
    """Whether the dotted `name` is one of `places` or inside one."""
    return any(name == place or name.startswith(place + ".") for place in places)


def imports(source: str, module: str, is_package: bool) -> Iterator[Import]:
    """All that `source`, the text of `module`, imports; ValueError for an import that text cannot tell."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".")
                kept = here[: len(here) - node.level + is_package]
                base = ".".join([*kept, *filter(None, [base])])
            yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and _imports(node.func):
            if not (node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)):
                raise ValueError(f"{module}:{node.lineno}: imports something that only running it tells")
            yield Import(node.args[0].value, node.lineno)


def _imports(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return called.attr == "import_module" and isinstance(called.value, ast.Name) and called.value.id == "importlib"
    return isinstance(called, ast.Name) and called.id in ("__import__", "import_module")


def complaints(source: str, module: str, is_package: bool = False) -> list[str]:
    """One sentence for each import of `module` that may not be; empty when all may."""
    found = []
    for imported in imports(source, module, is_package):
        problem = _problem(module, imported.target)
        if problem:
            found.append(f"{module}:{imported.line}: {imported.target}: {problem}")
    return found


def _problem(module: str, target: str) -> str | None:
    package, target_package = module.partition(".")[0], target.partition(".")[0]
    if package == "cluster_runner":
        own = target_package == "cluster_runner" or target_package in sys.stdlib_module_names
        return None if own else "the runner imports the standard library and itself, nothing else"
    if target_package in sys.stdlib_module_names:
        impure = under(target, *IMPURE) and not under(target, *PURE_ALL_THE_SAME)
        return "the domain is pure" if impure and under(module, "cluster_bot.runs") else None
    if target_package == "cluster_sandbox":
        allowed = under(module, "cluster_sandbox", "cluster_bot.demo")
        return None if allowed else "only the demo command reaches the sandbox"
    if target_package in ("cluster_bot", "cluster_runner") and package == "cluster_sandbox":
        return "the sandbox knows nothing of the product"
    if target_package == "cluster_runner":
        return None if under(target, "cluster_runner.wire") else "the bot knows the runner by its wire format only"
    if target_package == "cluster_bot":
        return _upward(module, target)
    for vendor in sorted(VENDORS, key=len, reverse=True):  # aiohttp.web before aiohttp
        if under(target, vendor):
            return None if under(module, *VENDORS[vendor]) else f"only {', '.join(VENDORS[vendor])} may name {vendor}"
    return "no floor names this package; add it to VENDORS if it belongs"


def _upward(module: str, target: str) -> str | None:
    if under(module, "cluster_bot.discord_bot.cogs") and under(target, *NOT_FOR_COGS):
        return "a cog gets a Scheduler and reaches no further"
    room, target_room = (name.split(".")[1] if "." in name else "" for name in (module, target))
    if not target_room or (target_room.startswith("__") and target_room != "__main__"):
        return None  # the package itself and what its __init__ holds, such as __version__
    if not room:
        return "the package's __init__ imports none of its rooms"
    if room not in FLOORS or target_room not in FLOORS:
        return f"{room if room not in FLOORS else target_room} has no floor; add it to FLOORS"
    if room == target_room or FLOORS[room] == FLOORS[target_room] == TOP or FLOORS[target_room] < FLOORS[room]:
        return None
    return "siblings never meet" if FLOORS[room] == FLOORS[target_room] else "an import points down"
