"""What GitHub's webhook brings: how soon people see an end with it and without, and what a flood of deliveries costs.

    .venv/bin/python benchmarks/github_webhooks.py [--runs N]

Times are by one machine's clock, the servers' own: when the program printed its last word or GitHub ended the run,
when Discord got the verdict or the acknowledgement. GitHub's deliveries are real requests, signed as GitHub signs; the
flood comes from a process of its own.
"""

import argparse
import asyncio
import hashlib
import hmac
import itertools
import json
import re
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench import FREE, LINK, Series, report
from cluster_bot.demo.bot_process import started_bot
from cluster_bot.demo.github import OWNER, ROOT, github_settings
from cluster_bot.discord_bot import messages
from cluster_sandbox.discord import DiscordServer, File, MessageEvent
from cluster_sandbox.github import GitHubServer, Policy, Run, Runner
from cluster_sandbox.github.events import payload
from cluster_sandbox.github.webhooks import DeliveryFault

ENDS = b"import time\nprint('end', repr(time.time()), flush=True)\n"
STAYS = b"import time\nprint('here', flush=True)\ntime.sleep(600)\n"
STAMP = re.compile(r"end (\d+\.\d+)")
LIST = "/repos/{owner}/{repo}/actions/runs"
# Four of them have a machine.
LIVE = 40
PER_S = 100
PAUSE_S = 0.1
PATIENCE_S = 120.0


@dataclass
class Town:
    """A bot between a Discord and a GitHub that tells it by webhook."""

    discord: DiscordServer
    github: GitHubServer
    address: str
    secret: str

    async def open(self, program: bytes) -> int:
        """Give `/run github`; the id of the run's thread."""
        asked = await self.discord.member("ada").command(
            "run github",
            channel_id=self.discord.channel_id("general"),
            options={"script": File("program.py", program), "gpu": "NVIDIA"},
        )
        await asked.answered(PATIENCE_S)
        link = LINK.search(asked.content)
        assert link is not None, f"the bot said: {asked.content}"
        return int(link[1])

    async def seen(self, room: int, words: str) -> MessageEvent:
        """The event by which these words became visible there."""
        return await self.discord.wait_for(lambda it: it.channel_id == room and words in it.content, PATIENCE_S)

    async def verdict(self, room: int) -> MessageEvent:
        """The event of a thread's verdict."""
        return await self.discord.wait_for(
            lambda it: it.channel_id == room and messages.verdict_status(it.content) is not None, PATIENCE_S
        )


@asynccontextmanager
async def town() -> AsyncIterator[Town]:
    runners = [Runner("box", ("self-hosted", "nvidia"), count=4)]
    policy = Policy(points_per_minute=100_000)
    with tempfile.TemporaryDirectory(prefix="cluster-bench-") as folder:
        async with (
            GitHubServer(repository=ROOT, owner=OWNER, runners=runners, policy=policy) as github,
            DiscordServer(policy=FREE) as discord,
        ):
            secret = secrets.token_hex(16)
            # Of a run that ended without an outcome the bot gives its runner some seconds more: a constant, left out.
            settings = github_settings(github, public=True) | {
                "GITHUB_WEBHOOK_SECRET": secret,
                "OUTCOME_GRACE_S": "0",
                "LIVE_RUNS_PER_MEMBER": str(LIVE + 1),
            }
            async with started_bot(discord, Path(folder), settings):
                address = f"{settings['PUBLIC_URL']}/github/webhook"
                github.add_hook(address, secret=secret)
                await github.webhooks.settled()
                yield Town(discord, github, address, secret)


async def ends_of_programs(here: Town, rounds: int) -> Series:
    """From a program's last word to its verdict: what its own runner reports."""
    series = Series("program's end to verdict")
    for _ in range(rounds):
        room = await here.open(ENDS)
        verdict = await here.verdict(room)
        printed = [STAMP.search(one.content) for one in here.discord.events if one.channel_id == room]
        series.add(verdict.time - float(next(one for one in printed if one)[1]))
    return series


async def ends_of_runs(here: Town, rounds: int, name: str) -> tuple[Series, Series]:
    """From the end of a run whose machine died, of which GitHub alone can tell, to its verdict.

    Then the same, from the first look at all runs that came after the end, where there was one.
    """
    series, looked = Series(name), Series(f"{name}, from the next look on")
    for _ in range(rounds):
        room = await here.open(STAYS)
        await here.seen(room, "here")
        run = here.github.runs[-1]
        ended = asyncio.create_task(_ended(here.github, run))
        here.github.lose(run.id)
        for machine in here.github.machines:
            machine.online = True
        at = await ended
        verdict = await here.verdict(room)
        series.add(verdict.time - at)
        looks = (one.time for one in here.github.requests if one.route == LIST and at <= one.time < verdict.time)
        looked.values += [verdict.time - one for one in itertools.islice(looks, 1)]
    return series, looked


