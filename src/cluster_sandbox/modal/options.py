"""What a function's definition and the options a caller put on it (`with_options`) come to together."""

from __future__ import annotations

from modal_proto import api_pb2 as pb

PLAIN = ("timeout_secs", "task_idle_timeout_secs", "concurrency_limit", "target_concurrent_inputs", "batch_max_size")


def merged(definition: pb.Function, options: pb.FunctionOptions | None) -> pb.Function:
    """A definition with the options in it. Volumes, secrets, placement and the autoscaler are left as they are."""
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
    together.mount_ids.extend(options.mount_ids)
    return together


def wishes(definition: pb.Function) -> tuple[str, int]:
    """The GPU it asks for and how many, such as ("H100", 2); ("", 0) for none."""
    gpu = definition.resources.gpu_config
    return (gpu.gpu_type, gpu.count or 1) if gpu.gpu_type else ("", 0)


def spoken(definition: pb.Function) -> str:
    """The wish as people write it: `H100:2`, `T4`, or nothing."""
    name, count = wishes(definition)
    return f"{name}:{count}" if count > 1 else name
