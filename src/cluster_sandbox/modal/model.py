"""What a Modal workspace consists of here. Plain data, changed by `world.py`, `scheduler.py` and the RPCs.

Definitions and results are kept as the messages they came in, so that nothing of them is lost on the way.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from modal_proto import api_pb2 as pb

Result = pb.GenericResult

STATUSES = {
    Result.GENERIC_STATUS_SUCCESS: "succeeded",
    Result.GENERIC_STATUS_TERMINATED: "cancelled",
    Result.GENERIC_STATUS_TIMEOUT: "timed out",
    Result.GENERIC_STATUS_INIT_FAILURE: "init failure",
    Result.GENERIC_STATUS_INTERNAL_FAILURE: "internal failure",
}


@dataclass(eq=False, kw_only=True)
class App:
    id: str
    name: str
    environment: str
    created_at: float
    state: Literal["initializing", "deployed", "stopped"] = "initializing"
    functions: dict[str, Function] = field(default_factory=dict)
    """What the last deployment published, by name."""
    versions: list[Version] = field(default_factory=list)
    """All deployments, oldest first."""


@dataclass(eq=False, kw_only=True)
class Version:
    """One deployment; `functions`: what it published, by name."""

    number: int
    deployed_at: float
    functions: dict[str, Definition]


@dataclass(eq=False, kw_only=True)
class Definition:
    """What a deployment says of one function. `gpus`: its wishes, the dearest first, such as `H100:2`."""

    id: str
    proto: pb.Function
    gpus: tuple[str, ...] = ()


@dataclass(eq=False, kw_only=True)
class Function:
    """A function, or one with options of its own (`base` is then the one it was made from)."""

    id: str
    app: App
    name: str
    metadata: pb.FunctionHandleMetadata
    created: Definition | None = None
    """What the next publication of the app will make known."""
    published: Definition | None = None
    base: Function | None = None
    options: pb.FunctionOptions | None = None
    containers: list[Container] = field(default_factory=list)
    """All that were ever started for it, oldest first."""

    @property
    def deployed(self) -> Definition | None:
        """The definition in force."""
        return (self.base or self).published

    @property
    def block_network(self) -> bool:
        """Wished for, and recorded; nothing here enforces it."""
        return bool(self.deployed and self.deployed.proto.block_network)


@dataclass(eq=False, kw_only=True)
class Call:
    """One call with its one input."""

    id: str
    input_id: str
    function: Function
    input: pb.FunctionInput
    invocation: int
    args_size: int
    created_at: float
    gpu: str = ""
    timeout_s: float = 0.0
    container: Container | None = None
    """The one that has the input now, or had it last."""
    containers: list[Container] = field(default_factory=list)
    """All that were ever given the input."""
    started_at: float | None = None
    ended_at: float | None = None
    cancelling: bool = False
    output: pb.FunctionGetOutputsItem | None = None
    expired: bool = False
    """Whether the output is no longer there for anyone."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed, cancelled, timed out, init failure, internal failure."""
        if self.output is None:
            return "queued" if self.started_at is None else "running"
        return STATUSES.get(self.output.result.status, "failed")


class Log:
    """The newest `limit` bytes of a container's output, both streams together in order of arrival."""

    def __init__(self, limit: int) -> None:
        self._limit, self._kept = limit, bytearray()
        self.dropped = 0

    def feed(self, data: bytes) -> None:
        self._kept += data
        if (excess := len(self._kept) - self._limit) > 0:
            del self._kept[:excess]
            self.dropped += excess

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")


@dataclass(eq=False, kw_only=True)
class Container:
    """One container. `gpu` and `gpu_count` are what it would have on Modal; here it has none."""

    id: str
    function: Function
    definition: Definition
    proto: pb.Function
    """The definition with the function's own options in it: what the container's process is told."""
    log: Log
    enqueued_at: float
    gpu: str = ""
    gpu_count: int = 0
    state: Literal["starting", "idle", "busy", "ended"] = "starting"
    folder: Path | None = None
    """Where its files are while it lives: `/root` of Modal is `root` in it."""
    environment: dict[str, str] = field(default_factory=dict)
    pid: int | None = None
    exit_code: int | None = None
    """As the shell's children have it: negative for a signal. None while it lives or where it never started."""
    started_at: float | None = None
    ended_at: float | None = None
    call: Call | None = None
    calls: list[Call] = field(default_factory=list)
    unwanted: str = ""
    """Why the server ends it; empty while it does not."""
    leaving: bool = False
    """Whether it takes no more inputs and is to end by itself."""
    init_result: pb.GenericResult | None = None
    """What it said of its failure to import the function."""
    timer: asyncio.TimerHandle | None = None
    """For the one thing it must do in time: begin, be given an input, or leave."""
    asking: asyncio.Future[Call | None] | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the next heartbeat has something to say."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def block_network(self) -> bool:
        return self.proto.block_network

    @property
    def alive(self) -> bool:
        return self.state != "ended"


@dataclass(eq=False, kw_only=True)
class Image:
    """One layer. `commands`: its lines as a Dockerfile would have them, never executed."""

    id: str
    definition: pb.Image
    bases: list[Image]
    builder_version: str
    context: Mount | None = None
    """The files its build may copy from."""
    error: str = ""

    @property
    def layers(self) -> Iterator[Image]:
        """Itself and all it is built on, the lowest first."""
        for base in self.bases:
            yield from base.layers
        yield self

    @property
    def commands(self) -> list[str]:
        """Of all layers, the lowest first."""
        return [line for layer in self.layers for line in layer.definition.dockerfile_commands]


@dataclass(eq=False, kw_only=True)
class Mount:
    id: str
    files: list[pb.MountFile]


@dataclass(eq=False, kw_only=True)
class Dictionary:
    """A `modal.Dict`; keys and values as the client pickled them."""

    id: str
    name: str
    environment: str
    entries: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class Partition:
    """Values in order, each under a number that grows."""

    items: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    size: int = 0
    expires_at: float = 0.0


@dataclass(eq=False, kw_only=True)
class Queue:
    """A `modal.Queue`; values as the client pickled them, partitions by key (empty: the default one)."""

    id: str
    name: str
    environment: str
    partitions: dict[bytes, Partition] = field(default_factory=dict)
    count: int = 0
    """Values ever put."""
