"""The life of one container: its folder, its socket, its process, its output, its end.

`scheduler.py` decides which there are; `Containers.begin` is its `start`. The process is the client's own entrypoint,
which imports the deployed function and asks for inputs over the container's socket.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from grpclib.server import Server
from modal_proto import api_pb2 as pb

from .crew import Crew, Process, base_environment
from .files import Files
from .model import Container
from .policy import Policy
from .scheduler import Scheduler
from .world import World

log = logging.getLogger(__name__)
Listen = Callable[[Container], Server]


class Containers:
    """`listen` makes the gRPC server of one container; `environment` is what every container has."""

    def __init__(
        self, world: World, policy: Policy, files: Files, crew: Crew, environment: Mapping[str, str], listen: Listen
    ) -> None:
        self._world, self._policy, self._files, self._crew = world, policy, files, crew
        self._environment, self._listen = dict(environment), listen
        self._lives: set[asyncio.Task[None]] = set()
        self.scheduler = Scheduler(world, policy, self.begin)

    def begin(self, container: Container) -> None:
        """Start a container's life, in a task of its own."""
        life = asyncio.get_running_loop().create_task(self._live(container), name=f"modal-{container.id}")
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    async def stop(self) -> None:
        """End them all and wait until nothing of them is left."""
        self.scheduler.closed = True
        for container in self._world.containers.values():
            self.scheduler.end(container, "server stopped")
        await asyncio.gather(*self._lives)

    async def _live(self, container: Container) -> None:
        try:
            if not await within(self._policy.cold_start_s, container.ending):
                await self._run(container)
        except Exception:
            # A bug of ours, or a machine without a worker: the call fails like one whose container broke down.
            log.exception("the sandbox failed on container %s", container.id)
        finally:
            if container.folder is not None:
                await asyncio.to_thread(shutil.rmtree, container.folder, ignore_errors=True)
            self.scheduler.ended(container)

    async def _run(self, container: Container) -> None:
        folder = container.folder = self._files.folder / "containers" / container.id
        mounts = [self._world.mounts[one] for one in container.proto.mount_ids if one in self._world.mounts]
        image = self._world.images.get(container.proto.image_id)
        await asyncio.to_thread(self._files.copy, mounts, image, folder)
        address = self._files.folder / f"{container.id}.sock"
        arguments = self._files.folder / f"{container.id}.arguments"
        arguments.write_bytes(self._arguments(container).SerializeToString())
        container.environment = self._variables(container, folder, address, arguments)
        server = self._listen(container)
        await server.start(path=str(address))
        try:
            process = await self._crew.start(folder / "root", container.environment)
            await self._attend(container, process)
        finally:
            server.close()
            await server.wait_closed()
            address.unlink(missing_ok=True)
            arguments.unlink(missing_ok=True)

    async def _attend(self, container: Container, process: Process) -> None:
        container.pid = await process.begun()
        container.started_at = self._world.now()
        self._world.changed()
        ending = asyncio.ensure_future(self._end(container, process))
        try:
            async for data in process.output():
                container.log.feed(data)
                self._world.changed()
            container.exit_code = await process.ended()
        finally:
            ending.cancel()
            process.close()

    @staticmethod
    async def _end(container: Container, process: Process) -> None:
        await container.ending.wait()
        process.kill()

    def _variables(self, container: Container, folder: Path, address: Path, arguments: Path) -> dict[str, str]:
        """The environment of the process, as far as Modal's documentation names it, and what the entrypoint reads."""
        image = self._world.images.get(container.proto.image_id)
        variables = base_environment() | (image_variables(image.commands) if image else {}) | self._environment
        path = [str(folder / "root"), *filter(None, [variables.get("PYTHONPATH")])]
        return variables | {
            "HOME": variables["HOME"] if "HOME" in self._environment else str(folder / "root"),
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONUNBUFFERED": "1",
            "MODAL_CONTAINER_ARGUMENTS_PATH": str(arguments),
            "MODAL_SERVER_URL": f"unix://{address}",
            "MODAL_IS_REMOTE": "1",
            "MODAL_TASK_ID": container.id,
            "MODAL_IMAGE_ID": container.proto.image_id,
            "MODAL_ENVIRONMENT": container.function.app.environment,
            "MODAL_CLOUD_PROVIDER": "CLOUD_PROVIDER_SANDBOX",
            "MODAL_REGION": "here",
        }

    def _arguments(self, container: Container) -> pb.ContainerArguments:
        """What the entrypoint is told: the function, and the ids of what it depends on."""
        function = container.function
        layout = pb.AppLayout()
        for one in function.app.functions.values():
            layout.objects.add(object_id=one.id, function_handle_metadata=one.metadata)
            layout.function_ids[one.name] = one.id
        for dependency in container.proto.object_dependencies:
            found = layout.objects.add(object_id=dependency.object_id)
            if dependency.object_id in self._world.mounts:
                found.mount_handle_metadata.content_checksum_sha256_hex = ""
        return pb.ContainerArguments(
            task_id=container.id,
            function_id=function.id,
            app_id=function.app.id,
            function_def=container.proto,
            environment_name=function.app.environment,
            app_layout=layout,
        )


def image_variables(commands: list[str]) -> dict[str, str]:
    """What the ENV lines of an image set, one name and value each or several `NAME=value`."""
    found: dict[str, str] = {}
    for line in commands:
        if line.upper().startswith("ENV "):
            for word in shlex.split(line[4:]):
                name, equals, value = word.partition("=")
                if equals:
                    found[name] = value
    return found


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event happens within that time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
