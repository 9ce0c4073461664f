"""The same for `/run modal`: SIGKILL at every named border of it, while another run is under way.

A claim stands before each execution and Modal keeps what a container says, so everything ends as if nobody had died.
"""

from functools import partial

import pytest

from .borders import When
from .conftest import Play, Theatre
from .modal_borders import BORDERS, ModalBorder
from .modal_stage import ModalStage, open_modal_stage
from .programs import LASTING, SHORT, SLOW_BROAD
from .stage import OVER_NONCES_S, POLICY

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHENS: tuple[When, When] = ("before", "after")
CLAIMED = "The attempt is claimed."


async def live_on(stage: ModalStage) -> None:
    """One more life, until everything is over, at Modal too."""
    await stage.start()
    await stage.up_again()
    await stage.all_over()
    await stage.calls_end()
    await stage.deploy()


async def die_there(stage: ModalStage, border: ModalBorder, when: When, long_downtime: bool) -> None:
    """Two runs and a death at the border, then a life that brings everything to its end."""
    await border.arm(stage, when, "victim.py")
    await stage.up_again()
    await stage.submit("companion", SLOW_BROAD)
    await stage.submit("victim", border.program)
    await stage.death(downtime_s=OVER_NONCES_S if long_downtime else 0.0)
    await live_on(stage)


def _plays(number: int, border: ModalBorder) -> list[Play]:
    return [
        Play(
            f"modal-{border.name}-{when}",
            partial(die_there, border=border, when=when, long_downtime=(number + late) % 2 == 0),
            POLICY,
            open_modal_stage,
        )
        for late, when in enumerate(WHENS)
    ]


@pytest.mark.parametrize("plays", [pytest.param(_plays(*one), id=one[1].name) for one in enumerate(BORDERS)])
async def test_a_kill_at_a_border_of_modals_changes_nothing(theatre: Theatre, plays: list[Play]) -> None:
    await theatre.see_all(plays)


# --- whole downtimes --------------------------------------------------------------------------------------------


async def died_in_the_middle(stage: ModalStage) -> None:
    """Killed while a program prints, back only when it has ended: all lines once, in order, and the verdict."""
    life = await stage.start()
    await stage.up_again()
    submission = await stage.submit("run1", LASTING)
    await stage.until(lambda: len(stage.room(submission)) > 1, "its first lines were to be seen")
    life.kill()
    await stage.death(downtime_s=20.0)
    await stage.calls_end()
    await live_on(stage)
    assert len(stage.calls("run1.py")) == 1


async def called_twice(stage: ModalStage) -> None:
    """Modal took the call, the answer never came and nobody remembers it: called again, executed once."""
    stage.modal.hold_containers()
    life = await stage.start()
    await stage.up_again()
    stage.order("FunctionMap", "after", lambda request: True, lambda request: life.kill())
    await stage.submit("run1", SHORT)
    await stage.death()
    await stage.start()
    await stage.up_again()
    await stage.modal.wait(lambda: len(stage.calls("run1.py")) == 2)
    stage.modal.release_containers()
    await stage.all_over()
    await stage.calls_end()
    await stage.deploy()
    logs = [call.container.log.text for call in stage.calls("run1.py") if call.container is not None]
    assert [CLAIMED in log for log in logs].count(True) == 1


@pytest.mark.parametrize("act", [died_in_the_middle, called_twice])
async def test_a_bot_that_is_away(theatre: Theatre, act: object) -> None:
    assert callable(act)
    await theatre.see(Play(f"modal-{act.__name__}", act, POLICY, open_modal_stage))
