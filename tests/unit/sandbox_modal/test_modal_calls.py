"""Calls, from spawn to result: options, queueing, timeouts, cancellation, deaths, expiry."""

from __future__ import annotations

import json

import pytest
from handles import Jobs
from modal.exception import (
    ExecutionError,
    FunctionTimeoutError,
    InternalFailure,
    NotFoundError,
    OutputExpiredError,
    RemoteError,
)
from modal_proto import api_pb2


async def test_a_call_returns_what_its_function_does_in_a_container(jobs: Jobs) -> None:
    call = await jobs.spawn("about")
    found = json.loads(await call.get(timeout=30))
    container = jobs.of(call).container
    assert container is not None
    assert found == {
        "answer": 42,
        "image": "two words",
        "given": "by the server",
        "task": container.id,
        "environment": "main",
        "session": True,
        "stdin": "",
        "argv": [],
        "main": "__main__",
        "here": True,
        "notes": True,
    }
    assert container.block_network
    assert jobs.of(call).status == "succeeded"
    await jobs.server.wait(lambda: not container.alive)
    assert (container.exit_code, container.calls) == (0, [jobs.of(call)])
    assert container.folder is not None
    assert not container.folder.exists()


async def test_a_result_can_be_asked_for_again_and_by_its_id_alone(jobs: Jobs) -> None:
    call = await jobs.spawn("pid")
    found = jobs.known(call.object_id)
    assert await found.get(timeout=30) == await call.get(timeout=0)
    assert await found.num_inputs() == 1


async def test_a_call_with_options_is_of_a_function_of_its_own(jobs: Jobs) -> None:
    jobs.server.hold_containers()
    plain = await jobs.spawn("pid")
    large = await jobs.spawn("pid", on=jobs.function().with_options(gpu="H100:2", timeout=77))
    same = await jobs.spawn("pid", on=jobs.function().with_options(gpu="H100:2", timeout=77))
    other = await jobs.spawn("pid", on=jobs.function().with_options(gpu="t4"))
    found = [jobs.of(call) for call in (plain, large, same, other)]
    assert [(call.gpu, call.timeout_s) for call in found] == [("", 3600), ("H100:2", 77), ("H100:2", 77), ("T4", 3600)]
    assert len({call.function.id for call in found}) == 3
    assert found[1].function.base is found[0].function


async def test_what_is_waiting_and_running_is_counted(jobs: Jobs) -> None:
    function = jobs.function()
    running = await jobs.saying("hanging", "hang", on=function)
    jobs.server.hold_containers()
    waiting = await jobs.spawn("pid", on=function)
    stats = await function.get_current_stats()
    assert (stats.backlog, stats.num_running_inputs, stats.num_total_runners) == (1, 1, 1)
    assert [jobs.of(call).status for call in (running, waiting)] == ["running", "queued"]
    with pytest.raises(TimeoutError):
        await waiting.get(timeout=0)
    jobs.server.release_containers()
    await waiting.get(timeout=30)


async def test_calls_wait_for_a_gpu(jobs: Jobs) -> None:
    jobs.server.policy.gpus = 2
    function = jobs.function().with_options(gpu="B200:2")
    first = await jobs.saying("hanging", "hang", on=function)
    second = await jobs.spawn("pid", on=function)
    without = await jobs.spawn("pid")
    await without.get(timeout=30)
    assert jobs.of(second).status == "queued"
    await first.cancel(terminate_containers=True)
    await second.get(timeout=30)
    container = jobs.of(second).container
    assert container is not None
    assert (container.gpu, container.gpu_count) == ("B200", 2)


async def test_a_container_takes_input_after_input_unless_it_is_for_one(jobs: Jobs) -> None:
    often = jobs.function("run_often")
    pids = {await (await jobs.spawn("pid", on=often)).get(timeout=30) for _ in range(3)}
    assert len(pids) == 1
    assert len({await (await jobs.spawn("pid")).get(timeout=30) for _ in range(2)}) == 2


async def test_an_idle_container_goes_after_a_while(jobs: Jobs) -> None:
    jobs.server.policy.scaledown_s = 0.01
    call = await jobs.spawn("pid", on=jobs.function("run_often"))
    await call.get(timeout=30)
    container = jobs.of(call).container
    assert container is not None
    await jobs.server.wait(lambda: not container.alive)
    assert (container.exit_code, container.unwanted) == (0, "")


