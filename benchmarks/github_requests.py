"""What `/run github` costs: requests to GitHub for each run, and the longest the bot's event loop was held.

    .venv/bin/python benchmarks/github_requests.py [--runs N ...] [--ways webhook|address|alone ...]

GitHub is the sandbox's, executing the repository's own workflow file with act; it counts the requests, answers 304
apart, as GitHub's hourly budget does. All runs are submitted at once. The rounds are made with a public address for
runners and GitHub's webhook, with the address alone, and without one.
"""

import argparse
import asyncio
import json
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench import FREE
from cluster_bot.demo.bot_process import started_bot
from cluster_bot.demo.github import OWNER, ROOT, github_settings
from cluster_bot.discord_bot import messages
from cluster_sandbox.discord import DiscordServer, File
from cluster_sandbox.github import GitHubServer, Policy, Runner

PROGRAM = b"import time\nfor number in range(12):\n    print('line', number)\n    time.sleep(0.25)\n"
MACHINES = 8
PATIENCE_S = 550.0
LONGEST_SHOWN = 3
SECRET = "a secret of this benchmark"
WAYS = {"webhook": "address and webhook", "address": "public address", "alone": "none"}
WATCHED = Path(__file__).parent / "watched_bot.py"


async def measure(runs: int, way: str) -> None:
    """One round, printed as a row."""
    policy = Policy(points_per_minute=100_000)
    runners = [Runner("box", ("self-hosted", "nvidia"), count=MACHINES)]
    with tempfile.TemporaryDirectory(prefix="cluster-bench-") as folder:
        async with (
            GitHubServer(repository=ROOT, owner=OWNER, runners=runners, policy=policy) as github,
            DiscordServer(policy=FREE) as discord,
        ):
            report = Path(folder) / "loop.json"
            settings = github_settings(github, public=way != "alone") | {
                "LIVE_RUNS_PER_MEMBER": str(runs),
                "LIVE_RUNS_IN_ALL": str(runs),
                "LOOP_REPORT": str(report),
            }
            if way == "webhook":
                settings["GITHUB_WEBHOOK_SECRET"] = SECRET
            async with started_bot(discord, Path(folder), settings, program=(str(WATCHED),)):
                if way == "webhook":
                    github.add_hook(f"{settings['PUBLIC_URL']}/github/webhook", secret=SECRET)
                    await github.webhooks.settled()
                await _all(discord, runs)
            executions = len(github.executions)
            counted = Counter(f"{one.method} {one.route}" for one in github.requests if one.status != 304)
            free = sum(one.status == 304 for one in github.requests)
        longest = json.loads(report.read_text())
        cpu, wall, _ = longest[0]
    assert executions == runs, f"{executions} executions of {runs} runs"
    total = sum(counted.values())
    print(
        f"| {runs} | {WAYS[way]} | {total} | {total / runs:.2f} | {free} | {cpu * 1e3:.0f} | {wall * 1e3:.0f} |",
        flush=True,
    )
    for what, count in counted.most_common():
        print(f"<!-- {count:4} {re.sub(r'{[^}]*}', '*', what)} -->", flush=True)
    for cpu, wall, what in longest[:LONGEST_SHOWN]:
        print(f"<!-- {cpu * 1e3:4.0f} of {wall * 1e3:4.0f} ms: {what[-140:]} -->", flush=True)


async def _all(discord: DiscordServer, runs: int) -> None:
    member, channel = discord.member("ada"), discord.channel_id("general")
    for _ in range(runs):
        options = {"script": File("program.py", PROGRAM), "gpu": "NVIDIA"}
        await member.command("run github", channel_id=channel, options=options)
    ended: set[int] = set()
    async with asyncio.timeout(PATIENCE_S):
        async for event in discord.watch():
            if event.event == "create" and messages.verdict_status(event.content) is not None:
                assert "Succeeded" in event.content, event.content
                ended.add(event.channel_id)
                if len(ended) == runs:
                    return


async def main(rounds: Sequence[int], ways: Sequence[str]) -> None:
    print("| runs at once | way | requests | a run | 304 | longest callback, cpu ms | wall ms |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for runs in rounds:
        for way in ways:
            await measure(runs, way)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 10, 100], help="runs at once (default 1 10 100)")
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=list(WAYS), help="ways to be told (default all)")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.runs, chosen.ways))
