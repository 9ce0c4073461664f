"""SIGKILL at random moments of the bot's life, its start included, with three runs under way. The seed is in the id.

Every third seed has downtimes longer than the server remembers nonces, every sixth one longer than an interaction's
token lives. Every fifth seed kills a runner as well, at a random moment after its program's first line.
"""

import asyncio
import random
from dataclasses import replace
from functools import partial

import pytest

from .conftest import Play, Theatre
from .programs import BROAD, LEAVES_A_FILE, SHORT, SLOW_BROAD, STAYS, STUCK, Program
from .stage import OVER_NONCES_S, OVER_TOKENS_S, Stage, Submission

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEEDS = range(25)
KILLS = 4
# From a life's start: a login takes some tenths of a second, and what is under way is over after about three.
LONGEST_LIFE_S = 2.5
LONGEST_RUNNER_LIFE_S = 1.5


async def die_anywhere(stage: Stage, seed: int) -> None:
    """Three runs; lives that end at random moments; then one that brings everything to its end."""
    dice = random.Random(seed)
    downtime_s = (OVER_TOKENS_S if seed % 6 == 0 else OVER_NONCES_S) if seed % 3 == 0 else 0.0
    kills_runner = seed % 5 == 0
    cast: list[Program] = [STUCK if kills_runner else SLOW_BROAD]
    cast += dice.sample((SHORT, BROAD, SLOW_BROAD, LEAVES_A_FILE, STAYS), 2)
    # The more there is to do, the more there is to die of.
    cast = [replace(one, burst=1) for one in cast]
    await stage.start()
    # What is asked of a bot that was never there cannot even be typed, so the first life lives until its login.
    await stage.up_again()
    submissions = [await stage.submit(f"run{number}", program) for number, program in enumerate(cast, 1)]
    async with asyncio.TaskGroup() as others:
        if kills_runner:
            others.create_task(_kill_runner(stage, submissions[0], dice.uniform(0.0, LONGEST_RUNNER_LIFE_S)))
        for kill in range(KILLS):
            if kill > 0:
                await stage.start()
            stage.kill_at(dice.uniform(0.0, LONGEST_LIFE_S))
            if kill > 0 and await stage.ready():
                await stage.ask_again()
                await stage.press_again()
            await stage.death(downtime_s=downtime_s if kill % 2 == 0 else 0.0)
        await stage.end_well()


async def _kill_runner(stage: Stage, submission: Submission, delay_s: float) -> None:
    async for _ in stage.server.watch():
        if len(stage.room(submission)) > 1:
            break
    struck = asyncio.Event()

    def strike() -> None:
        stage.kill_runner(submission)
        struck.set()

    asyncio.get_running_loop().call_later(delay_s, strike)
    await struck.wait()
    assert submission.runner_killed, "there was no runner to kill"


def _plays() -> list[Play]:
    return [Play(f"seed-{seed}", partial(die_anywhere, seed=seed)) for seed in SEEDS]


@pytest.mark.parametrize("play", _plays(), ids=str)
async def test_kills_at_random_moments_change_nothing(theatre: Theatre, play: Play) -> None:
    print(f"replay with: pytest -k {play.name}")
    await theatre.see(play)