async def test_large_inputs_and_outputs_go_another_way(jobs: Jobs) -> None:
    call = await jobs.spawn("large", bytes=50_000, padding="z" * 50_000)
    assert len(await call.get(timeout=30)) == 50_000
    assert jobs.of(call).input.args_blob_id
    assert jobs.of(call).args_size > 50_000


async def test_a_failure_is_raised_at_the_caller(jobs: Jobs) -> None:
    restricted = await jobs.spawn("fail")
    with pytest.raises(RemoteError, match="this went wrong"):
        await restricted.get(timeout=30)
    pickled = await jobs.spawn("fail", on=jobs.function("run_often"))
    with pytest.raises(ValueError, match="this went wrong"):
        await pickled.get(timeout=30)
    assert jobs.of(restricted).status == jobs.of(pickled).status == "failed"


async def test_a_function_that_cannot_be_imported_fails_its_call(jobs: Jobs) -> None:
    call = await jobs.function(app="broken").spawn()
    with pytest.raises((ImportError, ExecutionError), match="libgpu"):
        await call.get(timeout=30)
    assert jobs.of(call).status == "init failure"
    assert "libgpu" in jobs.log(call)


async def test_a_container_that_takes_too_long_to_begin_is_given_up(jobs: Jobs) -> None:
    jobs.server.policy.cold_start_s = 3600
    call = await jobs.spawn("pid")
    (container,) = [one for one in jobs.server.containers if one.alive]
    assert container.timer is not None
    assert container.timer.when() > 0
    jobs.server.service.scheduler._give_up(container)
    assert await jobs.status(call) == "init failure"


async def test_the_timeout_kills_the_container(jobs: Jobs) -> None:
    call = await jobs.saying("hanging", "hang", on=jobs.function().with_options(timeout=1))
    with pytest.raises(FunctionTimeoutError, match="timeout of 1s"):
        await call.get(timeout=30)
    assert jobs.of(call).status == "timed out"
    await jobs.quiet()


async def test_a_call_is_ended_by_order(jobs: Jobs) -> None:
    late, unwanted = await jobs.saying("hanging", "hang"), await jobs.saying("hanging", "hang")
    jobs.server.time_out(late.object_id)
    jobs.server.cancel(unwanted.object_id)
    assert [await jobs.status(call) for call in (late, unwanted)] == ["timed out", "cancelled"]
    with pytest.raises(ValueError, match="timed out"):
        jobs.server.time_out(late.object_id)


async def test_a_gentle_cancel_lets_the_function_finish(jobs: Jobs) -> None:
    call = await jobs.saying("hanging", "hang")
    await call.cancel()
    assert await jobs.status(call) == "cancelled"
    container, found = jobs.of(call).container, jobs.of(call)
    assert container is not None and found.output is not None
    assert found.output.task_id == container.id
    await jobs.quiet()
    assert (container.unwanted, container.exit_code) == ("", 0)
    with pytest.raises(RemoteError):
        await call.get(timeout=0)


async def test_who_does_not_heed_a_cancel_is_killed(jobs: Jobs) -> None:
    call = await jobs.saying("hanging", "hang stubbornly")
    jobs.server.policy.cancel_grace_s = 0.3
    await call.cancel()
    assert await jobs.status(call) == "cancelled"
    await jobs.quiet()
    container = jobs.of(call).container
    assert container is not None
    assert (container.unwanted, container.exit_code) == ("cancelled", -9)
    assert "I will not" in jobs.log(call)


async def test_a_cancel_can_kill_at_once(jobs: Jobs) -> None:
    call = await jobs.saying("hanging", "hang")
    await call.cancel(terminate_containers=True)
    assert jobs.of(call).status == "cancelled"
    await jobs.quiet()
    assert "cancel" not in jobs.log(call)


async def test_a_waiting_call_is_cancelled_where_it_waits(jobs: Jobs) -> None:
    jobs.server.hold_containers()
    call = await jobs.spawn("pid")
    await call.cancel()
    assert jobs.of(call).status == "cancelled"
    assert jobs.of(call).containers == []
    assert jobs.server.service.scheduler.queue == []


