"""What GitHub tells by itself: it brings an end at once, it can't be forged, and nothing depends on it."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from cluster_bot.runs.run import Status
from cluster_sandbox.faults import Fault
from cluster_sandbox.github import Run
from cluster_sandbox.github.events import payload
from cluster_sandbox.github.webhooks import DeliveryFault, signatures
from halls import Place
from job_programs import HOLDING, SHORT

from .hall import LIST, Hall, open_hall

pytestmark = pytest.mark.asyncio(loop_scope="module")

GONE = "lost communication"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall() -> AsyncIterator[Hall]:
    async with open_hall(live=True, told=True) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lied_about(hall: Hall) -> Place:
    """A run that is under way, whatever is said of it."""
    return await hall.hold(HOLDING)


@pytest.fixture(autouse=True)
def on_a_good_day(hall: Hall) -> None:
    hall.github.webhooks.faults.clear()
    for machine in hall.github.machines:
        machine.online = True


def lose(hall: Hall, place: Place) -> Run:
    """Let the machine die, of which nobody but GitHub can tell."""
    (job,) = hall.jobs(place)
    hall.github.lose(job.id)
    return job


def looks(hall: Hall) -> int:
    """How many looks at all runs GitHub has answered."""
    return sum(one.route == LIST and one.status in (200, 304) for one in hall.github.requests)


async def test_an_end_is_told_and_no_look_is_needed(hall: Hall) -> None:
    place = await hall.hold(HOLDING)
    away = hall.github.faults.add(Fault(route=LIST, status=503, times=None))
    before = looks(hall)
    lose(hall, place)
    await hall.ends(place, Status.LOST)
    # One may have been under way, which saw the run running.
    assert looks(hall) <= before + 1
    hall.github.faults.pending.remove(away)


async def test_late_twice_and_in_another_order_they_change_nothing(hall: Hall) -> None:
    hall.github.webhooks.faults.append(DeliveryFault(times=None, copies=3))
    hall.github.webhooks.hold()
    first, second = await hall.open(SHORT), await hall.hold(HOLDING)
    await hall.succeeds_once(first)
    hall.github.webhooks.release("reversed")
    await hall.github.webhooks.settled()
    second.ledger.go()
    await hall.succeeds_once(second)


@pytest.mark.slow
async def test_all_lost_the_next_look_tells(hall: Hall) -> None:
    hall.github.webhooks.faults.append(DeliveryFault(times=None, lost=True))
    told, silent = await hall.hold(HOLDING), await hall.hold(HOLDING)
    told.ledger.go()
    await hall.succeeds_once(told)
    before = looks(hall)
    lose(hall, silent)
    await hall.ends(silent, Status.LOST)
    # One may have been under way when it happened, and there may be more until the grace for an outcome is over.
    assert before < looks(hall) <= before + 4


# --- those that are no delivery of GitHub's -----------------------------------------------------------------------


def claim(hall: Hall, place: Place, conclusion: str = "failure") -> bytes:
    """A delivery as GitHub would make it, that the run is over."""
    (job,) = hall.jobs(place)
    hook = next(iter(hall.github.webhooks.hooks.values()))
    told = payload(hall.github.world, hook, "workflow_run", "completed", job)
    told["workflow_run"] |= {"status": "completed", "conclusion": conclusion}
    return json.dumps(told).encode()


async def send(hall: Hall, body: bytes, headers: dict[str, str]) -> int:
    """The status it is answered with, 0 for none."""
    given = {"X-GitHub-Event": "workflow_run", "Content-Type": "application/json", **headers}
    async with aiohttp.ClientSession() as session:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(hall.webhook, data=io.BytesIO(body), headers=given) as answer:
                return answer.status
    return 0


def tampered(hall: Hall, body: bytes) -> dict[str, tuple[bytes, Any, set[int]]]:
    """By what was done to it: the bytes, the headers, and what may be the answer."""
    good = dict(signatures(hall.secret, body))
    huge = body + b" " * 2**20
    return {
        "unsigned": (body, {}, {403}),
        "forged": (body, dict(signatures("a guess", body)), {403}),
        "sha1 alone": (body, {"X-Hub-Signature": good["X-Hub-Signature"]}, {403}),
        "of another body": (body.replace(b"failure", b"success"), good, {403}),
        "truncated": (body[:-20], good, {403}),
        "truncated and signed": (body[:-20], dict(signatures(hall.secret, body[:-20])), {400}),
        # The answer may come while the rest is still being sent.
        "oversized": (huge, dict(signatures(hall.secret, huge)), {413, 0}),
    }


@pytest.mark.parametrize(
    "what",
    ["unsigned", "forged", "sha1 alone", "of another body", "truncated", "truncated and signed", "oversized"],
)
async def test_what_is_not_githubs_is_refused_and_the_run_goes_on(hall: Hall, lied_about: Place, what: str) -> None:
    body, headers, statuses = tampered(hall, claim(hall, lied_about))[what]
    assert await send(hall, body, headers) in statuses
    assert hall.run_row(lied_about)[1] == "running"


async def test_the_run_they_lied_about_succeeds(hall: Hall, lied_about: Place) -> None:
    lied_about.ledger.go()
    await hall.succeeds_once(lied_about)


async def test_what_was_taken_is_refused_when_it_comes_again(hall: Hall) -> None:
    first = await hall.open(SHORT)
    await hall.succeeds_once(first)
    body = claim(hall, first, "success")
    headers = dict(signatures(hall.secret, body))
    assert await send(hall, body, headers) == 202
    assert [await send(hall, body, {**headers, "X-GitHub-Delivery": str(n)}) for n in range(2)] == [409, 409]
    await hall.succeeds_once(first)


async def test_a_true_end_of_an_old_run_is_no_end_of_another(hall: Hall) -> None:
    over, place = await hall.open(SHORT), await hall.hold(HOLDING)
    await hall.succeeds_once(over)
    body = claim(hall, over)
    assert await send(hall, body, dict(signatures(hall.secret, body))) == 202
    place.ledger.go()
    await hall.succeeds_once(place)
