"""How long people wait: `/run` to acknowledgement, print to visible, program's end to verdict; each against a floor.

    .venv/bin/python benchmarks/latency.py [--runs N]

The floor is a bare discord.py client on the same server, in the same run: a deferral that does nothing else, and a
`send` of one line. All times are milliseconds by one machine's clock: the program prints its own clock, the server
stamps the arrival of each request.
"""

import argparse
import asyncio
import re
import time

import discord
from discord import app_commands

from bench import Series, bot_process, report, run_program, sandbox
from cluster_bot.discord_bot.bot import point_at
from cluster_sandbox.discord import MessageEvent

# Each line is the time it was printed at. The pauses are longer than the relay's second, so that no line waits for it.
PROGRAM = """
import sys, time
for number in range(4):
    print("at", number, repr(time.time()), flush=True)
    time.sleep(1.3)
print("end", 0, repr(time.time()), flush=True)
"""
# Two bursts: what a line waits when the thread was written to less than a second before.
BUSY_PROGRAM = """
import time
for number in range(30):
    print("at", number, repr(time.time()), flush=True)
    time.sleep(0.1)
"""
STAMP = re.compile(r"(at|end) (\d+) (\d+\.\d+)")


class Bare(discord.Client):
    """The least a bot can do: defer a command, send a line."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True))
        self.tree = app_commands.CommandTree(self)

        @self.tree.command(name="bare", description="Defer and nothing else")
        async def bare(interaction: discord.Interaction) -> None:
            await interaction.response.defer(ephemeral=True)

    async def setup_hook(self) -> None:
        await self.tree.sync()


async def floor(rounds: int) -> tuple[Series, Series]:
    """Acknowledgement and send of the bare client."""
    async with sandbox() as server:
        await point_at(server.api_url)
        async with Bare() as client:
            await client.login(server.bot_token)
            gateway = asyncio.create_task(client.connect(), name="bare-gateway")
            await server.gateway.wait_ready(30)
            acks, sends = Series("acknowledgement, bare"), Series("send, bare")
            member, channel = server.member("ada"), server.channel_id("general")
            for number in range(rounds):
                asked = await member.command("bare", channel_id=channel)
                await asked.acknowledged()
                acks.add(asked.acknowledged_after)
                text = f"bare {number} {time.time()!r}"
                room = server.add_channel(f"bare-{number}")
                began = time.time()
                await client.get_partial_messageable(room).send(text)
                seen = await server.wait_for(lambda event, text=text: event.content == text, 10)
                sends.add(seen.time - began)
            gateway.cancel()
            await asyncio.wait({gateway})
    return acks, sends


def stamps(event: MessageEvent) -> dict[tuple[str, int], float]:
    """The times printed in a message, by what they mark."""
    return {(kind, int(number)): float(when) for kind, number, when in STAMP.findall(event.content)}


def first_seen(events: list[MessageEvent]) -> dict[tuple[str, int], tuple[float, float]]:
    """When each line was printed and when the server first had it."""
    seen: dict[tuple[str, int], tuple[float, float]] = {}
    for event in events:
        for mark, printed in stamps(event).items():
            seen.setdefault(mark, (printed, event.time))
    return seen


async def product(rounds: int) -> list[Series]:
    """The same of the real bot, and what only it does."""
    acks, firsts, laters = Series("acknowledgement"), Series("first line"), Series("later line, idle thread")
    verdicts, busy = Series("end to verdict"), Series("line of a busy thread")
    async with sandbox() as server, bot_process(server):
        for _ in range(rounds):
            asked, events = await run_program(server, PROGRAM)
            acks.add(asked.acknowledged_after)
            seen = first_seen(events)
            firsts.add(seen["at", 0][1] - seen["at", 0][0])
            for number in range(1, 4):
                laters.add(seen["at", number][1] - seen["at", number][0])
            verdicts.add(events[-1].time - seen["end", 0][0])
        for _ in range(max(1, rounds // 5)):
            _, events = await run_program(server, BUSY_PROGRAM)
            for (_, number), (printed, visible) in first_seen(events).items():
                if number:
                    busy.add(visible - printed)
    return [acks, firsts, laters, verdicts, busy]


async def main(rounds: int) -> None:
    bare_acks, bare_sends = await floor(rounds)
    acks, firsts, laters, verdicts, busy = await product(rounds)
    report(
        [bare_acks, bare_sends, acks, firsts, laters, verdicts, busy],
        ratios=[(acks, bare_acks), (firsts, bare_sends), (laters, bare_sends), (verdicts, bare_sends)],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs to measure (default 20)")
    asyncio.run(main(parser.parse_args().runs))
