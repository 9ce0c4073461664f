"""Containers as processes: forked or new, nothing survives its container, its server, or its server's death."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import modal_jobs
import pytest
import pytest_asyncio
from handles import Jobs, connected, deploy, processes_in

from cluster_sandbox.modal import ModalServer

BESIDE = Path(__file__).parent


@pytest_asyncio.fixture(params=["forked", "new"], loop_scope="session")
async def own(request: pytest.FixtureRequest) -> AsyncIterator[Jobs]:
    """A server of the test's own, with and without prestarted containers."""
    async with ModalServer(prestarted=request.param == "forked") as server:
        await deploy(server, modal_jobs.app)
        async with connected(server) as client:
            yield Jobs(server, client)


async def test_forked_and_new_containers_are_alike(own: Jobs) -> None:
    found = json.loads(await (await own.spawn("about")).get(timeout=30))
    assert (found.pop("given"), len(found.pop("task"))) == (None, 29)
    assert found == {
        "answer": 42,
        "image": "two words",
        "environment": "main",
        "session": True,
        "stdin": "",
        "argv": [],
        "main": "__main__",
        "here": True,
        "notes": True,
    }
    failed = await own.spawn("fail", on=own.function("run_often"))
    with pytest.raises(ValueError, match="this went wrong"):
        await failed.get(timeout=30)
    assert "ValueError: this went wrong" in own.log(failed)


async def test_nothing_is_left_of_a_container(own: Jobs) -> None:
    killed = await own.saying("daemon", "daemons", times=2)
    container = own.of(killed).container
    assert container is not None
    # A forked one has the worker's variables in /proc.
    left = {*processes_in(container.id), container.pid}
    assert len(left) == 3
    await killed.cancel(terminate_containers=True)
    await own.quiet()
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []
    returned = await own.spawn("daemons, then return")
    await returned.get(timeout=30)
    await own.quiet()
    container = own.of(returned).container
    assert container is not None
    assert (container.exit_code, processes_in(container.id)) == (0, [])


async def test_nothing_is_left_of_a_stopped_server() -> None:
    async with ModalServer(prestarted=False) as server:
        await deploy(server, modal_jobs.app)
        async with connected(server) as client:
            jobs = Jobs(server, client)
            call = await jobs.saying("daemon", "daemons", times=2)
            waiting = await jobs.spawn("pid", on=jobs.function().with_options(gpu="T4"))
            folder = server.service.files.folder
    container = jobs.of(call).container
    assert container is not None
    assert (processes_in(folder), folder.exists(), container.exit_code) == ([], False, -signal.SIGKILL)
    assert jobs.of(waiting).status in ("queued", "internal failure", "failed", "succeeded")


SERVER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
import modal_jobs
from handles import Jobs, connected, deploy
from cluster_sandbox.modal import ModalServer

async def main():
    async with ModalServer(prestarted=False) as server:
        await deploy(server, modal_jobs.app)
        async with connected(server) as client:
            call = await (jobs := Jobs(server, client)).saying("daemon", "daemons", times=2)
            print(server.service.files.folder, flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_server_takes_its_containers_along() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(BESIDE), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    folder = (await process.stdout.readline()).decode().strip()
    left = processes_in(folder)
    ends = [os.pidfd_open(pid) for pid in left]
    assert len(left) == 3
    process.kill()
    await process.wait()
    for end in ends:
        await readable(end)
        os.close(end)
    assert processes_in(folder) == []
    shutil.rmtree(folder)


async def readable(fd: int) -> None:
    """Return once it is, as the descriptor of a process becomes when that ends."""
    seen = asyncio.Event()
    asyncio.get_running_loop().add_reader(fd, seen.set)
    try:
        async with asyncio.timeout(30):
            await seen.wait()
    finally:
        asyncio.get_running_loop().remove_reader(fd)
