"""The control API: what a test does with the server object, over HTTP, for other processes. Below /sandbox.

`control.py` has the client, which is also the description of the routes; `guard.py` says who may call.
"""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from ..faults import Fault
from .admin_api import AdminApi
from .guard import Handler, guarded
from .members import Acting
from .model import Json
from .options import File
from .views import channel_view, event_view, interaction_view, message_view, request_view

if TYPE_CHECKING:
    from .server import DiscordServer

FILE_FIELD = re.compile(r"^files\[([^\[\]]{1,100})\]$")
LONGEST_WAIT_S = 60.0
FAULT_FIELDS = (
    "method",
    "route",
    "times",
    "skip",
    "when",
    "status",
    "headers",
    "body",
    "drop_connection",
    "latency",
)


class ControlApi:
    def __init__(self, server: DiscordServer) -> None:
        self._server = server

    def add_routes(self, app: web.Application) -> None:
        member = "/sandbox/members/{name}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/sandbox", self._about),
            ("POST", member, self._member),
            ("GET", member + "/commands", self._offered),
            ("POST", member + "/commands", self._command),
            ("GET", member + "/menu", self._menu),
            ("POST", member + "/context", self._context),
            ("POST", member + "/autocomplete", self._autocomplete),
            ("POST", member + "/presses", self._press),
            ("POST", member + "/modals", self._modal),
            ("POST", member + "/says", self._say),
            ("POST", member + "/threads", self._thread),
            ("POST", member + "/posts", self._post),
            ("GET", "/sandbox/interactions/{id}", self._interaction),
            ("GET", "/sandbox/events", self._events),
            ("GET", "/sandbox/record", self._record),
            ("GET", "/sandbox/channels", self._channels),
            ("POST", "/sandbox/channels", self._add_channel),
            ("POST", "/sandbox/permissions", self._permissions),
            ("GET", "/sandbox/messages", self._messages),
            ("GET", "/sandbox/attachments/{message_id}/{n}", self._attachment),
            ("GET", "/sandbox/faults", self._faults),
            ("POST", "/sandbox/faults", self._add_fault),
            ("DELETE", "/sandbox/faults", self._clear_faults),
            ("GET", "/sandbox/clock", self._clock),
            ("POST", "/sandbox/clock", self._advance),
            ("GET", "/sandbox/commands", self._wait_command),
            ("GET", "/sandbox/gateway", self._gateway),
            ("POST", "/sandbox/gateway", self._drop),
            *AdminApi(self._server, _body).routes(),
        ]
        for method, path, handler in table:
            app.router.add_route(method, path, guarded(handler, lambda: self._server.url))

    # --- about --------------------------------------------------------------------------------------

    async def _about(self, request: web.Request) -> Json:
        server = self._server
        return {
            "url": server.url,
            "api_url": server.api_url,
            "gateway_url": server.gateway_url,
            "cdn_url": server.cdn_url,
            "bot_token": server.bot_token,
            "application_id": str(server.application_id),
            "bot_user_id": str(server.bot_user_id),
            "guild_id": str(server.guild_id),
        }

    # --- acting -------------------------------------------------------------------------------------

    def _acting(self, request: web.Request) -> Acting:
        return self._server.member(request.match_info["name"])

    async def _member(self, request: web.Request) -> Json:
        data = await _body(request)
        acting = self._server.member(
            request.match_info["name"],
            administrator=bool(data.get("administrator", False)),
            permissions=data.get("permissions", ()),
        )
        return {"name": acting.name, "user_id": str(acting.user_id)}

    async def _offered(self, request: web.Request) -> list[str]:
        return self._acting(request).commands(request.query["channel_id"])

    async def _command(self, request: web.Request) -> Json:
        data = await _body(request)
        opened = await self._acting(request).command(
            data["command"], channel_id=data["channel_id"], options=_options(data)
        )
        return interaction_view(opened, self._server.service.payloads)

    async def _menu(self, request: web.Request) -> list[str]:
        query = request.query
        found = self._acting(request).menu(query["message_id"], channel_id=query["channel_id"])
        return sorted(one["name"] for one in found)

    async def _context(self, request: web.Request) -> Json:
        data = await _body(request)
        opened = await self._acting(request).context(data["command"], data["message_id"], channel_id=data["channel_id"])
        return interaction_view(opened, self._server.service.payloads)

    async def _autocomplete(self, request: web.Request) -> list[Json]:
        data = await _body(request)
        return await self._acting(request).autocomplete(
            data["command"],
            channel_id=data["channel_id"],
            focused=data["focused"],
            value=data.get("value", ""),
            options=_options(data),
        )

    async def _press(self, request: web.Request) -> Json:
        data = await _body(request)
        opened = await self._acting(request).press(
            data["message_id"],
            channel_id=data["channel_id"],
            custom_id=data.get("custom_id"),
            label=data.get("label"),
            values=data.get("values"),
        )
        return interaction_view(opened, self._server.service.payloads)

    async def _modal(self, request: web.Request) -> Json:
        data = await _body(request)
        opened = self._server.service.interactions.get(int(data["interaction_id"]))
        if opened is None:
            raise ValueError(f"no interaction {data['interaction_id']}")
        sent = await self._acting(request).submit(opened, _files_in(data.get("fields")))
        return interaction_view(sent, self._server.service.payloads)

    async def _say(self, request: web.Request) -> Json:
        data = await _body(request)
        message = await self._acting(request).say(data["channel_id"], data["content"])
        return message_view(message, self._server.service.payloads)

    async def _thread(self, request: web.Request) -> Json:
        data = await _body(request)
        owner = self._acting(request)
        return {"id": str(self._server.start_thread(data["channel_id"], data["name"], owner=owner))}

    async def _post(self, request: web.Request) -> Json:
        data = await _body(request)
        owner = self._acting(request)
        return {"id": str(self._server.start_post(data["forum_id"], data["title"], data["text"], owner=owner))}

    # --- looking ------------------------------------------------------------------------------------

    async def _interaction(self, request: web.Request) -> Json:
        """The interaction now, or after `wait` (acknowledged, answered) or `timeout` seconds, what comes first."""
        found = self._server.service.interactions.get(int(request.match_info["id"]))
        if found is None:
            raise ValueError(f"no interaction {request.match_info['id']}")
        wait, timeout = request.query.get("wait"), _seconds(request, "timeout", 10.0)
        if wait not in (None, "acknowledged", "answered"):
            raise ValueError(f"wait is acknowledged or answered, not {wait!r}")
        if wait is not None:
            with suppress(TimeoutError):  # the state says so
                await (found.acknowledged(timeout) if wait == "acknowledged" else found.answered(timeout))
        return interaction_view(found, self._server.service.payloads)

    async def _events(self, request: web.Request) -> list[Json]:
        wait = _seconds(request, "wait", 0.0)
        found = await self._server.service.log.wait_after(int(request.query.get("after", 0)), wait)
        return [event_view(event) for event in found]

    async def _record(self, request: web.Request) -> list[Json]:
        after = int(request.query.get("after", 0))
        return [request_view(one) for one in self._server.record[after:]]

    async def _channels(self, request: web.Request) -> list[Json]:
        return [channel_view(one) for one in self._server.service.world.channels.values()]

    async def _messages(self, request: web.Request) -> list[Json]:
        payloads = self._server.service.payloads
        return [message_view(one, payloads) for one in self._server.messages(request.query["channel_id"])]

    async def _attachment(self, request: web.Request) -> web.Response:
        message = self._server.message(request.match_info["message_id"])
        n = int(request.match_info["n"])
        if n >= len(message.attachments):
            raise ValueError(f"message {message.id} has {len(message.attachments)} files")
        return web.Response(body=message.attachments[n].data, content_type="application/octet-stream")

    # --- arranging ----------------------------------------------------------------------------------

    async def _add_channel(self, request: web.Request) -> Json:
        data = await _body(request)
        guild_id = int(data["guild_id"]) if data.get("guild_id") else None
        return {"id": str(self._server.add_channel(data["name"], data.get("kind", "text"), guild_id=guild_id))}

    async def _permissions(self, request: web.Request) -> Json:
        data = await _body(request)
        self._server.deny(data["channel_id"], *data.get("deny", ()))
        self._server.allow(data["channel_id"], *data.get("allow", ()))
        return {}

    async def _faults(self, request: web.Request) -> list[Json]:
        return [_fault_view(one) for one in self._server.faults.pending]

    async def _add_fault(self, request: web.Request) -> Json:
        data = await _body(request)
        unknown = set(data) - set(FAULT_FIELDS)
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}; it has {', '.join(FAULT_FIELDS)}")
        return _fault_view(self._server.faults.add(Fault(**data)))

    async def _clear_faults(self, request: web.Request) -> Json:
        self._server.faults.clear()
        return {}

    async def _clock(self, request: web.Request) -> Json:
        return {"now": self._server.clock.now()}

    async def _advance(self, request: web.Request) -> Json:
        self._server.clock.advance(float((await _body(request))["advance"]))
        return await self._clock(request)

    async def _wait_command(self, request: web.Request) -> Json:
        try:
            await self._server.wait_command(request.query["name"], _seconds(request, "wait", 10.0))
        except TimeoutError:
            return {"registered": False}
        return {"registered": True}

    async def _gateway(self, request: web.Request) -> Json:
        """The state of the gateway; with `wait` seconds, once a bot is ready or they have passed."""
        gateway = self._server.gateway
        wait = _seconds(request, "wait", 0.0)
        if wait > 0:
            with suppress(TimeoutError):  # `ready` says so
                await gateway.wait_ready(wait)
        return {
            "ready": gateway.ready.is_set(),
            "connections": gateway.connections,
            "sessions": gateway.sessions,
            "logins": gateway.logins,
        }

    async def _drop(self, request: web.Request) -> Json:
        data = await _body(request)
        if data.get("hard", False):
            self._server.gateway.disconnect_hard()
        else:
            self._server.gateway.drop(resumable=bool(data.get("resumable", True)))
        return {}


