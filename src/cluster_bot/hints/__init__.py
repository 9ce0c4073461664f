""" "Look at run X", from whoever changed it to whoever moves or shows it. A hint may be lost; nothing depends on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from cluster_bot.hints.local import LocalHints
from cluster_bot.runs.ports import Hints

__all__ = ["LocalHints", "TwoKinds", "open_hints"]

TwoKinds: TypeAlias = tuple[Hints, Hints]


@asynccontextmanager
async def open_hints(url: str | None, scope: str) -> AsyncIterator[TwoKinds]:
    """Wishes and news: within this process, or with a NATS at `url` between all of one `scope`."""
    if url is None:
        yield LocalHints(), LocalHints()
        return
    from cluster_bot.hints.nats_hints import Wire

    wire = Wire(url, scope)
    kinds = wire.hints("wishes"), wire.hints("news")
    async with wire:
        yield kinds
