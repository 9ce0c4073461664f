"""The launcher contract's way to play Modal: our real app, deployed to the stand-in, whose containers are processes."""

import asyncio
import json
import pickle
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Self

from launchers import PATIENCE_S, Harness

from cluster_bot.launchers.modal_functions import Login, Modal, ModalFunctions, Timing, read_gpus
from cluster_bot.launchers.modal_functions.deploy import Deployment, deploy
from cluster_bot.runs.ports import Launcher, SpoolSource
from cluster_bot.runs.run import Handle, Run
from cluster_runner import wire
from cluster_runner.wire import Event
from cluster_sandbox.modal import Call, ModalServer
from modal_machine import CREW, MACHINE

# Nothing is believed for longer than it takes to ask, and who does not stop is made to at once.
TIMING = Timing(probe_s=0.0, cancel_after_s=0.0, terminate_after_s=3600.0)


class ModalHarness(Harness):
    """Modal, with as many GPUs as are asked for."""

    launcher_name = "modal"
    gpu = "T4"
    traits = ("claims", "live", "news", "queues")
    odd_handles = (
        '{"call": 7, "attempt": "x", "gpu": "T4"}',
        '{"call": "fc-1", "attempt": "../../etc", "gpu": "T4"}',
        '{"call": "fc-01NOBODY", "attempt": "00000000000000000000000000000000-1", "gpu": "T4"}',
    )

    def __init__(self, home: Path, server: ModalServer, login: Login) -> None:
        super().__init__()
        self._home, self.server, self._login = home, server, login
        self._bots = count(1)
        self.outside = home / "outside"
        self.outside.mkdir()
        self.outside.chmod(0o777)

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Self]:
        # Programs of another user must be able to pass, and to write where the test looks.
        home = Path(tempfile.mkdtemp(prefix="cluster-launcher-"))
        home.chmod(0o711)
        try:
            async with ModalServer(environment=MACHINE, crew=CREW) as server:
                login = Login(server.token_id, server.token_secret, "cluster-bot", server_url=server.url)
                await deploy(login, Deployment("contract", "closed"), most_containers=None, quiet=True)
                yield cls(home, server, login)
        finally:
            await asyncio.to_thread(shutil.rmtree, home)

    def launcher(self) -> ModalFunctions:
        root = self._home / f"spools-{next(self._bots)}"
        return ModalFunctions(Modal(self._login), root, gpus=read_gpus(None), timing=TIMING)

    def listen(self, launcher: Launcher, hear: Callable[[str], None], wake: Callable[[], None]) -> None:
        assert isinstance(launcher, ModalFunctions)

        def ring(run_id: str) -> None:
            hear(run_id)
            wake()

        launcher.on_news(ring)
        launcher.on_change(wake)

    async def events(self, launcher: Launcher, run: Run, after: int) -> Sequence[Event]:
        assert isinstance(launcher, SpoolSource)
        return await launcher.fetch(run, after)

    def half_started(self, run: Run) -> None:
        """Before Modal took the call there is nothing but our own wish."""

    @contextmanager
    def busy(self) -> Iterator[None]:
        self.server.hold_containers()
        try:
            yield
        finally:
            self.server.release_containers()

    async def ended(self, run: Run) -> None:
        await self.server.wait(lambda: all(call.output is not None for call in self._of(run)), PATIENCE_S)

    def kill_runner(self, run: Run) -> None:
        (call,) = self._of(run)
        self.server.kill_container(call.id)

    @contextmanager
    def outage(self) -> Iterator[None]:
        fault = self.server.fail("FunctionMap", times=None)
        fault.route = None
        fault.match = lambda request: request.query["caller"] == "client"
        try:
            yield
        finally:
            fault.times = 0

    async def call_ends(self, handle: Handle) -> None:
        """Wait until one call is over."""
        call = self.server.call(json.loads(handle.text)["call"])
        await self.server.wait(lambda: call.output is not None, PATIENCE_S)

    def _of(self, run: Run) -> list[Call]:
        return [call for call in self.server.calls if _attempt(call) == (run.id, run.attempt)]


def _attempt(call: Call) -> tuple[str, int]:
    """Which attempt a call was made for; the argument is what this test's own launcher pickled."""
    (order,), _ = pickle.loads(call.input.args)
    payload = wire.unpack(json.loads(order)["payload"])
    return payload.run, payload.attempt
