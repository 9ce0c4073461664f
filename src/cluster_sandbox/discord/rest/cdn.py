"""Files by their signed address."""

from __future__ import annotations

from .route import Answer, Call, Routes

routes = Routes()
GONE = b"This content is no longer available."
# A page may be served beside these files: what a program wrote must never run as a page of this address.
INERT = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}


@routes("GET", "/cdn/attachments/{channel_id}/{attachment_id}/{filename}", auth=False, limit="none")
@routes("GET", "/cdn/ephemeral-attachments/{channel_id}/{attachment_id}/{filename}", auth=False, limit="none")
def fetch(call: Call) -> Answer:
    found = call.service.cdn.fetch(call.id("attachment_id"), call.request.query)
    if found is None:
        return Answer(404, GONE, content_type="text/plain", headers=INERT)
    return Answer(200, found.data, content_type=found.content_type, headers=INERT)
