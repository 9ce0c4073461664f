"""Calls: spawned, waited for, found again, cancelled."""

from __future__ import annotations

import asyncio

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from ..ids import timed_id
from ..model import Call
from ..options import merged, spoken
from .functions import deployed
from .registry import Caller, Rpcs, not_found

rpcs = Rpcs()
ENTRY = "1-0"
"""The entry id of a call's only output."""


@rpcs.answer("FunctionMap")
def function_map(caller: Caller, request: pb.FunctionMapRequest) -> pb.FunctionMapResponse:
    """One call with one input; the input comes with the request, as `spawn` and `remote` send it."""
    service, function = caller.service, deployed(caller, request.function_id)
    if len(request.pipelined_inputs) != 1:
        raise GRPCError(Status.UNIMPLEMENTED, "The sandbox takes calls with one input each")
    definition, given = function.deployed, request.pipelined_inputs[0].input
    assert definition is not None
    proto = merged(definition.proto, function.options)
    blob = service.blobs.content.get(given.args_blob_id, b"")
    call = Call(
        id=timed_id("fc"),
        input_id=timed_id("in"),
        function=function,
        input=given,
        invocation=request.function_call_invocation_type,
        args_size=len(given.args or blob),
        created_at=service.world.now(),
        gpu=spoken(proto),
        timeout_s=float(proto.timeout_secs),
    )
    service.scheduler.submit(call)
    return pb.FunctionMapResponse(
        function_call_id=call.id,
        pipelined_inputs=[pb.FunctionPutInputsResponseItem(idx=0, input_id=call.input_id, input_jwt=call.input_id)],
        function_call_jwt=call.id,
    )


@rpcs.answer("FunctionGetOutputs")
async def function_get_outputs(caller: Caller, request: pb.FunctionGetOutputsRequest) -> pb.FunctionGetOutputsResponse:
    """Hold the request until there is an output or its `timeout` is over.

    Where there is none, `num_unfinished_inputs` tells whether there will be one (1) or it is gone (0).
    """
    call, world = find(caller, request.function_call_id), caller.service.world
    if call.output is None and request.timeout > 0:
        try:
            async with asyncio.timeout(request.timeout):
                await call.over.wait()
        except TimeoutError:
            return pb.FunctionGetOutputsResponse(last_entry_id=request.last_entry_id, num_unfinished_inputs=1)
    if call.output is None:
        return pb.FunctionGetOutputsResponse(last_entry_id=request.last_entry_id, num_unfinished_inputs=1)
    if call.ended_at is not None and world.now() - call.ended_at > caller.service.policy.result_s:
        call.expired = True
    if call.expired or request.last_entry_id == ENTRY or request.start_idx > 0:
        return pb.FunctionGetOutputsResponse(last_entry_id=ENTRY, num_unfinished_inputs=0)
    if request.clear_on_success and call.status == "succeeded":
        call.expired = True
    return pb.FunctionGetOutputsResponse(idxs=[0], outputs=[call.output], last_entry_id=ENTRY, num_unfinished_inputs=0)


@rpcs.answer("FunctionCallFromId")
def function_call_from_id(caller: Caller, request: pb.FunctionCallFromIdRequest) -> pb.FunctionCallFromIdResponse:
    call = find(caller, request.function_call_id)
    return pb.FunctionCallFromIdResponse(
        function_call_id=call.id,
        num_inputs=1,
        metadata=pb.FunctionCallHandleMetadata(app_id=call.function.app.id, function_id=call.function.id),
    )


@rpcs.answer("FunctionCallCancel")
def function_call_cancel(caller: Caller, request: pb.FunctionCallCancelRequest) -> None:
    caller.service.scheduler.cancel(find(caller, request.function_call_id), request.terminate_containers)


def find(caller: Caller, call_id: str) -> Call:
    call = caller.service.world.calls.get(call_id)
    if call is None:
        raise not_found(f"Function call {call_id}")
    return call
