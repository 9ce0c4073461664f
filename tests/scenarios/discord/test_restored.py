"""A bot that was put back to a backup: what people saw meanwhile stays as it stands, and nothing is doubled.

A backup is taken while a run is shown; the bot goes on for a while, and is then put back to it, or to what it would
have known a little earlier.
"""

from __future__ import annotations

import shutil
import time
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, update
from town import Place, Town

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.chunks import lines_in
from cluster_bot.runs.ports import Place as StoredPlace
from cluster_bot.runs.run import Reason, Run, Status
from cluster_bot.store import codec, sqlite, statements
from cluster_bot.store.backup import back_up, restore
from cluster_bot.store.tables import events, feeds, runs
from cluster_sandbox.discord import DiscordServer, MessageEvent, Policy


@pytest.fixture
def server() -> DiscordServer:
    """Its numbers are wide where they would only make the tests wait."""
    return DiscordServer(policy=Policy(message_bucket=(50, 1.0), edit_bucket=(50, 1.0), default_bucket=(100, 1.0)))


def database(town: Town) -> str:
    return f"sqlite:///{town.folder}/data/cluster-bot.sqlite3"


def backup_of(town: Town, known: str = "all") -> Path:
    """A backup, in which of live runs is forgotten what was not `known`: "all" is that "before" was shown."""
    file = town.folder / f"{known}.backup"
    back_up(database(town), file)
    if known != "all":
        _forget(file, known)
    return file


def _forget(file: Path, known: str) -> None:
    kept = {"anchor": ("anchor",), "room": ("anchor", "room", "here"), "status": ("anchor", "room", "here", "status")}
    with sqlite.written_once(file) as connection:
        for run_id in list(connection.execute(statements.UNFINISHED).scalars()):
            row = connection.execute(statements.PLACE, {"run": run_id}).mappings().one()
            state = codec.place_of(row["place"], closed=False).state
            state = {name: state[name] for name in kept.get(known, ())}
            state |= {"newest": state.get("status", state["anchor"])} if state else {}
            place = codec.place_text(StoredPlace(state))
            connection.execute(update(feeds).where(feeds.c.run_id == run_id).values(place=place))
            if known in ("nothing", "anchor"):
                _wait_again(connection, run_id)
        connection.execute(delete(events))


def _wait_again(connection: Connection, run_id: str) -> None:
    row = connection.execute(statements.ONE_RUN, {"run": run_id}).mappings().one()
    run = codec.run_of(row, row["spec"])
    fresh = Run(run.id, run.number, run.spec, run.owner, run.origin, run.created_at)
    connection.execute(update(runs).where(runs.c.id == run.id).values(codec.run_values(fresh)))


def put_back(town: Town, file: Path, *, spools: bool) -> None:
    """Lose the database, and the spools too unless they are kept; then restore."""
    for lost in (town.folder / "data").glob("cluster-bot.sqlite3*"):
        lost.unlink()
    if not spools:
        # What the runner is taking away by itself is as gone.
        shutil.rmtree(town.folder / "data" / "local", ignore_errors=True)
    restore(file, database(town), now=time.time())


def created(town: Town, place: Place) -> list[MessageEvent]:
    """Every message of the bot's that was ever made in the run's room."""
    bot = town.server.bot_user_id
    made = [one for one in town.server.events if one.event == "create" and one.channel_id == place.room]
    return [one for one in made if one.author_id == bot and one.type == 0]


def anchors(town: Town) -> list[str]:
    """What stands in the channel."""
    return [one.content for one in town.server.messages(town.general) if messages.is_anchor(one.content)]


def nothing_doubled(town: Town, place: Place, lines: list[str]) -> None:
    assert town.lines(place) == lines
    assert len([one for one in created(town, place) if messages.verdict_status(one.content)]) == 1
    assert len([one for one in created(town, place) if messages.is_status(one.content)]) == 1
    assert len(created(town, place)) == len(town.of(place))
    assert len(anchors(town)) == 1
    for one in town.of(place):
        shown = [lines_in(version.content) for version in one.history]
        assert all(after[: len(before)] == before for before, after in pairwise(shown))


@pytest.mark.parametrize("known", ["nothing", "anchor", "status"])
async def test_a_verdict_given_meanwhile_is_final(town: Town, known: str) -> None:
    async with town.bot():
        place, go = await town.hold()
        file = backup_of(town, known)
        go()
        assert await town.verdict(place) is Status.SUCCEEDED
    put_back(town, file, spools=True)
    async with town.bot():
        await town.closed(place)
        run = await town.run_of(place)
        assert (run.status, run.reason) == (Status.SUCCEEDED, Reason.RESTORED)
        nothing_doubled(town, place, ["before", "after"])
        # The next one has a number of its own, and works.
        again = await town.open("print('again')")
        assert await town.verdict(again) is Status.SUCCEEDED
        assert again.number > place.number + 1
        assert town.lines(again) == ["again"]


@pytest.mark.parametrize("known", ["nothing", "room", "all"])
async def test_a_run_that_lives_is_followed_on(town: Town, known: str) -> None:
    async with town.bot():
        place, go = await town.hold()
        file = backup_of(town, known)
    put_back(town, file, spools=True)
    async with town.bot():
        go()
        assert await town.verdict(place) is Status.SUCCEEDED
        assert (await town.run_of(place)).reason is Reason.COMPLETED
        nothing_doubled(town, place, ["before", "after"])


