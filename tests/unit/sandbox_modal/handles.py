"""Short ways to a server's client, functions and calls: the real modal client, natively in the tests' own loop."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import modal
from modal._functions import _Function, _FunctionCall
from modal.client import _Client
from modal_proto import api_pb2

from cluster_sandbox.modal import Call, ModalServer


def credentials(server: ModalServer) -> tuple[str, int, tuple[str, str]]:
    return server.url, api_pb2.CLIENT_TYPE_CLIENT, (server.token_id, server.token_secret)


@asynccontextmanager
async def connected(server: ModalServer) -> AsyncIterator[_Client]:
    async with _Client(*credentials(server)) as client:  # type: ignore[arg-type]
        yield client


async def deploy(server: ModalServer, *apps: modal.App) -> None:
    async with modal.Client(*credentials(server)) as client:  # type: ignore[arg-type]
        for app in apps:
            await app.deploy.aio(client=client)


class Jobs:
    """The app of `modal_jobs.py` on a server."""

    def __init__(self, server: ModalServer, client: _Client) -> None:
        self.server, self.client = server, client

    def function(self, name: str = "run", app: str = "jobs") -> _Function[..., Any, Any]:
        return _Function.from_name(app, name, client=self.client)

    async def spawn(self, do: str, *, on: _Function[..., Any, Any] | None = None, **more: Any) -> _FunctionCall[Any]:
        return await (on or self.function()).spawn(json.dumps({"do": do, **more}))

    def known(self, call_id: str) -> _FunctionCall[Any]:
        """A call by its id alone. `_FunctionCall.from_id` gives one of the client's own thread, even to natives."""
        return _FunctionCall._new_hydrated(call_id, self.client, None)

    def of(self, call: _FunctionCall[Any]) -> Call:
        return self.server.call(call.object_id)

    def log(self, call: _FunctionCall[Any]) -> str:
        container = self.of(call).container
        return container.log.text if container else ""

    async def saying(self, words: str, do: str, *, times: int = 1, **more: Any) -> _FunctionCall[Any]:
        """A call whose container has said that, so many times."""
        call = await self.spawn(do, **more)
        await self.server.wait(lambda: self.log(call).count(words) >= times, what=f"that the container says {words!r}")
        return call

    async def status(self, call: _FunctionCall[Any]) -> str:
        """How a call ended, once it has."""
        await self.server.wait(lambda: self.of(call).output, what="the end of the call")
        return self.of(call).status

    async def quiet(self) -> None:
        """Return once no container lives."""
        await self.server.wait(
            lambda: not any(one.alive for one in self.server.containers), what="the last container's end"
        )


def processes_in(folder: Path | str) -> list[int]:
    """Those whose first environment names the folder, or whatever the words are."""
    found = []
    for entry in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", entry.name):
            try:
                if os.fsencode(folder) in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
