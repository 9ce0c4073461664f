"""A Modal for the tests that need one, and a login to it."""

from collections.abc import AsyncIterator

import pytest

from cluster_bot.launchers.modal_functions import Login
from cluster_sandbox.modal import ModalServer
from modal_machine import CREW, MACHINE


@pytest.fixture
async def server() -> AsyncIterator[ModalServer]:
    async with ModalServer(environment=MACHINE, crew=CREW) as opened:
        yield opened


@pytest.fixture
def login(server: ModalServer) -> Login:
    return Login(server.token_id, server.token_secret, "cluster-bot", server_url=server.url)
