"""A stage for `/run modal`: the bot's runs are calls of our real app, in containers that are processes here.

Between the bot's lives a container goes on and reports to Modal's Queue. Modal's own record says what was called, the
programs' ledger what was executed.
"""

import json
import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from cluster_bot.launchers.modal_functions import Login
from cluster_bot.launchers.modal_functions.deploy import Deployment, deploy
from cluster_runner import wire
from cluster_sandbox.discord import DiscordServer, Policy
from cluster_sandbox.faults import Action, Fault
from cluster_sandbox.modal import Call, ModalServer
from cluster_sandbox.record import Request
from modal_machine import CREW, MACHINE

from .lives import Zygote
from .programs import read_ledger
from .stage import PATIENCE_S, POLICY, Stage, Submission


class ModalStage(Stage):
    """Made by `open_modal_stage`."""

    command = "run modal"
    given: ClassVar = {"gpu": "T4"}

    def __init__(self, server: DiscordServer, zygote: Zygote, folder: Path, modal: ModalServer) -> None:
        super().__init__(server, zygote, folder)
        self.modal = modal

    def launcher_settings(self) -> dict[str, str]:
        return {
            "MODAL_TOKEN_ID": self.modal.token_id,
            "MODAL_TOKEN_SECRET": self.modal.token_secret,
            "MODAL_SERVER_URL": self.modal.url,
        }

    # --- what is known ------------------------------------------------------------------------------------------

    def calls(self, file: str) -> list[Call]:
        """The calls that were made for a file, oldest first."""
        return [call for call in self.modal.calls if order_of(call.input.args).main == file]

    def attempts(self, file: str) -> set[str]:
        """What stands for the file's runs in the app's Dict and Queue."""
        orders = [order_of(call.input.args) for call in self.calls(file)]
        return {f"{one.run}-{one.attempt}" for one in orders}

    def report_more(self) -> list[str]:
        asked = [f"  {one.route} {one.query['caller']} {one.status} {one.error or ''}" for one in self.modal.transcript]
        calls = [f"  {one.id}: {one.status}" for one in self.modal.calls]
        logs = [f"  {line}" for one in self.modal.containers for line in one.log.text.splitlines()]
        noted = [f"  {tag}: begun {one.begun}, ended {one.ended}" for tag, one in read_ledger(self.ledger).items()]
        return [*noted, "Modal's calls:", *calls, "containers:", *logs[-25:], "Modal was asked:", *asked[-25:]]

    # --- what happens -------------------------------------------------------------------------------------------

    def order(self, rpc: str, when: str, match: Callable[[Request], bool], act: Action | None) -> Fault:
        """Let Modal do `act` when the bot asks for this, and never answer it."""
        return self.modal.fail(
            rpc,
            after=when == "after",
            match=lambda request: request.query["caller"] == "client" and match(request),
            action=act,
            drop_connection=True,
        )

    async def calls_end(self) -> None:
        """Wait until Modal has nothing left to do."""
        await self.modal.wait(lambda: all(call.output is not None for call in self.modal.calls), PATIENCE_S)

    def kill_runner(self, submission: Submission) -> None:
        """The stand-in ends what is its own."""


def order_of(arguments: bytes) -> wire.Payload:
    """The payload of a call, whose arguments this test's own bot pickled."""
    (order,), _ = pickle.loads(arguments)
    return wire.unpack(json.loads(order)["payload"])


@asynccontextmanager
async def open_modal_stage(zygote: Zygote, folder: Path, policy: Policy = POLICY) -> AsyncIterator[ModalStage]:
    """A stage with nothing on it yet."""
    folder.mkdir()
    # The ledger lies where only this test's own user can write.
    environment = {**MACHINE, "CLUSTER_SAME_USER": "always"}
    async with ModalServer(environment=environment, crew=CREW) as modal, DiscordServer(policy=policy) as server:
        login = Login(modal.token_id, modal.token_secret, "cluster-bot", server_url=modal.url)
        await deploy(login, Deployment("kill", "closed"), most_containers=None, quiet=True)
        stage = ModalStage(server, zygote, folder, modal)
        stage.ledger.touch()
        try:
            yield stage
        finally:
            await stage.close()