async def _ended(github: GitHubServer, run: Run) -> float:
    await github.wait_run(lambda one: one is run and one.completed, PATIENCE_S)
    return time.time()


async def acknowledgements(here: Town, rounds: int, name: str) -> Series:
    """From `/run` to its acknowledgement."""
    series = Series(name)
    for _ in range(rounds):
        member, channel = here.discord.member("ada"), here.discord.channel_id("general")
        # A file of the wrong kind: acknowledged like any other and refused, so that no jobs pile up.
        options = {"script": File("program.py", b"\xff\xfe"), "gpu": "NVIDIA"}
        asked = await member.command("run github", channel_id=channel, options=options)
        await asked.answered(PATIENCE_S)
        series.add(asked.acknowledged_after)
        await asyncio.sleep(PAUSE_S)
    return series


@asynccontextmanager
async def flood(here: Town) -> AsyncIterator[None]:
    """A hundred deliveries a second about runs the bot has never heard of."""
    told = payload(
        here.github.world,
        next(iter(here.github.webhooks.hooks.values())),
        "workflow_run",
        "in_progress",
        here.github.runs[-1],
    )
    order = {"address": here.address, "secret": here.secret, "payload": told, "first": time.time_ns()}
    sender = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--send", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert sender.stdin is not None and sender.stdout is not None
    sender.stdin.write(json.dumps(order).encode() + b"\n")
    await sender.stdin.drain()
    await sender.stdout.readline()
    try:
        yield
    finally:
        sender.stdin.close()
        print(f"<!-- flood: {(await sender.stdout.read()).decode().strip()} -->")
        await sender.wait()


async def send() -> None:
    """The process that sends, until its standard input ends."""
    order = json.loads(sys.stdin.readline())
    over = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    answers: list[int] = []
    loop = asyncio.get_running_loop()
    begun = loop.time()
    sent = 0
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        while not over.done():
            group.create_task(_post(session, order, order["first"] + sent, answers))
            sent += 1
            if sent == PER_S:
                print("under way", flush=True)
            await asyncio.wait([over], timeout=max(0.0, begun + sent / PER_S - loop.time()))
    took = loop.time() - begun
    good = sum(one == 202 for one in answers)
    print(f"{sent} sent in {took:.1f} s, {sent / took:.0f} a second, {good} taken")


async def _post(session: aiohttp.ClientSession, order: dict[str, object], number: int, answers: list[int]) -> None:
    told = order["payload"]
    assert isinstance(told, dict)
    run = {**told["workflow_run"], "id": number, "display_title": f"{number:032x}-1"}
    body = json.dumps({**told, "workflow_run": run}).encode()
    digest = hmac.new(str(order["secret"]).encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "X-GitHub-Event": "workflow_run",
        "X-Hub-Signature-256": f"sha256={digest}",
        "Content-Type": "application/json",
    }
    async with session.post(str(order["address"]), data=body, headers=headers) as answer:
        answers.append(answer.status)


async def main(rounds: int) -> None:
    async with town() as here:
        programs = await ends_of_programs(here, rounds)
        told, _ = await ends_of_runs(here, rounds, "run's end to verdict, told by webhook")
        here.github.webhooks.faults.append(DeliveryFault(times=None, lost=True))
        lost, looked = await ends_of_runs(here, max(3, rounds // 4), "run's end to verdict, all deliveries lost")
        here.github.webhooks.faults.clear()
        for _ in range(LIVE):
            await here.open(STAYS)
        quiet, busy = Series(""), Series("")
        for _ in range(4):
            quiet.values += (await acknowledgements(here, rounds, "")).values
            async with flood(here):
                busy.values += (await acknowledgements(here, rounds, "")).values
        quiet.name = f"`/run` to acknowledgement, with {LIVE} runs under way"
        busy.name = f"the same beside {PER_S} deliveries a second"
    report([programs, told, lost, looked, quiet, busy], ratios=[(lost, told), (busy, quiet)])


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs to measure (default 20)")
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(given)


if __name__ == "__main__":
    chosen = _arguments()
    asyncio.run(send() if chosen.send else main(chosen.runs))
