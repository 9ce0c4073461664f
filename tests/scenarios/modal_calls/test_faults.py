"""Everything of Modal's that goes wrong: the sentence that the member reads, and that nothing is executed twice."""

from __future__ import annotations

import json
import pickle

import pytest

from cluster_bot.runs.run import Status
from cluster_sandbox.record import Request
from job_programs import HOLDING, SHORT

from .hall import Hall, open_hall

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_APP = "the bot's app is not deployed at Modal; an admin can do that with `cluster-bot modal deploy`"
NO_TOKEN = "Modal does not accept this bot's token; an admin can make a new one at modal.com/settings/tokens"


async def test_an_app_that_is_not_there_and_then_is() -> None:
    async with open_hall(deployed=False) as hall:
        place = await hall.open(SHORT)
        await hall.ends(place, Status.FAILED, "modal refused to start it", NO_APP)
        await hall.deploy()
        again = await hall.open(SHORT)
        await hall.ends(again, Status.SUCCEEDED)
        hall.modal.stop_app("cluster-bot")
        # What the bot found out a moment ago is not true any more.
        stopped = await hall.open(SHORT)
        await hall.ends(stopped, Status.FAILED, NO_APP)
        assert (place.ledger.begun, again.ledger.begun, stopped.ledger.begun) == (0, 1, 0)


async def test_a_token_that_is_revoked_while_a_program_runs() -> None:
    async with open_hall() as hall:
        running = await hall.hold(HOLDING)
        await hall.says(running, "before")
        hall.modal.revoke_token()
        refused = await hall.open(SHORT, gpu="L4")
        await hall.ends(refused, Status.FAILED, NO_TOKEN)
        # Nobody knows how it is, so nobody says that it is over.
        assert hall.run_row(running)[1] == "running"
        hall.modal.service.tokens.revoked = False
        running.ledger.go()
        await hall.ends(running, Status.SUCCEEDED)
        assert hall.lines(running) == ["before", "after"]


async def test_an_exhausted_quota_is_waited_for(hall: Hall) -> None:
    fault = hall.modal.refuse_calls(times=1)
    place = await hall.open(SHORT)
    await hall.says(place, "Modal's limit for this account is reached (Workspace spend limit reached)")
    await hall.ends(place, Status.SUCCEEDED)
    assert fault.spent
    assert place.ledger.begun == 1
    # Of the attempt that was refused nobody has asked.
    asked = {one.body.partition_key.decode() for one in hall.modal.transcript if one.route == "QueueNextItems"}
    run_id, _, attempt = hall.run_row(place)
    assert {one for one in asked if one.startswith(run_id)} == {f"{run_id}-{attempt}"} == {f"{run_id}-2"}


@pytest.mark.parametrize(
    ("out_of_memory", "status", "words"),
    [
        (False, Status.LOST, "Modal lost the container, or ended it"),
        (True, Status.FAILED, "took more memory than"),
    ],
)
async def test_a_container_that_modal_kills(hall: Hall, out_of_memory: bool, status: Status, words: str) -> None:
    place = await hall.hold(HOLDING)
    await hall.says(place, "before")
    call = await hall.call(place, lambda call: call.status == "running")
    hall.modal.kill_container(call.id, out_of_memory=out_of_memory)
    await hall.ends(place, status, words)
    assert hall.lines(place) == ["before"]
    assert place.ledger.begun == 1


async def test_a_container_that_modal_starts_again_executes_nothing(hall: Hall) -> None:
    hall.modal.policy.reschedule = True
    try:
        place = await hall.hold(HOLDING)
        call = await hall.call(place, lambda call: call.status == "running")
        hall.modal.kill_container(call.id)
        await hall.ends(place, Status.LOST)
        await hall.modal.wait(lambda: call.output is not None)
    finally:
        hall.modal.policy.reschedule = False
    assert len(call.containers) == 2
    assert "another runner's" in call.containers[1].log.text
    assert place.ledger.begun == 1


async def test_a_result_that_expired_while_the_bot_was_away(hall: Hall) -> None:
    place = await hall.hold(HOLDING)
    call = await hall.call(place)

    def meanwhile() -> None:
        hall.modal.kill_container(call.id)

    await hall.stack.aclose()
    meanwhile()
    await hall.modal.wait(lambda: call.output is not None)
    hall.modal.expire(call.id)
    await hall.restart()
    await hall.ends(place, Status.LOST, "Modal keeps the result of this call no longer")


async def test_a_call_that_somebody_cancels_at_modal(hall: Hall) -> None:
    hall.modal.hold_containers()
    try:
        place = await hall.open(SHORT)
        await hall.says(place, "waits for a container")
        call = await hall.call(place)
        hall.modal.cancel(call.id)
        await hall.ends(place, Status.CANCELLED, "somebody stopped it where it ran")
    finally:
        hall.modal.release_containers()
    assert place.ledger.begun == 0


async def test_a_container_whose_time_at_modal_is_over(hall: Hall) -> None:
    place = await hall.hold(HOLDING)
    call = await hall.call(place, lambda call: call.status == "running")
    hall.modal.time_out(call.id)
    await hall.ends(place, Status.TIMED_OUT, "Modal's own limit for the container was over")


async def test_an_app_of_another_version_says_what_to_do(hall: Hall) -> None:
    def make_newer(request: Request) -> None:
        one = request.body.pipelined_inputs[0].input
        (order,), named = pickle.loads(one.args)
        one.args = pickle.dumps(((json.dumps({**json.loads(order), "v": 99}),), named))

    hall.modal.fail("FunctionMap", status=None, action=make_newer)
    place = await hall.open(SHORT)
    await hall.ends(place, Status.FAILED, "The order is of another version; deploy the app of this bot's version.")
    assert place.ledger.begun == 0


async def test_an_outage_is_waited_out(hall: Hall) -> None:
    place = await hall.hold(HOLDING)
    fault = hall.modal.fail("FunctionGetOutputs", times=None)
    fault.route, fault.match = None, lambda request: request.query["caller"] == "client"
    try:
        asked, unasked = await hall.open(SHORT), await hall.open(SHORT, gpu="L40S")
        # Of this one nothing can have been started, and that is said.
        await hall.says(unasked, "Modal can't be reached")
        place.ledger.go()
    finally:
        hall.modal.faults.clear()
    for one in (place, asked, unasked):
        await hall.ends(one, Status.SUCCEEDED)
        assert one.ledger.begun == 1
