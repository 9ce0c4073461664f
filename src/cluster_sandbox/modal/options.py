"""What a function's definition and the options a caller put on it (`with_options`) come to together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modal_proto import api_pb2 as pb

UNBUILT: dict[str, Callable[[pb.Function], Any]] = {
    "classes": lambda told: told.is_class or told.is_method,
    "servers": lambda told: told.is_server,
    "web functions": lambda told: told.webhook_config.type,
    "generators": lambda told: told.function_type == pb.Function.FUNCTION_TYPE_GENERATOR,
    "retries": lambda told: told.retry_policy.retries,
    "several inputs at a time": lambda told: max(told.max_concurrent_inputs, told.target_concurrent_inputs) > 1,
    "batches": lambda told: told.batch_max_size,
    "secrets": lambda told: told.secret_ids,
    "volumes": lambda told: told.volume_mounts or told.shared_volume_mounts or told.cloud_bucket_mounts,
    "schedules": lambda told: told.HasField("schedule"),
    "clusters": lambda told: told._experimental_group_size,
    "snapshots": lambda told: told.checkpointing_enabled,
    "containers kept warm": lambda told: told.autoscaler_settings.min_containers or told.warm_pool_size,
}
"""What a definition can ask for that the stand-in does not have. It refuses rather than to do without in silence."""
PLAIN = (
    *("timeout_secs", "task_idle_timeout_secs", "concurrency_limit", "warm_pool_size"),
    *("max_concurrent_inputs", "target_concurrent_inputs", "batch_max_size"),
)


def merged(definition: pb.Function, options: pb.FunctionOptions | None) -> pb.Function:
    """A definition with the options in it; what they say of placement is left out."""
    together = pb.Function()
    together.CopyFrom(definition)
    if options is None:
        return together
    for name in PLAIN:
        if options.HasField(name):  # type: ignore[arg-type]
            setattr(together, name, getattr(options, name))
    if options.HasField("concurrency_limit"):
        together.autoscaler_settings.max_containers = options.concurrency_limit
    if options.HasField("resources"):
        together.resources.MergeFrom(options.resources)
    if options.HasField("retry_policy"):
        together.retry_policy.CopyFrom(options.retry_policy)
    together.secret_ids.extend(options.secret_ids)
    together.volume_mounts.extend(options.volume_mounts)
    together.mount_ids.extend(options.mount_ids)
    return together


def unbuilt(definition: pb.Function) -> list[str]:
    """What it asks for that is not there."""
    return [name for name, asks in UNBUILT.items() if asks(definition)]


def wishes(definition: pb.Function) -> tuple[str, int]:
    """The GPU it asks for and how many, such as ("H100", 2); ("", 0) for none."""
    gpu = definition.resources.gpu_config
    return (gpu.gpu_type, gpu.count or 1) if gpu.gpu_type else ("", 0)


def spoken(definition: pb.Function) -> str:
    """The wish as people write it: `H100:2`, `T4`, or nothing."""
    name, count = wishes(definition)
    return f"{name}:{count}" if count > 1 else name
