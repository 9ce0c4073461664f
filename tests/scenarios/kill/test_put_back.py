"""A bot that is killed, loses its database, and is put back to a backup that was taken while members submitted.

No run that was accepted before the backup is lost, and none gets a second verdict; a run that was accepted after it is
nobody's, and its member asks again. The commands are the ones that an admin types.
"""

import asyncio
import os
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

import warm
from cluster_bot.discord_bot import messages

from .conftest import Play, Theatre
from .programs import BROAD, LASTING, LEAVES_A_FILE, SHORT, STAYS, Program
from .stage import PASSED_ON, Stage, Submission

CAST = (SHORT, BROAD, LASTING, LEAVES_A_FILE)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def command(stage: Stage, *words: str) -> str:
    """What `cluster-bot WORDS` says; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    process = await asyncio.create_subprocess_exec(
        *(warm.python(), "-m", "cluster_bot", *words),
        cwd=stage.folder,
        env={**environment, "DATA_DIR": str(stage.folder / "data")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def submit_meanwhile(stage: Stage, awaited: asyncio.Task[str]) -> None:
    """Submit one program after the other, each when the last is seen to run, until it is done and one more is."""
    while True:
        last = awaited.done()
        tag = f"run{len(stage.submissions) + 1}"
        submission = await stage.submit(tag, CAST[len(stage.submissions) % 2])
        await stage.until(lambda one=submission: stage.runs(one), f"{tag} was seen to run")
        if last:
            return


def forget(stage: Stage, submission: Submission) -> list[str]:
    """Tidy up after a run that was accepted after the backup; the numbers that people have seen of it."""
    found = []
    for anchor in stage.anchors(submission):
        found += re.findall(r"Run #(\d+)", anchor.content)
        stage.server.admin.delete_thread(anchor.id)
        stage.server.admin.delete_message(anchor.channel_id, anchor.id)
    stage.submissions.remove(submission)
    return found


async def put_back(stage: Stage, *, spools: bool) -> None:
    """Back up under load, go on, die, restore, go on."""
    file = stage.folder / "backup"
    await stage.start()
    await stage.up_again()
    cast: list[Program] = [*CAST, STAYS] if spools else list(CAST)
    first = [await stage.submit(f"run{number}", program) for number, program in enumerate(cast, 1)]
    await stage.until(lambda: stage.runs(first[0]), "the first line was seen")
    backing_up = asyncio.create_task(command(stage, "backup", str(file)))
    await submit_meanwhile(stage, backing_up)
    assert "newest #" in await backing_up
    await stage.until(lambda: stage.over(first[0]), "a verdict was given that the backup does not know")
    await stage.until(lambda: all(map(stage.runs, stage.submissions)), "everything was seen to run")
    stage.life.kill()
    await stage.death()
    for lost in (stage.folder / "data").glob("cluster-bot.sqlite3*"):
        lost.unlink()
    if not spools:
        # The machine went with the database.
        for submission in stage.submissions:
            stage.kill_runner(submission)
            # Of what was told already nothing may change; how others ended nobody can know.
            submission.runner_killed = messages.verdict_status(stage.room(submission)[-1].content) is None
        shutil.rmtree(stage.folder / "data" / "local")
    assert "are restored" in await command(stage, "restore", str(file))
    kept = set(stage.admitted())
    unknown = [one for one in stage.submissions if all(f"discord:{asked.id}" not in kept for asked in one.asked)]
    assert not set(unknown) & set(first), "a run that was accepted before the backup is lost"
    assert unknown, "everything was accepted before the backup"
    numbers = [number for submission in unknown for number in forget(stage, submission)]
    await stage.start()
    await stage.up_again()
    await stage.submit("fresh", SHORT)
    await stage.all_over()
    await stage.deploy()
    numbers += [one for message in stage.channel_messages() for one in re.findall(r"^\*\*Run #(\d+)", message.content)]
    assert len(set(numbers)) == len(numbers) == len(stage.submissions) + len(unknown), numbers
    assert all(messages.verdict_status(stage.room(one)[-1].content) for one in stage.submissions)
    assert Path(file).stat().st_mode & 0o777 == 0o600


PLAYS = [Play("in-place", partial(put_back, spools=True)), Play("elsewhere", partial(put_back, spools=False))]


@pytest.mark.parametrize("play", PLAYS, ids=str)
async def test_a_restored_bot_loses_and_doubles_nothing(theatre: Theatre, play: Play) -> None:
    await theatre.see(play)
