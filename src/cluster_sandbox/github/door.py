"""Where the programs on runners' machines knock: to get the archive, to register, to be there.

GitHub does this at other addresses than its API, which it describes nowhere; so do we. A machine is connected as long
as its request for a session is open.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .fleet import FleetError
from .package import DOWNLOADS, Package
from .world import World

LISTENING = "Listening for Jobs"
OVER = "Runner listener exits: this runner is not registered any more."


class Door:
    def __init__(self, world: World, package: Package) -> None:
        self._world, self._fleet, self._package = world, world.fleet, package

    def add_routes(self, site: web.Application) -> None:
        """What is asked of the site itself, before a machine knows where else to go."""
        site.router.add_get(DOWNLOADS + "/{name}", self._download)
        site.router.add_post("/_actions/register", self._register)

    def application(self) -> web.Application:
        """What a configured machine asks; its handlers must be cancelled when it hangs up."""
        app = web.Application()
        app.router.add_post("/session", self._session)
        app.router.add_post("/remove", self._remove)
        return app

    async def _download(self, request: web.Request) -> web.Response:
        if "linux-x64" not in request.match_info["name"]:
            raise web.HTTPNotFound
        return web.Response(body=self._package.archive, content_type="application/gzip")

    async def _register(self, request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            level = self._fleet.check(_secret(request), "register")
            place = self._world.owner if level == "organization" else self._world.full_name
            if asked["path"].strip("/").lower() != place.lower():
                raise FleetError(404, "Not Found")
            machine = self._fleet.register(
                level,
                asked["name"],
                asked["labels"],
                asked["group"],
                ephemeral=asked["ephemeral"],
                replace=asked["replace"],
            )
        except FleetError as error:
            return _refused(error)
        settings, secret = self._package.settings(machine), {"secret": machine.secret}
        return web.json_response({"settings": settings, "credentials": secret})

    async def _remove(self, request: web.Request) -> web.Response:
        asked: dict[str, Any] = await request.json()
        try:
            level = self._fleet.check(_secret(request), "remove")
            machine = self._fleet.find(asked["id"])
            if machine is None or machine.level != level:
                raise FleetError(404, "Not Found")
            self._fleet.remove(machine)
        except FleetError as error:
            return _refused(error)
        return web.json_response({})

    async def _session(self, request: web.Request) -> web.StreamResponse:
        asked: dict[str, Any] = await request.json()
        try:
            machine, gone = self._fleet.connect(asked["id"], _secret(request), asked["version"])
        except FleetError as error:
            return _refused(error)
        answer = web.StreamResponse()
        try:
            await answer.prepare(request)
            await answer.write(f"{LISTENING}\n".encode())
            await gone.wait()
            await answer.write(f"{OVER}\n".encode())
        finally:
            self._fleet.disconnect(machine)
        return answer


def _secret(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("RemoteAuth ")


def _refused(error: FleetError) -> web.Response:
    return web.json_response({"message": str(error)}, status=error.status)
