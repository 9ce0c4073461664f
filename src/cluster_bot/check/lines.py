"""What a check says: one line with a mark, and whether the whole is good all the same.

Used by the other modules of this package, which do not print.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from cluster_bot.errors import ClusterBotError


@dataclass(frozen=True, slots=True)
class Said:
    """A check's good end; `warning` where all works and the admin should still think twice."""

    text: str
    warning: bool = False


class UntriedError(ClusterBotError):
    """A check that needs what another has found missing: neither good nor bad, as that one has said it."""


Check = Callable[[], Awaitable[Said]]


async def say(console: Console, name: str, check: Check) -> bool:
    """Try it and print its line; whether it is no reason to worry. Only our own errors and the system's are lines."""
    try:
        said = await check()
    except UntriedError as error:
        console.print(f"[dim]-[/] {name}: {escape(str(error))}", soft_wrap=True)
        return True
    except (ClusterBotError, OSError) as error:
        console.print(f"[red]✗[/] {name}: {escape(str(error))}", soft_wrap=True)
        return False
    mark = "[yellow]![/]" if said.warning else "[green]✓[/]"
    console.print(f"{mark} {name}: {escape(said.text)}", soft_wrap=True)
    return True
