"""The state of one workspace: apps, images, mounts, calls, containers, dicts, queues, and the bell for who watches.

Held by `service.py`; found by name and id here, changed by the RPCs and by `scheduler.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..pulse import Pulse
from .model import App, Call, Container, Dictionary, Function, Image, Mount, Queue


class World:
    """`environment`: the one there is from the start, and meant where none is named."""

    def __init__(self, environment: str = "main") -> None:
        self.pulse = Pulse()
        self.main = environment
        self.environments = {environment}
        self.apps: dict[str, App] = {}
        self.functions: dict[str, Function] = {}
        self.bound: dict[tuple[str, bytes], Function] = {}
        """Functions with options, by the id of their base and the options."""
        self.images: dict[str, Image] = {}
        self.mounts: dict[str, Mount] = {}
        self.calls: dict[str, Call] = {}
        self.inputs: dict[str, Call] = {}
        """Calls by the id of their input."""
        self.containers: dict[str, Container] = {}
        self.dicts: dict[str, Dictionary] = {}
        self.queues: dict[str, Queue] = {}
        self._ahead = 0.0

    def now(self) -> float:
        """Unix seconds by the server's clock."""
        return time.time() + self._ahead

    def forward(self, seconds: float) -> None:
        """Move the clock that results and queues expire by; timeouts of containers do not hear of it."""
        self._ahead += seconds
        self.changed()

    def changed(self) -> None:
        self.pulse.ring()

    async def wait(self, predicate: Callable[[], object], patience_s: float, what: str = "it") -> None:
        """Return once the predicate holds; TimeoutError after `patience_s`."""
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    version = self.pulse.version
                    if predicate():
                        return
                    await self.pulse.after(version)
        except TimeoutError:
            calls = ", ".join(f"{call.id}: {call.status}" for call in self.calls.values())
            raise TimeoutError(f"{what} did not happen within {patience_s:g} s; calls: {calls or 'none'}") from None

    def environment(self, name: str) -> str:
        return name or self.main

    def app_named(self, name: str, environment: str) -> App | None:
        """The app of that name that is not stopped; the newest, should there be several."""
        found = None
        for app in self.apps.values():
            if (app.name, app.environment) == (name, self.environment(environment)) and app.state != "stopped":
                found = app
        return found

    def dict_named(self, name: str, environment: str) -> Dictionary | None:
        """The dict of that name; None where there is none."""
        wanted = (name, self.environment(environment))
        return next((one for one in self.dicts.values() if (one.name, one.environment) == wanted), None)

    def queue_named(self, name: str, environment: str) -> Queue | None:
        """The queue of that name; None where there is none."""
        wanted = (name, self.environment(environment))
        return next((one for one in self.queues.values() if (one.name, one.environment) == wanted), None)
