"""How long a member waits for the bot's first answer, command by command, with 200 runs under way.

    .venv/bin/python benchmarks/command_latency.py [--live N] [--past N] [--rounds N] [--json FILE]

The runs are real but for their launcher, which never ends one: each has its thread, its feed and its follower. The
member who asks has thousands of runs in the past, one of them with a log as large as logs get. The sandbox's Discord
stamps the member's act and the arrival of the bot's first reaction; what follows a deferral is in the second column.
"""

import argparse
import asyncio
import json
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import cluster_bot
from bench import FREE, Series, spread
from cluster_bot.demo.bot_process import started_bot
from cluster_bot.runs.ports import Place, Store, Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Member, Origin, Reason, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore
from cluster_runner.wire import Event, Outcome
from cluster_sandbox.discord import Acting, DiscordServer, File, Interaction

AIM_S = 0.1
SOURCE = "print('a program of some length')\n" * 300
LOG_EVENTS, LOG_TEXT = 500, "a line of a long log, as long as such lines are\n" * 170
STANDING = Path(__file__).parent / "standing_bot.py"
OPENED = re.compile(r"Run #(\d+) is here: <#(\d+)>")
WIDE = Limits(live_per_member=1_000_000, live_in_all=1_000_000)


async def fill(url: str, server: DiscordServer, owner: Acting, past: int) -> None:
    """The member's past: finished runs, the first with a long log."""
    store = await SqlStore.open(url)
    try:
        first = await over(store, server, owner, 0, ended=False)
        run = await store.save(replace(first, status=Status.RUNNING, attempt=1))
        events = [Event(n, 1.0, "log", {"stream": "stdout", "text": LOG_TEXT}) for n in range(1, LOG_EVENTS + 1)]
        await store.append(run.id, 1, events)
        await store.save(finished(run))
        for number in range(1, past):
            await over(store, server, owner, number)
    finally:
        await store.close()


async def over(store: Store, server: DiscordServer, owner: Acting, number: int, *, ended: bool = True) -> Run:
    """One run of the past."""
    spec = RunSpec({f"past{number}.py": SOURCE}, f"past{number}.py", "github", 60, gpu="H100")
    data = {"interaction": "1", "token": "t", "guild": str(server.guild_id), "channel": "5", "threads": True}
    asked = Submission(spec, Member(str(owner.user_id), "ada"), Origin(f"past:{number}", data))
    run = (await store.admit(asked, WIDE, time.time())).run
    await store.save_place(run.id, Place({"anchor": 5, "room": 6}, 0, closed=True))
    return await store.save(finished(run)) if ended else run


def finished(run: Run) -> Run:
    """As it ended."""
    outcome = Outcome("exited", exit_code=0, duration_s=1.0)
    return replace(run, status=Status.SUCCEEDED, reason=Reason.COMPLETED, finished_at=time.time(), outcome=outcome)


class Asking:
    """A member's acts, each timed twice: to the first reaction, and to the answer."""

    def __init__(self, server: DiscordServer) -> None:
        self.server = server
        self.ada = server.member("ada")
        self.channel = server.channel_id("general")
        self.first: dict[str, Series] = {}
        self.whole: dict[str, Series] = {}

    async def _timed(self, what: str, act: Callable[[], Awaitable[Interaction]]) -> Interaction:
        began = time.perf_counter()
        asked = await (await act()).answered(60)
        took = time.perf_counter() - began
        assert asked.failed is None, f"{what}: {asked.failed}"
        self.first.setdefault(what, Series(what)).add(asked.acknowledged_after)
        self.whole.setdefault(what, Series(what)).add(took)
        return asked

    async def command(self, name: str, what: str = "", **options: object) -> Interaction:
        """Give a command."""
        given = {**options}
        return await self._timed(
            what or f"/{name}", lambda: self.ada.command(name, channel_id=self.channel, options=given)
        )

    async def press(self, shown: Interaction, custom_id: str, what: str) -> Interaction:
        """Press a button of an answer."""
        assert shown.message is not None
        message = shown.message.id
        return await self._timed(what, lambda: self.ada.press(message, channel_id=self.channel, custom_id=custom_id))

    async def menu(self, name: str) -> Interaction:
        """Choose a command in the menu of a message with a program."""
        said = await self.ada.say(self.channel, "```py\nprint(1)\n```")
        return await self._timed(name, lambda: self.ada.context(name, said.id, channel_id=self.channel))

    async def complete(self, command: str, option: str, typed: str) -> None:
        """Type into an option."""
        what = f"/{command} {option}: as it is typed"
        began = time.perf_counter()
        await self.ada.autocomplete(command, channel_id=self.channel, focused=option, value=typed)
        took = time.perf_counter() - began
        self.first.setdefault(what, Series(what)).add(took)
        self.whole.setdefault(what, Series(what)).add(took)


