"""Who the bot is, where the gateway is, other users, direct conversations."""

from __future__ import annotations

from ..errors import form_error
from ..model import Json
from .route import Call, Routes

routes = Routes()


@routes("GET", "/gateway", auth=False)
def gateway(call: Call) -> Json:
    return {"url": call.service.gateway.url}


@routes("GET", "/gateway/bot")
def gateway_bot(call: Call) -> Json:
    limit = {"total": 1000, "remaining": 1000, "reset_after": 86_400_000, "max_concurrency": 1}
    return {"url": call.service.gateway.url, "shards": 1, "session_start_limit": limit}


@routes("GET", "/users/@me")
def me(call: Call) -> Json:
    return call.service.payloads.me()


@routes("GET", "/users/{user_id}")
def user(call: Call) -> Json:
    return call.service.payloads.user(call.service.world.user(call.id("user_id")))


@routes("POST", "/users/@me/channels")
def open_direct(call: Call) -> Json:
    world = call.service.world
    recipient = str(call.json.get("recipient_id", ""))
    if not recipient.isdigit():
        raise form_error("recipient_id", "NUMBER_TYPE_COERCE", f'Value "{recipient}" is not snowflake.')
    return call.service.payloads.channel(world.direct_channel(world.user(int(recipient))))


@routes("GET", "/oauth2/applications/@me")
def oauth2_application(call: Call) -> Json:
    return call.service.payloads.application()


@routes("GET", "/applications/@me")
def application(call: Call) -> Json:
    return call.service.payloads.application()
