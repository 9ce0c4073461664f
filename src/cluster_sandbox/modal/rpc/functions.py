"""Functions: created by a deployment, looked up by name, bound to options, counted."""

from __future__ import annotations

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from ..ids import new_id
from ..model import Definition, Function
from ..options import merged, spoken, unbuilt
from . import apps, mounts
from .registry import Caller, Rpcs, not_found

rpcs = Rpcs()


@rpcs.answer("FunctionPrecreate")
def function_precreate(caller: Caller, request: pb.FunctionPrecreateRequest) -> pb.FunctionPrecreateResponse:
    app = apps.find(caller, request.app_id)
    function = caller.service.world.functions.get(request.existing_function_id)
    if function is None:
        function = Function(id=new_id("fu"), app=app, name=request.function_name, metadata=pb.FunctionHandleMetadata())
        caller.service.world.functions[function.id] = function
    metadata = pb.FunctionHandleMetadata()
    metadata.CopyFrom(function.metadata)
    _describe(metadata, function, request)
    if function.published is None:
        function.metadata = metadata
    return pb.FunctionPrecreateResponse(function_id=function.id, handle_metadata=metadata)


def _describe(
    metadata: pb.FunctionHandleMetadata,
    function: Function,
    told: pb.FunctionPrecreateRequest | pb.Function | pb.FunctionData,
) -> None:
    metadata.function_name, metadata.app_id = function.name, function.app.id
    metadata.function_type = told.function_type
    metadata.function_schema.CopyFrom(told.function_schema)
    metadata.ClearField("supported_input_formats")
    metadata.ClearField("supported_output_formats")
    metadata.supported_input_formats.extend(told.supported_input_formats)
    metadata.supported_output_formats.extend(told.supported_output_formats)


@rpcs.answer("FunctionCreate")
def function_create(caller: Caller, request: pb.FunctionCreateRequest) -> pb.FunctionCreateResponse:
    """Take a definition down; it is in force once the app is published."""
    function = caller.service.world.functions.get(request.existing_function_id)
    if function is None:
        raise not_found(f"Function {request.existing_function_id}")
    proto, gpus = request.function, [spoken(request.function)]
    if request.HasField("function_data"):
        ranked = sorted(request.function_data.ranked_functions, key=lambda one: one.rank)
        proto, gpus = ranked[0].function, [spoken(one.function) for one in ranked]
    _refuse_unbuilt(proto)
    if lost := [one for one in proto.mount_ids if not mounts.is_there(caller, one)]:
        raise not_found(f"Mount {lost[0]}")
    if proto.image_id not in caller.service.world.images:
        raise not_found(f"Image {proto.image_id}")
    function.created = Definition(id=new_id("de"), proto=proto, gpus=tuple(filter(None, gpus)))
    metadata = pb.FunctionHandleMetadata(definition_id=function.created.id)
    _describe(metadata, function, proto)
    function.metadata = metadata
    return pb.FunctionCreateResponse(
        function_id=function.id, function=proto, handle_metadata=metadata, function_data=_data(proto)
    )


def _refuse_unbuilt(proto: pb.Function) -> None:
    if missing := unbuilt(proto):
        raise GRPCError(Status.UNIMPLEMENTED, f"The sandbox has no {', '.join(missing)}")


def _data(proto: pb.Function) -> pb.FunctionData:
    """A definition as lookups show it."""
    return pb.FunctionData(
        module_name=proto.module_name,
        function_name=proto.function_name,
        function_type=proto.function_type,
        timeout_secs=proto.timeout_secs,
        untrusted=proto.untrusted,
        supported_input_formats=proto.supported_input_formats,
        supported_output_formats=proto.supported_output_formats,
        ranked_functions=[pb.FunctionData.RankedFunction(rank=0, function=proto)],
    )


@rpcs.answer("FunctionGet")
def function_get(caller: Caller, request: pb.FunctionGetRequest) -> pb.FunctionGetResponse:
    app = caller.service.world.app_named(request.app_name, request.environment_name)
    if app is None or app.state != "deployed":
        raise not_found(f"App '{request.app_name}'")
    function = app.functions.get(request.object_tag)
    if function is None or function.published is None:
        raise not_found(f"Function '{request.object_tag}' of app '{request.app_name}'")
    return pb.FunctionGetResponse(
        function_id=function.id, handle_metadata=function.metadata, function=_data(function.published.proto)
    )


@rpcs.answer("FunctionGetById")
def function_get_by_id(caller: Caller, request: pb.FunctionGetByIdRequest) -> pb.FunctionGetByIdResponse:
    function = deployed(caller, request.function_id)
    assert function.deployed is not None
    data = _data(merged(function.deployed.proto, function.options))
    return pb.FunctionGetByIdResponse(function=data, handle_metadata=function.metadata)


@rpcs.answer("FunctionBindParams")
def function_bind_params(caller: Caller, request: pb.FunctionBindParamsRequest) -> pb.FunctionBindParamsResponse:
    """A function with these options: the same one for the same options."""
    world, base = caller.service.world, deployed(caller, request.function_id)
    if request.serialized_params:
        raise GRPCError(Status.UNIMPLEMENTED, "The sandbox has no classes")
    assert base.deployed is not None
    _refuse_unbuilt(merged(base.deployed.proto, request.function_options))
    key = (base.id, request.function_options.SerializeToString(deterministic=True))
    if key not in world.bound:
        metadata = pb.FunctionHandleMetadata()
        metadata.CopyFrom(base.metadata)
        metadata.base_function_id = base.id
        bound = Function(
            id=new_id("fu"),
            app=base.app,
            name=base.name,
            metadata=metadata,
            base=base.base or base,
            options=request.function_options,
        )
        world.functions[bound.id] = world.bound[key] = bound
    bound = world.bound[key]
    return pb.FunctionBindParamsResponse(bound_function_id=bound.id, handle_metadata=bound.metadata)


@rpcs.answer("FunctionGetCurrentStats")
def function_get_current_stats(caller: Caller, request: pb.FunctionGetCurrentStatsRequest) -> pb.FunctionStats:
    """Of this function alone: one with options has its own inputs and containers."""
    function = deployed(caller, request.function_id)
    living = [one for one in function.containers if one.alive]
    return pb.FunctionStats(
        backlog=sum(call.function is function for call in caller.service.scheduler.queue),
        num_total_tasks=len(living),
        num_running_inputs=sum(one.call is not None for one in living),
    )


def deployed(caller: Caller, function_id: str) -> Function:
    """A function that can be called; NOT_FOUND for any other."""
    function = caller.service.world.functions.get(function_id)
    if function is None or function.deployed is None or function.app.state != "deployed":
        raise not_found(f"Function {function_id}")
    return function
