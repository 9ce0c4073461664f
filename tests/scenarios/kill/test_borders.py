"""SIGKILL at every named border, three times each, on account of three runs, while another run is under way.

One of the three is followed by a downtime longer than the server remembers nonces.
"""

from functools import partial

import pytest

from .borders import BORDERS, LOOK_BACK, Border, When
from .conftest import Play, Theatre
from .programs import BROAD, SLOW_BROAD
from .stage import OVER_NONCES_S, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

KILLS = 3
WHENS: tuple[When, When] = ("before", "after")


async def die_there(stage: Stage, border: Border, when: When, long_downtime: int) -> None:
    """Three runs, three deaths at the border, one of them long, then a life that brings everything to its end."""
    for kill in range(KILLS):
        victim = f"victim{kill + 1}"
        await border.arm(stage, when, f"{victim}.py", kill)
        await stage.up_again()
        if kill == 0:
            await stage.submit("companion", SLOW_BROAD)
        await stage.submit(victim, border.program)
        await stage.death(downtime_s=OVER_NONCES_S if kill == long_downtime else 0.0)
    await stage.end_well()


async def die_of_the_cure(stage: Stage, border: Border, when: When, long_downtime: int) -> None:
    """Each time the effect has happened and is not remembered; the next life dies of looking for it."""
    for kill in range(KILLS):
        victim = f"victim{kill + 1}"
        await border.arm(stage, "after", f"{victim}.py", kill)
        await stage.up_again()
        await stage.submit(victim, BROAD)
        await stage.death(downtime_s=OVER_NONCES_S if kill == long_downtime else 0.0)
        await LOOK_BACK.arm(stage, when, f"{victim}.py", kill)
        await stage.death()
    await stage.end_well()


def _plays() -> list[Play]:
    plays = []
    for number, border in enumerate(BORDERS.values()):
        for late, when in enumerate(WHENS):
            facts = {"border": border, "when": when, "long_downtime": (2 * number + late) % KILLS}
            plays.append(Play(f"{border.name}-{when}", partial(die_there, **facts)))
    for number, border in enumerate((BORDERS["create-status"], BORDERS["create-log2"])):
        for late, when in enumerate(WHENS):
            facts = {"border": border, "when": when, "long_downtime": (2 * number + late) % KILLS}
            plays.append(Play(f"look-back-for-{border.name}-{when}", partial(die_of_the_cure, **facts)))
    return plays


@pytest.mark.parametrize("play", _plays(), ids=str)
async def test_a_kill_at_a_border_changes_nothing(theatre: Theatre, play: Play) -> None:
    await theatre.see(play)
