"""Reads what strangers send: no more than was agreed, no longer than it may take, and nothing that unfolds.

Used by `ingest`. The server is told not to decompress (`server`), so what is counted is what came.
"""

import asyncio

from aiohttp import web

from cluster_bot.web.answers import RefusedError


async def read_body(request: web.Request, most_bytes: int, within_s: float) -> bytes:
    """The body, whole; raises RefusedError: 400 where it breaks off or is compressed, 413 too large, 503 too slow."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise RefusedError(400, "The body is compressed; send it plain.")
    # Before a byte of it is read; a chunked one does not say.
    if (request.content_length or 0) > most_bytes:
        raise _too_large(most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most_bytes:
                    raise _too_large(most_bytes)
    except TimeoutError:
        raise RefusedError(503, "The body did not come in time; send it again.", after_s=1) from None
    except (web.RequestPayloadError, ConnectionError):
        # In the latter case nobody hears it.
        raise RefusedError(400, "The body broke off, or its chunks are none.") from None
    return bytes(body)


def _too_large(most_bytes: int) -> RefusedError:
    return RefusedError(413, f"The body is larger than {most_bytes} bytes.")
