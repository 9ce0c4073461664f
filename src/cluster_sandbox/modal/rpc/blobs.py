"""Where to put and to fetch what is too large for a message."""

from __future__ import annotations

from modal_proto import api_pb2 as pb

from .registry import Caller, Rpcs, not_found

rpcs = Rpcs(within=True)


@rpcs.answer("BlobCreate")
def blob_create(caller: Caller, request: pb.BlobCreateRequest) -> pb.BlobCreateResponse:
    blobs = caller.service.blobs
    blob_id = blobs.new_id()
    url = f"{blobs.url}/{blob_id}"
    return pb.BlobCreateResponse(blob_ids=[blob_id], upload_urls=pb.UploadUrlList(items=[url]))


@rpcs.answer("BlobGet")
def blob_get(caller: Caller, request: pb.BlobGetRequest) -> pb.BlobGetResponse:
    blobs = caller.service.blobs
    if request.blob_id not in blobs.content:
        raise not_found(f"Blob {request.blob_id}")
    return pb.BlobGetResponse(download_url=f"{blobs.url}/{request.blob_id}")
