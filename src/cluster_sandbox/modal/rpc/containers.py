"""What containers say and ask: inputs, outputs, heartbeats, failures to begin; and what clients ask about them."""

from __future__ import annotations

from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from ..containers import within
from .registry import Caller, Rpcs

rpcs = Rpcs(within=True)
MARGIN_S = 0.25
"""By how much a heartbeat is answered before its deadline."""


@rpcs.answer("ContainerHello")
def container_hello(caller: Caller, request: Any) -> None:
    caller.inside.told.clear()


@rpcs.answer("ContainerHeartbeat")
async def container_heartbeat(caller: Caller, request: Any) -> pb.ContainerHeartbeatResponse:
    """Hold the request until an input is cancelled or its deadline is near.

    A cancellation is said again with each heartbeat until the container has obeyed: one that comes before the container
    has taken the input in would be lost on it.
    """
    container = caller.inside
    patience = caller.remaining_s if caller.remaining_s is not None else caller.service.policy.heartbeat_s
    await within(max(0.0, patience - MARGIN_S), container.told)
    if container.call is not None and container.call.cancelling:
        return pb.ContainerHeartbeatResponse(
            cancel_input_event=pb.CancelInputEvent(input_ids=[container.call.input_id])
        )
    container.told.clear()
    return pb.ContainerHeartbeatResponse()


@rpcs.answer("FunctionGetInputs")
async def function_get_inputs(caller: Caller, request: pb.FunctionGetInputsRequest) -> pb.FunctionGetInputsResponse:
    """Hold the request until there is an input for the container, or it is to end."""
    call = await caller.service.scheduler.next_input(caller.inside)
    if call is None:
        return pb.FunctionGetInputsResponse(inputs=[pb.FunctionGetInputsItem(kill_switch=True)])
    item = pb.FunctionGetInputsItem(
        input_id=call.input_id,
        input=call.input,
        function_call_id=call.id,
        function_call_invocation_type=call.invocation,  # type: ignore[arg-type]
    )
    return pb.FunctionGetInputsResponse(inputs=[item])


@rpcs.answer("FunctionPutOutputs")
def function_put_outputs(caller: Caller, request: pb.FunctionPutOutputsRequest) -> None:
    for item in request.outputs:
        caller.service.scheduler.put_output(caller.inside, item)


@rpcs.answer("TaskResult")
def task_result(caller: Caller, request: pb.TaskResultRequest) -> None:
    """The function could not even be imported."""
    caller.inside.init_result = request.result


@rpcs.answer("ContainerStop")
def container_stop(caller: Caller, request: pb.ContainerStopRequest) -> pb.ContainerStopResponse:
    world, scheduler = caller.service.world, caller.service.scheduler
    container = world.containers.get(request.task_id)
    if container is None or caller.container not in (None, container):
        raise GRPCError(Status.NOT_FOUND, f"Container {request.task_id} not found")
    if request.graceful:
        scheduler.dismiss(container)
    else:
        scheduler.end(container, "stopped")
    return pb.ContainerStopResponse()


@rpcs.answer("TaskList")
def task_list(caller: Caller, request: pb.TaskListRequest) -> pb.TaskListResponse:
    found = [one for one in caller.service.world.containers.values() if one.alive]
    return pb.TaskListResponse(
        tasks=[
            pb.TaskStats(
                task_id=one.id,
                app_id=one.function.app.id,
                app_description=one.function.app.name,
                started_at=one.started_at or 0.0,
                enqueued_at=one.enqueued_at,
            )
            for one in found
            if request.app_id in ("", one.function.app.id)
        ]
    )
