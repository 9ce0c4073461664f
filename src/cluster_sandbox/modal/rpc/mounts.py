"""Mounts: files by their hashes, put where they are missing, and lists of them."""

from __future__ import annotations

import hashlib

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from ..ids import new_id
from ..model import Mount
from .registry import Caller, Rpcs

rpcs = Rpcs()
OWN = "mo-ofModal"


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
    """One of Modal's own, asked for by its name (Python for an image, the client itself), is there and empty."""
    service = caller.service
    if request.deployment_name:
        if request.namespace != pb.DEPLOYMENT_NAMESPACE_GLOBAL:
            raise GRPCError(Status.UNIMPLEMENTED, "The sandbox has no mounts with names but Modal's own")
        mount_id = OWN + hashlib.sha256(request.deployment_name.encode()).hexdigest()[:15]
        return pb.MountGetOrCreateResponse(mount_id=mount_id, handle_metadata=pb.MountHandleMetadata())
    if any(file.sha256_hex not in service.files.content for file in request.files):
        raise GRPCError(Status.FAILED_PRECONDITION, "A file of the mount was never put")
    mount = Mount(id=new_id("mo"), files=list(request.files))
    service.world.mounts[mount.id] = mount
    return pb.MountGetOrCreateResponse(mount_id=mount.id, handle_metadata=pb.MountHandleMetadata())


def is_there(caller: Caller, mount_id: str) -> bool:
    """Modal's own are everywhere: a client asks for them once and takes them to the next server."""
    return mount_id.startswith(OWN) or mount_id in caller.service.world.mounts
