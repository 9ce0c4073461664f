"""Request bodies: JSON, or multipart with `payload_json` and `files[n]`."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import BodyPartReader, web

from ..errors import api_error, form_error
from ..limits import Upload
from ..policy import Policy

FILE_FIELD = re.compile(r"^files\[(\d+)\]$")


async def read_body(request: web.Request, policy: Policy) -> tuple[Any, dict[int, Upload]]:
    """The JSON part and the files of a request; 40005 when larger than a request may be."""
    if not request.can_read_body:
        return None, {}
    if (request.content_length or 0) > policy.request_bytes:
        raise api_error("entity_too_large")
    if request.content_type.startswith("multipart/"):
        return await _read_multipart(request, policy)
    raw = await request.content.read(policy.request_bytes + 1)
    while not request.content.at_eof() and len(raw) <= policy.request_bytes:
        raw += await request.content.read(policy.request_bytes + 1 - len(raw))
    if len(raw) > policy.request_bytes:
        raise api_error("entity_too_large")
    if not raw:
        return None, {}
    if request.content_type != "application/json":
        message = 'Expected "Content-Type" header to be one of {"application/json", "multipart/form-data"}.'
        raise form_error("_", "CONTENT_TYPE_INVALID", message)
    return _parse(raw), {}


async def _read_multipart(request: web.Request, policy: Policy) -> tuple[Any, dict[int, Upload]]:
    body: Any = None
    files: dict[int, Upload] = {}
    total = 0
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            continue
        data = bytes(await part.read(decode=True))
        total += len(data)
        if total > policy.request_bytes:
            raise api_error("entity_too_large")
        field = FILE_FIELD.match(part.name or "")
        if part.name == "payload_json":
            body = _parse(data)
        elif field is not None:
            kind = part.headers.get("Content-Type", "application/octet-stream")
            files[int(field[1])] = Upload(part.filename or "unknown", data, kind)
    return body, files


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise api_error("bad_json") from None
