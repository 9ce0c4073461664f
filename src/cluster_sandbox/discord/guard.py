"""The door of everything that acts for a member: only programs and pages of this machine may come in.

A web page elsewhere that a browser here shows could otherwise have `/run` execute its code, so a foreign Host (a name
that was made to point here) or Origin (a page that calls across) is refused. Used by the control API and the page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from .errors import ApiError
from .members import NoAnswerError

Handler = Callable[[web.Request], Awaitable[Any]]


def is_foreign(request: web.Request, url: str) -> bool:
    """Whether a request came under another name than ours, `url`, or from another site's page."""
    own = url.removeprefix("http://")
    local = own.replace("127.0.0.1", "localhost")
    origin = request.headers.get("Origin")
    return request.host not in (own, local) or (
        origin is not None and origin.removeprefix("http://") not in (own, local)
    )


def guarded(handler: Handler, url: Callable[[], str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """`handler` behind the door; what it returns becomes JSON, what it refuses a sentence under `error`."""

    async def behind_the_door(request: web.Request) -> web.StreamResponse:
        if is_foreign(request, url()):
            return web.json_response({"error": "only programs on this machine may do that"}, status=403)
        try:
            result = await handler(request)
        except ApiError as error:
            return web.json_response({"error": str(error), **error.body()}, status=error.status)
        except NoAnswerError as error:
            return web.json_response({"error": str(error)}, status=504)
        except (KeyError, TypeError, ValueError) as error:
            # What the caller sent does not fit: a border, and the caller needs the sentence.
            text = f"missing {error}" if isinstance(error, KeyError) else str(error)
            return web.json_response({"error": text}, status=400)
        return result if isinstance(result, web.StreamResponse) else web.json_response(result)

    return behind_the_door
