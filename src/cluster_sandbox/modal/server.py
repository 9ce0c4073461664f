"""A Modal on this machine: the public face of the stand-in.

`async with ModalServer() as modal:` listens on loopback; the released client and its command line are pointed at it
with `environment()`, a client in this process is made with `url`, `token_id` and `token_secret`. Containers are
processes on this machine. Everything is in memory or in a folder of its own, and gone with the object.

What differs from Modal: images are taken down and never built (only ENV lines and whole mounts copied in have an
effect), so containers have this machine's Python, packages and network, and no GPU; a path outside `/root` lies in the
container's folder (`files.py`); a dict's entries do not expire; calls have one input each. What else a function may ask
for and is not here is refused when it is deployed (`options.py`). The RPCs that are not here say UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from grpclib import Status
from grpclib.server import Server

from ..faults import Action, Fault, Faults
from ..record import Request
from .containers import Containers
from .crew import Crew
from .door import NAMES, Door
from .files import Files
from .model import App, Call, Container
from .policy import Policy
from .service import Service
from .world import World

LONGEST_FOLDER = 60
"""The address of a container's socket has room for 107 bytes."""


class ModalServer:
    """One Modal with one workspace.

    `environment`: what every container has in its environment besides what Modal sets; `workspace_environment`: the
    name of the environment there is from the start. With `prestarted` a container is forked from a process that has
    imported the client already, otherwise it is an interpreter of its own; it makes no difference but in time. A `crew`
    is such a process that serves other servers too, and goes on. OSError from `start` if the port is taken.
    """

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        environment: Mapping[str, str] | None = None,
        workspace_environment: str = "main",
        prestarted: bool = True,
        crew: Crew | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.policy = policy or Policy()
        self.world = World(workspace_environment)
        files = Files()
        self._own_crew = Crew(prestarted, environment) if crew is None else None
        self._crew = crew or self._own_crew or Crew()
        self._containers = Containers(
            self.world,
            self.policy,
            files,
            self._crew,
            environment or {},
            lambda container: Server([Door(self.service, container)]),
        )
        self.service = Service(self.world, self.policy, self._containers.scheduler, files, NAMES)
        self._host, self._port = host, port
        self._server: Server | None = None
        self.url = ""

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Listen."""
        folder = Path(tempfile.mkdtemp(prefix="modal-"))
        if len(str(folder)) > LONGEST_FOLDER:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="modal-", dir="/tmp"))
        folder.chmod(0o711)
        self.service.files.folder = folder
        await self.service.blobs.start(self._host)
        self._server = Server([Door(self.service)])
        # By its protocol asyncio knows that it may not hold back small writes, which would cost 40 ms per request.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self._host, self._port))
        await self._server.start(sock=listening)
        self.url = f"http://{self._host}:{listening.getsockname()[1]}"
        return self

    async def stop(self) -> None:
        """End every container with all its processes, and stop listening."""
        await self._containers.stop()
        if self._own_crew is not None:
            await self._own_crew.stop()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await self.service.blobs.stop()
        if self.service.files.folder.is_absolute():
            await asyncio.to_thread(shutil.rmtree, self.service.files.folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def prepare(self) -> None:
        """Start what containers are forked from now, and not with the first of them."""
        await self._crew.prepare()

    # --- addresses and identity ---------------------------------------------------------------------

    @property
    def token_id(self) -> str:
        return self.service.tokens.id

    @property
    def token_secret(self) -> str:
        return self.service.tokens.secret

    def environment(self) -> dict[str, str]:
        """The variables that point a client process here, and away from anything the machine is configured with."""
        return {
            "MODAL_SERVER_URL": self.url,
            "MODAL_TOKEN_ID": self.token_id,
            "MODAL_TOKEN_SECRET": self.token_secret,
            "MODAL_CONFIG_PATH": str(self.service.files.folder / "no-configuration.toml"),
            "MODAL_ENVIRONMENT": self.world.main,
        }

    def revoke_token(self) -> None:
        """Let the token be good for nothing from now on."""
        self.service.tokens.revoked = True

    # --- what happened ------------------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """All calls, oldest first."""
        return list(self.world.calls.values())

    @property
    def containers(self) -> list[Container]:
        """All containers, oldest first, those that are over included."""
        return list(self.world.containers.values())

    def call(self, call_id: str) -> Call:
        """A call by id; KeyError if unknown."""
        return self.world.calls[call_id]

    def app(self, name: str) -> App:
        """The deployed app of that name in the workspace's first environment; KeyError if there is none."""
        found = self.world.app_named(name, "")
        if found is None:
            raise KeyError(name)
        return found

    async def wait(self, predicate: Callable[[], object], patience_s: float = 30.0, what: str = "it") -> None:
        """Return once the predicate holds, looked at after every change; TimeoutError says how the calls are."""
        await self.world.wait(predicate, patience_s, what)

    @property
    def transcript(self) -> list[Request]:
        """Every request, in order of arrival: `route` is the RPC, `query["caller"]` who asked, `body` the message."""
        return self.service.record.requests

    def requests(self, rpc: str) -> int:
        """How often clients have asked that, containers not counted."""
        return sum(one.route == rpc and one.query["caller"] == "client" for one in self.transcript)

    # --- means of a test ----------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        """Routes are names of RPCs, statuses numbers of gRPC (`Status.UNAVAILABLE.value`), bodies its messages."""
        return self.service.faults

    def fail(
        self,
        rpc: str | None,
        status: Status | str | None = Status.UNAVAILABLE,
        message: str = "ordered fault",
        *,
        times: int | None = 1,
        skip: int = 0,
        after: bool = False,
        latency: float = 0.0,
        drop_connection: bool = False,
        action: Action | None = None,
        match: Callable[[Request], bool] | None = None,
    ) -> Fault:
        """Order a fault for the next requests of one RPC, or of all; with `after` it strikes when all has happened.

        Containers are struck too, unless `match` looks at `query["caller"]`.

        A status of None lets the request go on. Mind that the client asks again by itself (three times, for
        UNAVAILABLE, INTERNAL, UNKNOWN, CANCELLED and DEADLINE_EXCEEDED).
        """
        status = Status[status] if isinstance(status, str) else status
        return self.faults.add(
            Fault(
                route=rpc,
                status=None if status is None else status.value,
                body=message,
                times=times,
                skip=skip,
                when="after" if after else "before",
                latency=latency,
                drop_connection=drop_connection,
                action=action,
                match=match,
            )
        )

    def outage(self) -> Fault:
        """Answer clients nothing but UNAVAILABLE until `faults.clear()`; containers work on."""
        return self.fail(None, message="no Modal today", times=None, match=lambda one: one.query["caller"] == "client")

    def refuse_calls(self, times: int | None = None) -> Fault:
        """Refuse new calls, as a workspace over its spending limit does; `faults.clear()` ends it."""
        message = "Workspace spend limit reached"
        return self.fail("FunctionMap", Status.RESOURCE_EXHAUSTED, message, times=times)

    def fail_build(self, message: str) -> None:
        """Let the next image fail to build."""
        self.service.build_errors.append(message)

    def hold_containers(self) -> None:
        """Let no container start: calls wait, as where there is no GPU."""
        self.service.scheduler.held = True

    def release_containers(self) -> None:
        self.service.scheduler.held = False
        self.service.scheduler.schedule()

    def kill_container(self, call_id: str, *, out_of_memory: bool = False) -> None:
        """Kill the container that has a call's input; KeyError for an unknown call, ValueError for one not running."""
        call = self.call(call_id)
        if call.status != "running" or call.container is None:
            raise ValueError(f"{call_id} is {call.status}")
        self.service.scheduler.end(call.container, "out of memory" if out_of_memory else "preempted")

    def time_out(self, call_id: str) -> None:
        """Let a call's time be over now; KeyError for an unknown call, ValueError for one not running."""
        call = self.call(call_id)
        if call.status != "running" or call.container is None:
            raise ValueError(f"{call_id} is {call.status}")
        self.service.scheduler.time_out(call, call.container, call.timeout_s)

    def cancel(self, call_id: str, *, terminate: bool = False) -> None:
        """Cancel a call, as its owner would on Modal's page; KeyError for an unknown one."""
        self.service.scheduler.cancel(self.call(call_id), terminate)

    def expire(self, call_id: str) -> None:
        """Let a call's result be gone; KeyError for an unknown one, ValueError where there is none yet."""
        call = self.call(call_id)
        if call.output is None:
            raise ValueError(f"{call_id} has no result")
        call.expired = True

    def stop_app(self, name: str) -> None:
        """Stop an app, as its owner would; KeyError if there is none of that name."""
        self.service.stop_app(self.app(name))
