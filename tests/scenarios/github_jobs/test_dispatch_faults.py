"""A dispatch that goes wrong: what is told, and that nothing is executed twice."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from cluster_bot.runs.run import Status
from halls import Place, plain
from job_programs import HOLDING, SHORT

from .conftest import Halls
from .hall import DISPATCH, LIST, Hall

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _refused(hall: Hall, place: Place, sentence: str) -> None:
    await hall.ends(place, Status.FAILED, "github refused to start it", sentence)
    assert place.ledger.begun == 0


async def test_an_error_after_the_dispatch_took_effect(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        hall.fault(method="POST", route=DISPATCH, when="after", status=500 if hall.live else 503)
        await hall.succeeds_once(await hall.open(SHORT))

    await halls.both(play)


async def test_an_error_after_it_took_effect_and_the_run_is_listed_late(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        hall.fault(method="POST", route=DISPATCH, when="after", status=502)
        hall.github.hold_listing()
        # Not over before it is listed: where runners report, nobody would look for it any more.
        place = await hall.hold(HOLDING)
        for _ in range(2):
            await hall.asked(LIST)
        hall.github.release_listing()
        place.ledger.go()
        await hall.succeeds_once(place)

    await halls.both(play)


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of GitHub's, and the status it is told with."""

    kind: str
    status: int

    def order(self, hall: Hall, method: str, route: str, lasts_s: int = 2) -> None:
        """Have the next such request refused for it."""
        if self.kind == "primary":
            hall.github.limit_primary(method=method, route=route, status=self.status, reset_s=lasts_s)
        else:
            hall.github.limit_secondary(method=method, route=route, status=self.status, retry_after_s=lasts_s)


LIMITS = [Limit(kind, status) for kind in ("primary", "secondary") for status in (403, 429)]
# Each limit in one of the halls: what a limit is does not depend on who reports.
IN_BOTH = [
    pytest.param(*pair, id="+".join(f"{one.kind}-{one.status}" for one in pair)) for pair in (LIMITS[:2], LIMITS[2:])
]


@pytest.mark.parametrize(("here", "there"), IN_BOTH)
async def test_a_limit_on_dispatch_is_told_and_waited_for(halls: Halls, here: Limit, there: Limit) -> None:
    async def play(hall: Hall) -> None:
        (here if hall.live else there).order(hall, "POST", DISPATCH)
        place = await hall.open(SHORT)
        told = await hall.says(place, "GitHub's limit is used up; it lets us ask again at ")
        assert re.search(r"⏳ \*\*Queued\*\* .* ask again at \d\d:\d\d UTC", plain(told.content))
        await hall.succeeds_once(place)

    await halls.both(play)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda one: f"{one.kind}-{one.status}")
async def test_a_limit_on_looking_is_told_and_delays_no_more_than_that(halls: Halls, limit: Limit) -> None:
    hall = halls.late
    place = await hall.hold(HOLDING)
    # Long enough for people to be told, however busy the machine.
    limit.order(hall, "GET", LIST, lasts_s=4)
    await hall.says(place, "GitHub's limit is used up; it lets us ask again at ")
    place.ledger.go()
    await hall.succeeds_once(place)


async def test_a_run_that_is_listed_late_is_followed_by_its_id(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        hall.github.hold_listing()
        await hall.succeeds_once(await hall.open(SHORT))
        hall.github.release_listing()

    await halls.both(play)


UNUSABLE = {
    "NOWHERE": "GitHub knows no nowhere.yml in gpu-club/kernels, or hides it from the bot's token",
    "UNASKED": "GitHub refused the workflow unasked.yml on main (Workflow does not have 'workflow_dispatch'",
    "BROKEN": "GitHub refused the workflow broken.yml on main (failed to parse workflow",
    "STRANGE": "GitHub could not start the workflow; an admin should look at the workflow file.",
}


async def test_a_workflow_file_that_can_not_be_used(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        places = {gpu: await hall.open(SHORT, gpu=gpu) for gpu in UNUSABLE}
        for gpu, place in places.items():
            await _refused(hall, place, UNUSABLE[gpu])

    await halls.both(play)


async def test_a_token_without_rights_and_one_that_is_no_more(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        tokens, token = hall.github.service.tokens, hall.github.token
        tokens[token].write = False
        await _refused(hall, await hall.open(SHORT), "the bot's token may not start workflows of gpu-club/kernels")
        known = tokens.pop(token)
        await _refused(hall, await hall.open(SHORT), "GitHub does not accept the bot's token; an admin should renew")
        known.write = True
        tokens[token] = known
        await hall.succeeds_once(await hall.open(SHORT))

    await halls.both(play)


async def test_an_unknown_gpu_is_refused_in_private_and_nothing_is_dispatched(halls: Halls) -> None:
    async def play(hall: Hall) -> None:
        before, known = hall.dispatches(), hall.query("SELECT COUNT(*) FROM runs")
        answered = await (await hall.give(SHORT, gpu="MARS")).answered()
        assert answered.ephemeral
        assert answered.content.startswith("`/run github` has no such GPU; choose one of `NVIDIA`, ")
        assert (hall.dispatches(), hall.query("SELECT COUNT(*) FROM runs")) == (before, known)

    await halls.both(play)