async def test_a_container_on_its_way_for_a_cancelled_call_is_not_needed(jobs: Jobs) -> None:
    jobs.server.policy.cold_start_s = 3600
    call = await jobs.spawn("pid")
    (container,) = [one for one in jobs.server.containers if one.alive]
    await call.cancel()
    await jobs.server.wait(lambda: not container.alive)
    assert (container.unwanted, container.pid) == ("not needed", None)


async def test_a_killed_container_fails_its_call(jobs: Jobs) -> None:
    killed = await jobs.saying("hanging", "hang")
    jobs.server.kill_container(killed.object_id)
    with pytest.raises(InternalFailure):
        await killed.get(timeout=30)
    starved = await jobs.saying("hanging", "hang")
    jobs.server.kill_container(starved.object_id, out_of_memory=True)
    with pytest.raises(RemoteError, match="memory"):
        await starved.get(timeout=30)
    assert [jobs.of(call).status for call in (killed, starved)] == ["internal failure", "failed"]
    with pytest.raises(ValueError, match="failed"):
        jobs.server.kill_container(starved.object_id)


async def test_a_container_that_just_ends_fails_its_call(jobs: Jobs) -> None:
    call = await jobs.spawn("exit")
    with pytest.raises(RemoteError, match="exit code 3"):
        await call.get(timeout=30)


async def test_a_preempted_input_goes_to_another_container(jobs: Jobs) -> None:
    jobs.server.policy.reschedule = True
    call = await jobs.saying("won\nhanging", "claim and hang", key="preempted")
    found = jobs.of(call)
    jobs.server.kill_container(call.object_id)
    await jobs.server.wait(lambda: len(found.containers) == 2 and "lost\nhanging" in jobs.log(call))
    assert found.status == "running"
    assert "won\nhanging" in found.containers[0].log.text


async def test_a_result_expires(jobs: Jobs) -> None:
    jobs.server.hold_containers()
    call = await jobs.spawn("pid")
    with pytest.raises(ValueError, match="no result"):
        jobs.server.expire(call.object_id)
    jobs.server.release_containers()
    await call.get(timeout=30)
    jobs.server.expire(call.object_id)
    with pytest.raises(OutputExpiredError):
        await call.get(timeout=0)
    other = await jobs.spawn("pid")
    await other.get(timeout=30)
    jobs.server.world.forward(jobs.server.policy.result_s + 1)
    with pytest.raises(OutputExpiredError):
        await other.get(timeout=0)


async def test_a_result_fetched_to_be_cleared_is_gone(jobs: Jobs) -> None:
    call = await jobs.spawn("pid")
    request = api_pb2.FunctionGetOutputsRequest(function_call_id=call.object_id, timeout=30, clear_on_success=True)
    first = await jobs.client._stub.FunctionGetOutputs(request)
    second = await jobs.client._stub.FunctionGetOutputs(request)
    assert [len(first.outputs), len(second.outputs), second.num_unfinished_inputs] == [1, 0, 0]


async def test_calls_there_never_were_are_not_found(jobs: Jobs) -> None:
    unknown = jobs.known("fc-01ABCDEFGHJKMNPQRSTVWXYZ01")
    for ask in (unknown.get(timeout=0), unknown.cancel(), unknown.num_inputs()):
        with pytest.raises(NotFoundError):
            await ask


async def test_only_the_newest_output_of_a_container_is_kept(jobs: Jobs) -> None:
    jobs.server.policy.log_bytes = 1000
    call = await jobs.spawn("flood", bytes=200_000)
    await call.get(timeout=30)
    await jobs.quiet()
    container = jobs.of(call).container
    assert container is not None
    assert container.log.text == "x" * 992 + "the end\n"
    assert container.log.dropped == 200_008 - 1000


async def test_a_function_that_may_not_use_modal_cannot(jobs: Jobs) -> None:
    call = await jobs.spawn("claim", on=jobs.function("run_apart"), key="apart")
    with pytest.raises(Exception, match="may not use Modal"):
        await call.get(timeout=30)
    await (await jobs.spawn("pid", on=jobs.function("run_apart"))).get(timeout=30)
