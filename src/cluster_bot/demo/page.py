"""The page of a demo without `--once`: the sandbox's Discord in a browser, with people to act as and programs to try.

Called by `world`. It only furnishes the sandbox: what the page shows comes from the real bot.
"""

import ast
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from cluster_sandbox.discord import DiscordServer
from cluster_sandbox.page import Page, Sample

# The same address each time, as far as it is free, so that a page left open finds the next demo.
PORT = 8470
PEOPLE = ("you", "friend", "admin")
COMMAND, OPTION = "run local", "script"
EXAMPLES = Path(__file__).parents[3] / "examples"
TRIED_FIRST = ("plot.py", "progress.py", "numpy_matmul.py", "hello.cpp", "fails.py")
HINT = "Type `/run` and attach a program, such as `examples/plot.py`, or take one of these and press Enter."
HINT_ALONE = "Type `/run` and attach a program."


@asynccontextmanager
async def server_with_page() -> AsyncIterator[DiscordServer]:
    """A Discord with its page at `url`, on PORT or, where that is taken, on a free one."""
    for port in (PORT, 0):
        server = DiscordServer(port)
        furnish(server)
        try:
            await server.start()
        except OSError:
            await server.stop()
            if port == 0:
                raise
            continue
        try:
            yield server
        finally:
            await server.stop()
        return


def furnish(server: DiscordServer, examples: Path = EXAMPLES) -> Page:
    """Put people and the page into a server that has not started."""
    for name in PEOPLE:
        server.member(name, administrator=name == "admin")
    # For what admins may give to a role.
    server.admin.give_role(server.member("friend"), "helpers")
    samples = list(_samples(examples))
    page = Page(server, hint=HINT if samples else HINT_ALONE, samples=samples)
    page.serve()
    return page


def _samples(folder: Path) -> Iterator[Sample]:
    """The examples of the repository; an installed package has none."""
    for name in TRIED_FIRST:
        path = folder / name
        if path.is_file():
            data = path.read_bytes()
            yield Sample(name, _says(name, data.decode()), data, COMMAND, OPTION)


def _says(name: str, text: str) -> str:
    """What a program says about itself, up to the first comma: a card has room for no more."""
    if name.endswith(".py"):
        text = ast.get_docstring(ast.parse(text)) or ""
    first = text.lstrip("/* \n").split("\n")[0]
    return re.split(r"[,.] |[,.]$", first)[0]
