"""What the web side answers: JSON, also where it refuses, in one sentence, and where it fails, in a neutral one.

Used by every module of this room; `in_json` wraps all routes. Limits: what is no HTTP at all is answered by aiohttp.
"""

from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler

from cluster_bot.errors import ClusterBotError, UnknownRunError
from cluster_bot.log import get_logger

log = get_logger(__name__)

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "cluster-bot"}


class RefusedError(ClusterBotError):
    """A request that gets no more than a sentence.

    `after_s` is when to ask again, where that helps; `facts` stand beside the sentence.
    """

    def __init__(self, status: int, sentence: str, *, after_s: int | None = None, **facts: int) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.after_s = after_s
        self.facts = facts


def refusal(refused: RefusedError) -> web.Response:
    """The answer to who is refused."""
    answer = web.json_response({"error": refused.sentence, **refused.facts}, status=refused.status)
    if refused.after_s is not None:
        answer.headers["Retry-After"] = str(refused.after_s)
    if refused.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


@web.middleware
async def in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every request in JSON, whatever becomes of it."""
    try:
        answer = await handler(request)
    except RefusedError as refused:
        answer = refusal(refused)
    except UnknownRunError:
        answer = refusal(RefusedError(404, "There is no such run."))
    except web.HTTPException as error:
        # aiohttp's own: no such path, or not with this method.
        answer = refusal(RefusedError(error.status, _SENTENCES.get(error.status, f"{error.reason}.")))
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
    except Exception:
        # The border: whoever asked learns a number to give to an admin, the log gets the rest.
        reference = uuid4().hex[:8]
        facts = {"action": "request_failed", "reference": reference, "path": request.path}
        log.exception("request failed", extra=facts)
        answer = refusal(RefusedError(500, f"The bot failed (reference {reference}); try again.", after_s=5))
    answer.headers.update(_HEADERS)
    return answer


_SENTENCES = {404: "There is nothing here.", 405: "This can't be asked that way."}