@pytest.mark.parametrize("known", ["nothing", "all"])
async def test_a_run_whose_spool_is_gone_is_lost_and_not_repeated(town: Town, known: str) -> None:
    async with town.bot(outcome_grace_s=0.2):
        place, go = await town.hold()
        file = backup_of(town, known)
    put_back(town, file, spools=False)
    async with town.bot(outcome_grace_s=0.2):
        assert await town.verdict(place) is Status.LOST
        nothing_doubled(town, place, ["before"])
    go()


async def test_a_run_of_which_nothing_was_seen_is_launched(town: Town) -> None:
    async with town.bot():
        place, go = await town.hold()
        # Its thread had not been made, and its machine is another one.
        file = backup_of(town, "nothing")
    go()
    put_back(town, file, spools=False)
    for thread in town.server.threads(parent_id=town.general):
        town.delete_thread(thread.id)
    for message in town.server.messages(town.general):
        town.delete(message)
    async with town.bot():
        run = await town.run_of(place)
        await town.store.until(lambda: _over(town, run))
        assert (await town.run_of(place)).status is Status.SUCCEEDED


async def _over(town: Town, run: Run) -> bool:
    return (await town.store.load(run.id)).status.final


# Prints `lines` lines, waiting before line `pause` for one file and at the end for another.
BROAD = """
import os, sys, time
def wait(gate):
    while not os.path.exists(gate):
        time.sleep(0.02)
for n in range({lines}):
    if n == {pause}:
        print("paused", flush=True)
        wait(sys.argv[1])
    print(f"line {{n:04}} " + "x" * 300)
print("done", flush=True)
wait(sys.argv[2])
print("over")
"""


@pytest.mark.parametrize(
    ("lines", "pause", "spools"), [(14, 2, True), (14, 2, False), (80, 2, True), (80, 2, False), (80, 60, True)]
)
async def test_lines_in_many_messages_stay_in_order(town: Town, lines: int, pause: int, spools: bool) -> None:
    go_on, end = town.folder / "on", town.folder / "end"
    async with town.bot(outcome_grace_s=0.2):
        place = await town.open(BROAD.format(lines=lines, pause=pause), arguments=f"{go_on} {end}")
        await town.line(place, "paused")
        file = backup_of(town)
        go_on.touch()
        await town.line(place, "done")
    before = town.lines(place)
    put_back(town, file, spools=spools)
    async with town.bot(outcome_grace_s=0.2):
        if spools:
            # It is told all lines again, and has to catch up with what stands there.
            end.touch()
        assert await town.verdict(place) is (Status.SUCCEEDED if spools else Status.LOST)
    end.touch()
    shown = town.lines(place)
    if not spools:
        assert shown == before
    elif lines == 14:
        assert shown == [*before, "over"]
    else:
        assert (shown[-2:], sorted(set(shown[:-3]))) == (["done", "over"], sorted(shown[:-3]))
        assert shown[:30] == before[:30]
    assert len(created(town, place)) == len(town.of(place))
    # Status, verdict, and as many as the lines take.
    assert len(town.of(place)) == 2 + (7 if lines == 80 else 3)


async def test_where_runs_share_a_channel_each_finds_its_own(town: Town) -> None:
    lounge = town.server.channel_id("lounge")
    async with town.bot():
        first, go = await town.hold("one", channel=lounge)
        second, go_too = await town.hold("two", channel=lounge)
        file = backup_of(town, "room")
        go()
        assert await town.verdict(first) is Status.SUCCEEDED
    put_back(town, file, spools=True)
    async with town.bot():
        await town.closed(first)
        go_too()
        assert await town.verdict(second) is Status.SUCCEEDED
        assert (await town.run_of(first)).reason is Reason.RESTORED
        assert (await town.run_of(second)).reason is Reason.COMPLETED
        for place in (first, second):
            assert town.lines(place) == ["before", "after"]
            assert [one.content.partition("\n")[0] for one in town.of(place)] == [
                messages.part_marker(await town.run_of(place), part).strip()
                for part in ("status", "output 1", "verdict")
            ]
        # Two anchors, and three parts of each.
        assert len(created(town, first)) == 8


async def test_a_verdict_below_the_anchor_is_found(town: Town) -> None:
    async with town.bot():
        place, go = await town.hold()
        file = backup_of(town)
        town.server.admin.archive(place.room, locked=True)
        go()
        await town.closed(place)
    put_back(town, file, spools=True)
    async with town.bot():
        await town.closed(place)
        run = await town.run_of(place)
        assert (run.status, run.reason) == (Status.SUCCEEDED, Reason.RESTORED)
    told = [messages.verdict_status(one.content) for one in town.server.messages(town.general)]
    assert [one for one in told if one is not None] == [Status.SUCCEEDED]


async def test_a_thread_that_is_gone_ends_no_run(town: Town) -> None:
    async with town.bot():
        place, go = await town.hold()
        file = backup_of(town)
        town.delete_thread(place.room)
    put_back(town, file, spools=True)
    async with town.bot():
        go()
        assert (await town.ended(place)).status is Status.SUCCEEDED
