"""The same for `/run github`: SIGKILL at every named border of it, in both modes, while another run is under way.

With a public address a claim stands before each execution, so that a launch may be repeated: everything ends as if
nobody had died. Without one nothing is repeated that may have taken effect; where GitHub was never asked, no bot can
know that, and says so.
"""

from functools import partial

import pytest

from .borders import When
from .conftest import Play, Theatre
from .github_borders import BORDERS, DISPATCH, GithubBorder
from .github_stage import GithubStage, open_github_stage
from .programs import SHORT, SLOW_BROAD
from .stage import OVER_NONCES_S, PATIENCE_S, POLICY

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHENS: tuple[When, When] = ("before", "after")
# What a job's log says when it has won.
CLAIMED = "The attempt is claimed."
MODES = {True: "public", False: "alone"}


async def live_on(stage: GithubStage) -> None:
    """One more life, until everything is over, at GitHub too: a second job may not even try to execute anything."""
    await stage.start()
    await stage.up_again()
    await stage.all_over()
    await stage.jobs_end()
    await stage.deploy()


async def die_there(stage: GithubStage, border: GithubBorder, when: When, long_downtime: bool) -> None:
    """Two runs and a death at the border, then a life that brings everything to its end."""
    await border.arm(stage, when, "victim.py")
    await stage.up_again()
    await stage.submit("companion", SLOW_BROAD)
    await stage.submit("victim", border.program)
    await stage.death(downtime_s=OVER_NONCES_S if long_downtime else 0.0)
    await live_on(stage)


def _plays(number: int, border: GithubBorder) -> list[Play]:
    """Before and after, in each mode; of these every other death lasts longer than Discord remembers nonces."""
    plays = []
    for late, when in enumerate(WHENS):
        for public in border.modes:
            act = partial(die_there, border=border, when=when, long_downtime=(number + late + public) % 2 == 0)
            name = f"github-{border.name}-{when}-{MODES[public]}"
            plays.append(Play(name, act, POLICY, partial(open_github_stage, public=public)))
    return plays


@pytest.mark.parametrize("plays", [pytest.param(_plays(*one), id=one[1].name) for one in enumerate(BORDERS)])
async def test_a_kill_at_a_border_of_githubs_changes_nothing(theatre: Theatre, plays: list[Play]) -> None:
    await theatre.see_all(plays)


# --- answers that never come ------------------------------------------------------------------------------------


async def answer_lost(stage: GithubStage) -> None:
    """GitHub accepted and the answer never came: found by its title, not asked again."""
    await stage.start()
    await stage.up_again()
    stage.order(DISPATCH, "POST", "after", lambda request: True, None)
    await stage.submit("run1", SHORT)
    await stage.all_over()
    await stage.deploy()
    assert len(stage.jobs("run1.py")) == 1


async def listed_late(stage: GithubStage) -> None:
    """And GitHub does not list it either: it is asked again, two jobs run, and one of them executes."""
    stage.github.hold_listing()
    stage.github.hold_runners()
    await stage.start()
    await stage.up_again()
    stage.order(DISPATCH, "POST", "after", lambda request: True, None)
    submission = await stage.submit("run1", SHORT)
    await stage.github.wait_run(lambda _: len(stage.github.runs) > 1, PATIENCE_S)
    stage.github.release_listing()
    stage.github.release_runners()
    await stage.all_over()
    await stage.jobs_end()
    await stage.deploy()
    jobs = stage.jobs("run1.py")
    winners = [one for one in jobs if one.job is not None and CLAIMED in one.job.log_text]
    assert (len(jobs), len(winners)) == (2, 1)
    # Whichever it was: that one is what people are sent to.
    assert f"/runs/{winners[0].id}>" in stage.room(submission)[0].content


async def never_listed(stage: GithubStage) -> None:
    """And GitHub does not list it either: nobody can know, so that is said, and nothing is done again, ever."""
    stage.github.hold_listing()
    stage.hidden.add("run1.py")
    await stage.start()
    await stage.up_again()
    stage.order(DISPATCH, "POST", "after", lambda request: True, None)
    await stage.submit("run1", SHORT)
    await stage.all_over()
    await stage.jobs_end()
    stage.github.release_listing()
    # The next run makes the bot look at the list in which the first one is by now.
    await stage.submit("run2", SHORT)
    await stage.all_over()
    await stage.deploy()
    await live_on(stage)
    assert [len(stage.jobs(name)) for name in ("run1.py", "run2.py")] == [1, 1]


def _answer_plays() -> list[Play]:
    acts = [(answer_lost, True), (answer_lost, False), (listed_late, True), (never_listed, False)]
    return [
        Play(
            f"{act.__name__.replace('_', '-')}-{MODES[public]}", act, POLICY, partial(open_github_stage, public=public)
        )
        for act, public in acts
    ]


@pytest.mark.parametrize("play", _answer_plays(), ids=str)
async def test_an_answer_that_never_comes(theatre: Theatre, play: Play) -> None:
    await theatre.see(play)
