"""The token a request brings; whoever of this room asks for one compares it in constant time."""

from aiohttp import hdrs, web


def bearer_of(request: web.Request) -> str:
    """The token, "" where there is none or more than one."""
    given = request.headers.getall(hdrs.AUTHORIZATION, [])
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""
