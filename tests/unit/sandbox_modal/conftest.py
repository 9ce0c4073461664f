"""One Modal for the folder, with the app deployed once; tests put its habits back as they were."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import modal_broken
import modal_jobs
import pytest
import pytest_asyncio
from handles import Jobs, connected, deploy

from cluster_sandbox.modal import ModalServer, Policy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "sandbox_modal" in item.path.parts:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared() -> AsyncIterator[Jobs]:
    async with ModalServer(environment={"GIVEN": "by the server"}) as server:
        await deploy(server, modal_jobs.app, modal_broken.app)
        async with connected(server) as client:
            yield Jobs(server, client)


@pytest_asyncio.fixture(loop_scope="session")
async def jobs(shared: Jobs) -> AsyncIterator[Jobs]:
    """The app of `modal_jobs.py`; nothing of it runs before or after a test."""
    yield shared
    server = shared.server
    for field in dataclasses.fields(Policy):
        setattr(server.policy, field.name, getattr(Policy(), field.name))
    server.faults.clear()
    for call in server.calls:
        server.service.scheduler.cancel(call, terminate=True)
    for container in server.containers:
        server.service.scheduler.end(container, "test over")
    server.release_containers()
    await shared.quiet()