def _seconds(request: web.Request, name: str, default: float) -> float:
    return min(float(request.query.get(name, default)), LONGEST_WAIT_S)


async def _body(request: web.Request) -> Json:
    """JSON, or multipart with `payload_json` and `files[NAME]`, which become that option's File, or that field's."""
    if not request.content_type.startswith("multipart/"):
        data = await request.json() if request.can_read_body else {}
        if not isinstance(data, dict):
            raise ValueError("the body must be a JSON object")
        return data
    data = {}
    files: Json = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        assert isinstance(part, BodyPartReader)
        content = bytes(await part.read(decode=True))
        field = FILE_FIELD.match(part.name or "")
        if part.name == "payload_json":
            data = json.loads(content)
        elif field:
            files.setdefault(field[1], []).append(File(part.filename or field[1], content))
        else:
            raise ValueError(f"unexpected part {part.name!r}; there are payload_json and files[NAME]")
    one_each = {name: found[0] for name, found in files.items()}
    return {
        **data,
        "options": {**data.get("options", {}), **one_each},
        "fields": {**data.get("fields", {}), **files},
    }


def _options(data: Json) -> Json:
    return _files_in(data.get("options"))


def _files_in(values: Json | None) -> Json:
    """Options or fields with `{"filename", "base64"}`, alone or in lists, turned into files."""
    return {
        name: [_value(one) for one in value] if isinstance(value, list) else _value(value)
        for name, value in (values or {}).items()
    }


def _value(value: Any) -> Any:
    return File(value["filename"], base64.b64decode(value["base64"])) if isinstance(value, dict) else value


def _fault_view(fault: Fault) -> Json:
    return {**{name: getattr(fault, name) for name in FAULT_FIELDS}, "hits": fault.hits}
