"""Images: every definition is taken down and counts as built at once; nothing is built."""

from __future__ import annotations

import hashlib

from modal_proto import api_pb2 as pb

from ..model import Image
from .registry import Caller, Rpcs, not_found

rpcs = Rpcs()


@rpcs.answer("ImageGetOrCreate")
def image_get_or_create(caller: Caller, request: pb.ImageGetOrCreateRequest) -> pb.ImageGetOrCreateResponse:
    """The same definition is the same image, unless its build failed."""
    service = caller.service
    text = request.image.SerializeToString(deterministic=True) + request.builder_version.encode()
    image_id = f"im-{hashlib.sha256(text).hexdigest()[:22]}"
    if image_id not in service.world.images or request.force_build:
        if lost := [one.image_id for one in request.image.base_images if one.image_id not in service.world.images]:
            raise not_found(f"Image {lost[0]}")
        bases = [service.world.images[base.image_id] for base in request.image.base_images]
        service.world.images[image_id] = Image(
            id=image_id,
            definition=request.image,
            bases=bases,
            builder_version=request.builder_version,
            context=service.world.mounts.get(request.image.context_mount_id),
        )
    image = service.world.images[image_id]
    image.error = service.build_errors.pop(0) if service.build_errors else ""
    service.world.changed()
    return pb.ImageGetOrCreateResponse(image_id=image_id, result=_result(image), metadata=_metadata(image))


@rpcs.answer("ImageJoinStreaming")
def image_join_streaming(caller: Caller, request: pb.ImageJoinStreamingRequest) -> list[pb.ImageJoinStreamingResponse]:
    image = caller.service.world.images.get(request.image_id)
    if image is None:
        raise not_found(f"Image {request.image_id}")
    return [pb.ImageJoinStreamingResponse(result=_result(image), metadata=_metadata(image), eof=True)]


def _result(image: Image) -> pb.GenericResult:
    if image.error:
        return pb.GenericResult(status=pb.GenericResult.GENERIC_STATUS_FAILURE, exception=image.error)
    return pb.GenericResult(status=pb.GenericResult.GENERIC_STATUS_SUCCESS)


def _metadata(image: Image) -> pb.ImageMetadata:
    return pb.ImageMetadata(image_builder_version=image.builder_version)
