"""The control API's second half: where the application is, who comes and goes, what admins take away. Below /sandbox.

`control.py` has the client, which is also the description of the routes; `control_api.py` serves them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .guard import Handler
from .model import Json
from .options import CommandError

if TYPE_CHECKING:
    from .server import DiscordServer

Body = Callable[[web.Request], Awaitable[Json]]


class AdminApi:
    """`body` reads a request's JSON."""

    def __init__(self, server: DiscordServer, body: Body) -> None:
        self._server = server
        self._body = body

    def routes(self) -> list[tuple[str, str, Handler]]:
        member, thread = "/sandbox/members/{name}", "/sandbox/threads/{id}"
        return [
            ("POST", member + "/guild", self._guild),
            ("POST", member + "/roles", self._roles),
            ("POST", member + "/installation", self._installation),
            ("POST", member + "/dm", self._direct),
            ("POST", "/sandbox/guilds", self._add_guild),
            ("POST", "/sandbox/groups", self._add_group),
            ("POST", thread, self._change_thread),
            ("DELETE", thread, self._delete_thread),
            ("DELETE", "/sandbox/messages/{channel_id}/{id}", self._delete_message),
        ]

    async def _guild(self, request: web.Request) -> Json:
        data, member = await self._body(request), self._server.member(request.match_info["name"])
        act = self._server.admin.rejoin if data["joined"] else self._server.admin.kick
        act(member, guild_id=data.get("guild_id"))
        return {}

    async def _roles(self, request: web.Request) -> Json:
        data, member = await self._body(request), self._server.member(request.match_info["name"])
        admin, guild_id = self._server.admin, data.get("guild_id")
        for name in data.get("take", ()):
            admin.take_role(member, name, guild_id=guild_id)
        given = {
            name: str(admin.give_role(member, name, data.get("permissions", ()), guild_id=guild_id))
            for name in data.get("give", ())
        }
        return {"roles": given}

    async def _installation(self, request: web.Request) -> Json:
        data = await self._body(request)
        self._server.member(request.match_info["name"]).install(installed=bool(data["installed"]))
        return {}

    async def _direct(self, request: web.Request) -> Json:
        data, member = await self._body(request), self._server.member(request.match_info["name"])
        if "closed" in data:
            member.close_dms(closed=bool(data["closed"]))
        return {"channel_id": str(member.dm)}

    async def _add_guild(self, request: web.Request) -> Json:
        data = await self._body(request)
        names = tuple(map(str, data.get("channels", ())))
        guild_id = self._server.add_guild(data["name"], *names, bot=bool(data.get("bot", True)))
        made = {name: str(self._server.channel_id(name, guild_id=guild_id)) for name in names}
        return {"guild_id": str(guild_id), "channels": made}

    async def _add_group(self, request: web.Request) -> Json:
        data = await self._body(request)
        people: list[Any] = [self._server.member(name) for name in data["members"]]
        return {"channel_id": str(self._server.add_group(*people))}

    async def _change_thread(self, request: web.Request) -> Json:
        data, thread_id = await self._body(request), int(request.match_info["id"])
        thread = self._server.channel(thread_id).thread
        if thread is None:
            raise CommandError(f"{thread_id} is no thread")
        archived, locked = data.get("archived", thread.archived), data.get("locked", thread.locked)
        self._server.admin.change_thread(thread_id, archived=bool(archived), locked=bool(locked))
        return {}

    async def _delete_thread(self, request: web.Request) -> Json:
        self._server.admin.delete_thread(request.match_info["id"])
        return {}

    async def _delete_message(self, request: web.Request) -> Json:
        self._server.admin.delete_message(request.match_info["channel_id"], request.match_info["id"])
        return {}
