"""What the benchmarks share: a sandbox, the real bot as a process, one run from command to verdict, and the report."""

import re
import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster_bot.demo.bot_process import BotProcess, started_bot
from cluster_bot.discord_bot import messages
from cluster_sandbox.discord import DiscordServer, File, Interaction, MessageEvent, Policy

# Rate limits would measure Discord's numbers, not ours: they are lifted for both sides alike.
FREE = Policy(
    message_bucket=(10_000, 1.0), edit_bucket=(10_000, 1.0), default_bucket=(10_000, 1.0), global_per_s=100_000
)
LINK = re.compile(r"<#(\d+)>")


@dataclass
class Series:
    """Seconds measured under one name."""

    name: str
    values: list[float] = field(default_factory=list)

    def add(self, value: float | None) -> None:
        assert value is not None, f"{self.name}: nothing was measured"
        self.values.append(value)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def report(series: Sequence[Series], ratios: Sequence[tuple[Series, Series]] = ()) -> None:
    """A Markdown table of medians and spread in milliseconds, then the ratios."""
    print("| what | median ms | 10 % | 90 % | n |")
    print("|---|---:|---:|---:|---:|")
    for one in series:
        low, high = spread(one.values)
        print(f"| {one.name} | {one.median * 1e3:.1f} | {low * 1e3:.1f} | {high * 1e3:.1f} | {len(one.values)} |")
    for ours, floor in ratios:
        print(f"\n{ours.name} / {floor.name}: {ours.median / floor.median:.1f}")


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The first and the last decile."""
    if len(values) < 2:
        return values[0], values[0]
    deciles = statistics.quantiles(values, n=10)
    return deciles[0], deciles[-1]


@asynccontextmanager
async def sandbox() -> AsyncIterator[DiscordServer]:
    """A Discord without rate limits."""
    async with DiscordServer(policy=FREE) as server:
        yield server


@asynccontextmanager
async def bot_process(server: DiscordServer, **environment: str) -> AsyncIterator[BotProcess]:
    """The real bot, in a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cluster-bot-bench-") as folder:
        async with started_bot(server, Path(folder), environment) as bot:
            yield bot


async def run_program(
    server: DiscordServer,
    source: str,
    *,
    member: str = "ada",
    launcher: str = "local",
    gpu: str | None = None,
    timeout_s: float = 120,
) -> tuple[Interaction, list[MessageEvent]]:
    """Give `/run`; the interaction and all events of its thread up to the verdict."""
    channel = server.channel_id("general")
    options: dict[str, object] = {"script": File("program.py", source.encode())}
    options |= {} if gpu is None else {"gpu": gpu}
    asked = await server.member(member).command(f"run {launcher}", channel_id=channel, options=options)
    await asked.answered(timeout_s)
    link = LINK.search(asked.content)
    assert link is not None, f"the bot said: {asked.content}"
    thread = int(link[1])

    def is_verdict(event: MessageEvent) -> bool:
        return event.channel_id == thread and messages.verdict_status(event.content) is not None

    verdict = await server.wait_for(is_verdict, timeout_s)
    events = [event for event in server.events if event.channel_id == thread and event.seq <= verdict.seq]
    return asked, events
