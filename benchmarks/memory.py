"""The bot's memory: with many live runs at once, and over a soak of short ones.

    .venv/bin/python benchmarks/memory.py [--live N] [--soak N] [--rest SECONDS]

The bot's is its resident set, read from /proc. A local run also costs a runner and the program itself, on the same
machine only because the launcher is local; theirs is the proportional set, which shares out common pages.

No object of the bot's own is kept of a run that is over, which `tests/scenarios/discord/test_what_is_kept.py` counts.
discord.py keeps four rate limits a run (5 kB) until five minutes after their last use, and the thread (1 kB) until
Discord archives it; a soak is over before either, and SQLite's page caches fill up during it. With `--rest` there is a
second soak after a pause.
"""

import argparse
import asyncio
from pathlib import Path

from bench import bot_process, run_program, sandbox
from cluster_bot.demo.bot_process import BotProcess
from cluster_sandbox.discord import DiscordServer, File

WAITING = "import sys\nprint('here', flush=True)\nimport time\ntime.sleep(600)\n"
SHORT = "print('short')\n"


def resident_mb(pid: int) -> float:
    """Resident set in MB."""
    return _field_kb(Path(f"/proc/{pid}/status"), "VmRSS:") / 1000 * 1.024


def proportional_mb(pid: int) -> float:
    """Proportional set in MB; 0 for a process that is gone."""
    try:
        return _field_kb(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1000 * 1.024
    except OSError:
        return 0.0


def _field_kb(path: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(name))


def processes_with(text: str) -> list[int]:
    """Processes whose command line has `text`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if text in (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


async def live(count: int) -> None:
    """Memory with `count` runs that have all printed and go on."""
    limits = {"LIVE_RUNS_PER_MEMBER": str(count), "LIVE_RUNS_IN_ALL": str(count)}
    async with sandbox() as server, bot_process(server, **limits) as bot:
        idle = resident_mb(bot.pid)
        await _start_all(server, count)
        with_all = resident_mb(bot.pid)
        runners = processes_with("--spool")
        each = sum(map(proportional_mb, runners)) / max(1, len(runners))
        print(f"| the bot, idle | {idle:.0f} |")
        print(f"| the bot with {count} live runs | {with_all:.0f} |")
        print(f"| each run's runner (proportional, {len(runners)} alive) | {each:.1f} |")
        await _cancel_all(server, count)


async def _start_all(server: DiscordServer, count: int) -> None:
    member, channel = server.member("ada"), server.channel_id("general")
    for _ in range(count):
        options = {"script": File("waiting.py", WAITING.encode())}
        asked = await member.command("run local", channel_id=channel, options=options)
        await asked.answered(60)
    spoken: set[int] = set()
    async with asyncio.timeout(300):
        async for event in server.watch():
            if "here\n" in event.content:
                spoken.add(event.channel_id)
                if len(spoken) == count:
                    return


async def _cancel_all(server: DiscordServer, count: int) -> None:
    member, channel = server.member("ada"), server.channel_id("general")
    for number in range(1, count + 1):
        await member.command("cancel", channel_id=channel, options={"run": number})
    ended: set[int] = set()
    async with asyncio.timeout(300):
        async for event in server.watch():
            if event.event == "create" and "**Cancelled**" in event.content:
                ended.add(event.channel_id)
                if len(ended) == count:
                    return


async def soak(count: int, rest_s: float) -> None:
    """The bot's memory after tenths of `count` short runs, four at a time; the same again after a rest, if any."""
    async with sandbox() as server, bot_process(server, LIVE_RUNS_PER_MEMBER="8") as bot:
        for again in range(2 if rest_s else 1):
            if again:
                await asyncio.sleep(rest_s)
            sizes = [resident_mb(bot.pid)]
            for tenth in range(10):
                await _short_runs(server, bot, count // 10)
                sizes.append(resident_mb(bot.pid))
                print(f"| the bot after {(tenth + 1 + 10 * again) * (count // 10)} short runs | {sizes[-1]:.1f} |")
            print(f"\ngrowth: {sizes[-1] - sizes[0]:.1f} MB, over the second half {sizes[-1] - sizes[5]:.1f} MB\n")


async def _short_runs(server: DiscordServer, bot: BotProcess, count: int) -> None:
    members = asyncio.Queue[str]()
    for name in ("ada", "bob", "cyd", "dan"):
        members.put_nowait(name)

    async def one() -> None:
        member = await members.get()
        await run_program(server, SHORT, member=member)
        members.put_nowait(member)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())


async def main(live_runs: int, short_runs: int, rest_s: float) -> None:
    print("| what | MB |")
    print("|---|---:|")
    await live(live_runs)
    await soak(short_runs, rest_s)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=int, default=200, help="runs alive at once (default 200)")
    parser.add_argument("--soak", type=int, default=500, help="short runs one after another (default 500)")
    parser.add_argument("--rest", type=float, default=0, help="seconds until a second soak (default 0: none)")
    given = parser.parse_args()
    asyncio.run(main(given.live, given.soak, given.rest))
