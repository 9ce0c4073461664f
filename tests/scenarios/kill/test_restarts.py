"""Deaths of other kinds: deploys, the command as an admin starts it, a long absence, runners that die unclaimed.

A runner that died before it won its claim has executed nothing, so its run is launched anew and executes once.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cluster_bot.discord_bot import messages
from cluster_sandbox.discord.faults import Fault

from .borders import BORDERS, MESSAGES, RENEWAL, Border, When
from .conftest import Play, Theatre
from .programs import BROAD, LEAVES_A_FILE, SHORT, SLOW_BROAD, STAYS, STUCK, TAPERING, TRICKLING
from .stage import OVER_AN_HOUR_S, OVER_NONCES_S, OVER_TOKENS_S, POLICY, Stage

NO_OLD_EDITS = replace(POLICY, old_edits=0, old_edit_retry_s=0.01)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def deploy_in_the_middle(stage: Stage) -> None:
    """SIGTERM instead of SIGKILL, three times; a start with nothing left to do shows nothing."""
    for number, program in enumerate((SLOW_BROAD, BROAD, LEAVES_A_FILE), 1):
        await stage.start()
        await stage.up_again()
        submission = await stage.submit(f"run{number}", program)
        await stage.until(lambda one=submission: len(stage.room(one)) > 1, "the first line was seen")
        await stage.deploy()
    await stage.end_well()
    await start_idly(stage)


async def start_idly(stage: Stage) -> None:
    """Start when all is over: the answer to /ping is all there is to see."""
    before = _standing(stage)
    await stage.start()
    await stage.up_again()
    asked = await stage.member.command("ping", channel_id=stage.channel)
    await asked.answered(30)
    await stage.deploy()
    assert asked.content.startswith(messages.PONG.partition(" {")[0]), asked.content
    assert _standing(stage) == before


def _standing(stage: Stage) -> dict[int, str]:
    """What all members see, by message."""
    threads = [one.id for one in stage.server.threads(parent_id=stage.channel)]
    return {one.id: one.content for room in (stage.channel, *threads) for one in stage.server.messages(room)}


async def the_command_itself(stage: Stage) -> None:
    """`python -m cluster_bot up`, killed in the middle and started again, and at last ended by SIGTERM."""
    await stage.start(cold=True)
    await stage.up_again()
    submission = await stage.submit("run1", SLOW_BROAD)
    await stage.until(lambda: len(stage.room(submission)) > 1, "the first line was seen")
    stage.life.kill()
    await stage.death(downtime_s=OVER_TOKENS_S)
    await stage.start(cold=True)
    await stage.up_again()
    await stage.all_over()
    await stage.deploy()


async def killed_while_queued(stage: Stage) -> None:
    """The bot dies as soon as it has admitted a run and stays away for long; nobody has heard of the run but it."""
    for kill, downtime_s in enumerate((0.0, OVER_NONCES_S, OVER_TOKENS_S), 1):
        await stage.start({"verb": "save", "step": "wish", "when": "before", "nth": 1, "victim": f"run{kill}.py"})
        await stage.up_again()
        await stage.submit(f"run{kill}", SHORT)
        await stage.death(downtime_s=downtime_s)
    await stage.end_well()


async def absent_for_hours(stage: Stage) -> None:
    """What was shown is too old to be edited, and much has been printed since: it goes on below, in several parts."""
    await stage.start()
    await stage.up_again()
    submissions = [await stage.submit(f"run{n}", one) for n, one in enumerate((TRICKLING, TAPERING), 1)]
    await stage.until(lambda: all(len(stage.room(one)) > 1 for one in submissions), "first lines were seen")
    stage.life.kill()
    await stage.death(downtime_s=OVER_AN_HOUR_S)
    for submission in submissions:
        await stage.runner_ends(submission)
    await stage.end_well()


async def absent_with_a_line_unremembered(stage: Stage) -> None:
    """The first line was shown and the bot died before it knew; when it is back, no edit is taken any more."""
    for number, program in enumerate((TRICKLING, TAPERING), 1):
        await BORDERS["create-log1"].arm(stage, "after", f"run{number}.py", 0)
        await stage.up_again()
        submission = await stage.submit(f"run{number}", program)
        await stage.death(downtime_s=OVER_AN_HOUR_S)
        await stage.runner_ends(submission)
    await stage.end_well()


async def posts_its_status_anew(stage: Stage, when: When) -> None:
    """The status is too old to be edited, and the bot dies of posting another; the next life posts none beside it."""
    await BORDERS["edit-status"].arm(stage, "before", "run1.py", 0)
    await stage.up_again()
    await stage.submit("run1", STAYS)
    await stage.death(downtime_s=OVER_AN_HOUR_S)
    await RENEWAL.arm(stage, when, "run1.py", 0)
    await stage.death(downtime_s=OVER_NONCES_S)
    await stage.end_well()


async def over_before_its_status_is_found(stage: Stage) -> None:
    """The status message is made and not remembered, and found again only when the run is over: no button stays."""
    await BORDERS["create-status"].arm(stage, "after", "run1.py", 0)
    await stage.up_again()
    await stage.submit("run1", SHORT)
    await stage.death()
    looks_long = stage.server.faults.add(Fault(method="GET", route=MESSAGES, times=None, status=None, latency=3600.0))
    await stage.start({"verb": "save", "step": "final", "when": "after", "nth": 1, "victim": "run1.py"})
    await stage.death(downtime_s=OVER_NONCES_S)
    looks_long.times = 0
    await stage.end_well()


async def spool_left_behind(stage: Stage) -> None:
    """The bot dies when a run is over and its spool is still there; the next life knows no such run, and tidies up."""
    for when in ("before", "after"):
        await stage.start({"verb": "discard", "step": None, "when": when, "nth": 1, "victim": "run1.py"})
        if when == "before":
            await stage.up_again()
            await stage.submit("run1", LEAVES_A_FILE)
        await stage.death()
    await stage.end_well()
    assert stage.spools() == []


def dies_once(stage: Stage) -> str:
    """An interpreter for runners that kills itself the first time, before the runner could claim anything."""
    script = Path(stage.folder, "python-that-dies-once")
    script.write_text(
        f'#!/bin/sh\nmkdir "{stage.folder}/died" 2>/dev/null && kill -9 $$\nexec "{sys.executable}" "$@"\n'
    )
    script.chmod(0o700)
    return str(script)


async def runner_dies_before_its_claim(stage: Stage) -> None:
    """The bot lives on and sees it."""
    await stage.start(python=dies_once(stage))
    await stage.up_again()
    await stage.submit("run1", SHORT)
    await stage.all_over()
    await stage.deploy()
    assert Path(stage.folder, "died").is_dir(), "no runner died"


async def both_die(stage: Stage, border: Border, downtime_s: float) -> None:
    """The bot dies at the border, its runner before the claim."""
    python = dies_once(stage)
    await stage.start(
        {"verb": border.verb, "step": border.step, "when": "after", "nth": 1, "victim": "run1.py"}, python=python
    )
    await stage.up_again()
    await stage.submit("run1", SHORT)
    await stage.death(downtime_s=downtime_s)
    await stage.end_well()
    assert Path(stage.folder, "died").is_dir(), "no runner died"


async def both_die_after_start(stage: Stage) -> None:
    """The handle is not remembered: the next life finds no runner and starts the same attempt again."""
    await both_die(stage, Border("", verb="start"), OVER_NONCES_S)


async def both_die_after_handle(stage: Stage) -> None:
    """The handle is remembered, so the next life first makes sure that no runner will come, then tries once more."""
    await both_die(stage, Border("", verb="save", step="handle"), 0.0)


async def runner_lost_before_its_handle_was_known(stage: Stage) -> None:
    """The bot dies before it knows the handle, the runner in the middle: all there is to learn of it is its spool."""
    await stage.start({"verb": "start", "step": None, "when": "after", "nth": 1, "victim": "run1.py"})
    await stage.up_again()
    submission = await stage.submit("run1", STUCK)
    await stage.death()
    await stage.program_begins(submission)
    stage.kill_runner(submission)
    assert submission.runner_killed, "there was no runner to kill"
    await stage.end_well()


PLAYS = [
    Play("runner-lost-before-its-handle-was-known", runner_lost_before_its_handle_was_known),
    Play("runner-dies-before-its-claim", runner_dies_before_its_claim),
    Play("both-die-after-the-start", both_die_after_start),
    Play("both-die-after-the-handle", both_die_after_handle),
    Play("deploy-in-the-middle", deploy_in_the_middle),
    Play("the-command-itself", the_command_itself),
    Play("killed-while-queued", killed_while_queued),
    Play("over-before-its-status-is-found", over_before_its_status_is_found),
    Play("spool-left-behind", spool_left_behind),
    Play("posts-its-status-anew-before", partial(posts_its_status_anew, when="before"), NO_OLD_EDITS),
    Play("posts-its-status-anew-after", partial(posts_its_status_anew, when="after"), NO_OLD_EDITS),
    Play("absent-for-hours", absent_for_hours, NO_OLD_EDITS),
    Play("absent-with-a-line-unremembered", absent_with_a_line_unremembered, NO_OLD_EDITS),
]


@pytest.mark.parametrize("play", PLAYS, ids=str)
async def test_a_restart_changes_nothing(theatre: Theatre, play: Play) -> None:
    await theatre.see(play)
