"""Mounts: files by their hashes, put where they are missing, and lists of them."""

from __future__ import annotations

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from ..ids import new_id
from ..model import Mount
from .registry import Caller, Rpcs

rpcs = Rpcs()


@rpcs.answer("MountBatchedCheckExistence")
def mount_batched_check_existence(
    caller: Caller, request: pb.MountBatchedCheckExistenceRequest
) -> pb.MountBatchedCheckExistenceResponse:
    content = caller.service.files.content
    missing = [one for one in request.sha256_hex_hashes if one not in content]
    return pb.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)


@rpcs.answer("MountPutFile")
def mount_put_file(caller: Caller, request: pb.MountPutFileRequest) -> pb.MountPutFileResponse:
    service = caller.service
    if request.WhichOneof("data_oneof") is None:
        return pb.MountPutFileResponse(exists=request.sha256_hex in service.files.content)
    data = service.blobs.content.get(request.data_blob_id) if request.data_blob_id else request.data
    if data is None or not service.files.put(request.sha256_hex, data):
        raise GRPCError(Status.INVALID_ARGUMENT, "The file is not what its hash says")
    return pb.MountPutFileResponse(exists=True)


@rpcs.answer("MountGetOrCreate")
def mount_get_or_create(caller: Caller, request: pb.MountGetOrCreateRequest) -> pb.MountGetOrCreateResponse:
    """One of Modal's own, asked for by name (Python for an image), is there and empty."""
    service = caller.service
    if any(file.sha256_hex not in service.files.content for file in request.files):
        raise GRPCError(Status.FAILED_PRECONDITION, "A file of the mount was never put")
    mount = next(
        (one for one in service.world.mounts.values() if one.name and one.name == request.deployment_name), None
    )
    if mount is None or request.files:
        mount = Mount(id=new_id("mo"), files=list(request.files), name=request.deployment_name)
        service.world.mounts[mount.id] = mount
    return pb.MountGetOrCreateResponse(mount_id=mount.id, handle_metadata=pb.MountHandleMetadata())
