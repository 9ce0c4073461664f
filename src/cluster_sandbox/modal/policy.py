"""The numbers of the real service, in one place, so that a test can change one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Policy:
    """Limits and habits of one server; read at the moment they matter. Seconds and bytes unless the name says else."""

    cold_start_s: float = 0.0
    """From the decision to start a container to the start of its process."""
    gpus: int | None = None
    """How many GPUs there are for all containers together, of whatever kind; None: as many as are asked for."""
    most_containers: int = 100
    """How many containers may live at once."""
    scaledown_s: float = 60.0
    """How long a container without an input is kept, where its function does not say."""
    linger_s: float = 30.0
    """How long a container may take to end once it has nothing more to do."""
    cancel_grace_s: float = 30.0
    """How long a cancelled input may go on before its container is killed."""
    heartbeat_s: float = 15.0
    """How long a heartbeat without a deadline of its own is held open for a cancellation."""
    reschedule: bool = False
    """Whether the input of a container that died goes to another one, as after a preemption."""
    result_s: float = 7 * 24 * 3600.0
    """How long a result can be fetched."""
    repeatable: tuple[str, ...] = ("FunctionMap",)
    """RPCs that answer a repeated idempotency key with what they did the first time. Of others nothing is known, so
    they do it again."""

    log_bytes: int = 1 << 20
    """What is kept of a container's output: the newest."""
    image_builder_version: str = "2025.06"
    jwt_s: float = 20 * 60.0
    """How long a token of AuthTokenGet is said to be good."""

    item_bytes: int = 1 << 20
    """One value of a queue."""
    partition_items: int = 5_000
    partition_bytes: int = 64 << 20
    partitions: int = 100_000
    longest_partition_key: int = 64
    partition_ttl_s: float = 24 * 3600.0
    """After its last put, where the put does not say."""