def number_of(answer: Interaction) -> str:
    """The number of the run that a private answer says is there."""
    found = OPENED.fullmatch(answer.content)
    assert found is not None, answer.content
    return found[1]


async def one_round(asking: Asking, past: int) -> None:
    """Every command once; what it starts it stops."""
    script = File("program.py", SOURCE.encode())
    await asking.command("ping")
    run = number_of(await asking.command("run github", script=script, gpu="H100"))
    shown = await asking.command("runs")
    me = asking.ada.user_id
    await asking.press(shown, f"runs:{me}:1", "Next under /runs")
    info = await asking.command("run-info", run=run)
    long = await asking.command("run-info", "/run-info of a run with a log of 4 MB", run="1")
    await asking.command("logs", run=run)
    await asking.press(long, "log:1", "Log, of 4 MB")
    again = number_of(await asking.command("rerun", run=str(past // 2)))
    await asking.command("gpus")
    await asking.command("run paste")
    await asking.menu("Run this code")
    for command in ("run-info", "logs", "rerun", "cancel"):
        await asking.complete(command, "run", "")
    await asking.complete("rerun", "run", "past1")
    await asking.complete("rerun", "gpu", "h")
    await asking.command("cancel", run=again)
    await asking.press(info, f"cancel:{run}", "Cancel")


async def main(live: int, past: int, rounds: int, result: Path | None) -> None:
    """Measure and print."""
    async with DiscordServer(policy=FREE) as server:
        asking = Asking(server)
        with tempfile.TemporaryDirectory(prefix="cluster-bot-bench-") as folder:
            data = Path(folder, "data")
            data.mkdir()
            await fill(f"sqlite:///{data / 'cluster-bot.sqlite3'}", server, asking.ada, past)
            settings = {
                "LIVE_RUNS_PER_MEMBER": str(10 * live),
                "LIVE_RUNS_IN_ALL": str(10 * live),
                # The same sources as these.
                "PYTHONPATH": str(Path(cluster_bot.__file__).parents[1]),
            }
            async with started_bot(server, Path(folder), settings, program=(str(STANDING),)):
                others = [server.member(name) for name in ("bob", "carol")]
                script = File("program.py", SOURCE.encode())
                for number in range(live):
                    asked = await others[number % 2].command(
                        "run github", channel_id=asking.channel, options={"script": script, "gpu": "H100"}
                    )
                    number_of(await asked.answered(60))
                for round_ in range(rounds + 1):
                    await one_round(asking, past)
                    if not round_:  # the first one warms up
                        asking.first.clear()
                        asking.whole.clear()
    print(f"{live} runs under way, {past} in the member's past.\n")
    print("| what | first answer, median ms | 10 % | 90 % | the whole answer, median ms | n |")
    print("|---|---:|---:|---:|---:|---:|")
    for what, one in asking.first.items():
        low, high = spread(one.values)
        times = (one.median, low, high, asking.whole[what].median)
        print(f"| {what} | {' | '.join(f'{1e3 * seconds:.1f}' for seconds in times)} | {len(one.values)} |")
    slow = [what for what, one in asking.first.items() if one.median > AIM_S]
    print(f"\nOver the aim of {AIM_S * 1e3:.0f} ms: {', '.join(slow) or 'none'}.")
    if result is not None:
        measured = {
            what: {"first_s": one.values, "whole_s": asking.whole[what].values} for what, one in asking.first.items()
        }
        result.write_text(json.dumps({"live": live, "past": past, "seconds": measured}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=int, default=200, help="runs under way (default 200)")
    parser.add_argument("--past", type=int, default=5000, help="runs in the member's past (default 5000)")
    parser.add_argument("--rounds", type=int, default=30, help="times each command is given (default 30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every value goes")
    given = parser.parse_args()
    asyncio.run(main(given.live, given.past, given.rounds, given.json))
