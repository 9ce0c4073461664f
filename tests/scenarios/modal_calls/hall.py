"""The hall of `/run modal`: a Discord, a Modal that runs our app in containers, and the real bot between the two.

`halls` says what all halls have in common. A hall's Modal can be made to fail in every way that Modal does.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import halls
from cluster_bot.demo.modal import modal_settings
from cluster_bot.launchers.modal_functions import Login
from cluster_bot.launchers.modal_functions.deploy import Deployment, deploy
from cluster_sandbox.discord import DiscordServer
from cluster_sandbox.modal import Call, ModalServer
from halls import PATIENCE_S, Place
from modal_machine import CREW, MACHINE


class Hall(halls.Hall):
    """A bot at work, with an app of its own."""

    launcher: ClassVar = "modal"
    gpu: ClassVar = "T4"

    def __init__(self, server: DiscordServer, modal: ModalServer, folder: Path) -> None:
        super().__init__(server, folder)
        self.modal = modal

    async def deploy(self) -> None:
        """Put the app there, as an admin does."""
        login = Login(self.modal.token_id, self.modal.token_secret, "cluster-bot", server_url=self.modal.url)
        await deploy(login, Deployment("hall", "closed"), most_containers=None, quiet=True)

    async def hold(self, text: str, **how: Any) -> Place:
        """A run that is with its program and waits there."""
        place = await self.open(text, **how)
        await self.noted(place, "begin")
        return place

    def calls(self, place: Place) -> list[Call]:
        """Modal's calls for this run, in order."""
        run_id = self.run_row(place)[0].encode()
        wanted = [one for one in self.modal.world.dicts.values() if one.name.endswith("-claims")]
        named = {value for one in wanted for key, value in one.entries.items() if run_id in key}
        return [call for call in self.modal.calls if any(call.id.encode() in value for value in named)]

    async def call(self, place: Place, fits: Callable[[Call], Any] = lambda call: True) -> Call:
        """The first of them that fits, now or later."""
        await self.modal.wait(lambda: any(fits(call) for call in self.calls(place)), PATIENCE_S)
        return next(call for call in self.calls(place) if fits(call))


@asynccontextmanager
async def open_hall(settings: Mapping[str, str] | None = None, *, deployed: bool = True) -> AsyncIterator[Hall]:
    """A hall with its bot logged in."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-modal-"))
    try:
        folder.chmod(0o711)
        (folder / "ledgers").mkdir()
        (folder / "ledgers").chmod(0o711)
        async with DiscordServer() as server, ModalServer(environment=MACHINE, crew=CREW) as modal:
            hall = Hall(server, modal, folder)
            if deployed:
                await hall.deploy()
            async with hall.stack:
                await hall.begin({**modal_settings(modal), **(settings or {})})
                yield hall
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
