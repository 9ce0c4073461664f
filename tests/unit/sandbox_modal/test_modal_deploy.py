"""Deployments: what of an app is taken down, versions, files, failures, and the command line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import modal
import modal_jobs
import pytest
from handles import Jobs, connected, deploy
from modal._functions import _Function
from modal.exception import ImageBuildError, NotFoundError

from cluster_sandbox.modal import ModalServer


async def test_a_deployed_app_is_there_with_all_that_was_said_of_it(jobs: Jobs) -> None:
    app = jobs.server.app("jobs")
    assert (app.state, app.environment, sorted(app.functions)) == (
        "deployed",
        "main",
        ["run", "run_apart", "run_often"],
    )
    run = app.functions["run"]
    assert run.deployed is not None
    proto = run.deployed.proto
    assert (proto.timeout_secs, proto.single_use_containers, proto.block_network, proto.untrusted) == (
        3600,
        True,
        True,
        False,
    )
    assert run.block_network
    assert app.functions["run_apart"].deployed is not None
    assert app.functions["run_apart"].deployed.proto.untrusted
    commands = jobs.server.world.images[proto.image_id].commands
    assert commands[0] == "FROM nvidia/cuda:12.8.1-devel-ubuntu22.04"
    assert any("torch==2.7.1" in line for line in commands)
    mounts = [mount for mount in jobs.server.world.mounts.values() if mount.id in proto.mount_ids]
    files = {file.filename for mount in mounts for file in mount.files}
    assert files >= {"/root/modal_jobs.py", "/root/modal_helper.py", "/data/notes.txt"}


async def test_lookups_of_what_is_not_there_fail(jobs: Jobs) -> None:
    jobs.server.world.environments.add("other")
    for app, name, environment in (("jobs", "nothing", None), ("nothing", "run", None), ("jobs", "run", "other")):
        function: _Function[[str], str, str] = _Function.from_name(
            app, name, environment_name=environment, client=jobs.client
        )
        with pytest.raises(NotFoundError):
            await function.hydrate()


def versioned(number: int) -> modal.App:
    app = modal.App("versioned")

    def hang_or_tell(wish: str) -> int:
        if wish == "hang":
            import time

            print("hanging", flush=True)
            time.sleep(3600)
        return number

    app.function(serialized=True, name="run")(hang_or_tell)
    return app


async def test_a_new_version_takes_new_calls_and_leaves_old_ones_alone(jobs: Jobs) -> None:
    server = jobs.server
    await deploy(server, versioned(1))
    function = jobs.function(app="versioned")
    assert await (await function.spawn("tell")).get(timeout=30) == 1
    old = await function.spawn("hang")
    await server.wait(lambda: "hanging" in jobs.log(old))
    await deploy(server, versioned(2))
    assert await (await function.spawn("tell")).get(timeout=30) == 2
    assert await (await function.with_options(timeout=60).spawn("tell")).get(timeout=30) == 2
    assert jobs.of(old).status == "running"
    app = server.app("versioned")
    assert [version.number for version in app.versions] == [1, 2]
    assert len({version.functions["run"].id for version in app.versions}) == 2
    assert app.functions["run"].id == function.object_id


async def test_a_stopped_app_is_gone_with_its_containers(jobs: Jobs) -> None:
    server = jobs.server
    await deploy(server, versioned(1))
    function = jobs.function(app="versioned")
    running = await function.spawn("hang")
    await server.wait(lambda: "hanging" in jobs.log(running))
    server.hold_containers()
    waiting = await function.spawn("tell")
    server.stop_app("versioned")
    assert [jobs.of(call).status for call in (running, waiting)] == ["cancelled", "cancelled"]
    with pytest.raises(NotFoundError):
        await function.spawn("tell")
    with pytest.raises(NotFoundError):
        await jobs.function(app="versioned").hydrate()
    with pytest.raises(KeyError):
        server.stop_app("versioned")
    await jobs.quiet()
    server.release_containers()
    await deploy(server, versioned(3))
    assert await (await jobs.function(app="versioned").spawn("tell")).get(timeout=30) == 3


async def test_an_image_can_fail_to_build(jobs: Jobs) -> None:
    jobs.server.fail_build("no such package: torhc")
    with pytest.raises(ImageBuildError, match="torhc"):
        await deploy(jobs.server, modal_jobs.app)
    await deploy(jobs.server, modal_jobs.app)


async def test_what_is_not_built_is_refused_and_not_left_out(jobs: Jobs) -> None:
    app = modal.App("demanding")
    app.function(serialized=True, name="run", retries=3, enable_memory_snapshot=True)(lambda: None)
    with pytest.raises(Exception, match="no retries, snapshots"):
        await deploy(jobs.server, app)
    with pytest.raises(KeyError):
        jobs.server.app("demanding")
    with pytest.raises(Exception, match="no retries"):
        await jobs.spawn("pid", on=jobs.function().with_options(retries=2))


async def test_files_copied_into_an_image_are_there_too(jobs: Jobs) -> None:
    copied = modal.Image.debian_slim().add_local_python_source("modal_helper", copy=True)
    app = modal.App("copied")

    def helped() -> int:
        import modal_helper

        return modal_helper.ANSWER

    app.function(serialized=True, name="run", image=copied)(helped)
    await deploy(jobs.server, app)
    assert await (await jobs.function(app="copied").spawn()).get(timeout=30) == 42


async def test_the_command_line_deploys_too() -> None:
    async with ModalServer() as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "modal", "deploy", "--name", "by-hand", modal_jobs.__file__),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(modal_jobs.__file__).parent)}
            | server.environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        assert "run_apart" in server.app("by-hand").functions
        async with connected(server) as client:
            jobs = Jobs(server, client)
            call = await jobs.spawn("about", on=jobs.function(app="by-hand"))
            assert json.loads(await call.get(timeout=30))["given"] is None
