"""`modal.Queue`: values in partitions, put, taken, or read without being taken, each read held until there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from ..ids import new_id
from ..model import Partition, Queue
from .registry import Caller, Rpcs, must_be_made, not_found

rpcs = Rpcs()
Item = TypeVar("Item")
MOST_AT_ONCE = 100
"""How many items one answer to `iterate` holds."""


@rpcs.answer("QueueGetOrCreate")
def queue_get_or_create(caller: Caller, request: pb.QueueGetOrCreateRequest) -> pb.QueueGetOrCreateResponse:
    world, name = caller.service.world, request.deployment_name
    found = world.queue_named(name, request.environment_name)
    if must_be_made(found is not None, "Queue", name, request.object_creation_type) or found is None:
        found = Queue(id=new_id("qu"), name=name, environment=world.environment(request.environment_name))
        world.queues[found.id] = found
    return pb.QueueGetOrCreateResponse(queue_id=found.id, metadata=pb.QueueMetadata(name=name))


@rpcs.answer("QueuePut")
def queue_put(caller: Caller, request: pb.QueuePutRequest) -> None:
    """All the values or none of them."""
    policy, world = caller.service.policy, caller.service.world
    queue = _find(caller, request.queue_id)
    _check_key(caller, request.partition_key)
    if any(len(value) > policy.item_bytes for value in request.values):
        raise GRPCError(Status.INVALID_ARGUMENT, f"An item of a queue is at most {policy.item_bytes} bytes")
    partition = _partition(caller, queue, request.partition_key)
    size = sum(map(len, request.values))
    if partition is None:
        if len(queue.partitions) >= policy.partitions:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, "The queue has too many partitions")
        partition = Partition()
    if len(partition.items) + len(request.values) > policy.partition_items:
        raise GRPCError(Status.RESOURCE_EXHAUSTED, f"A partition holds at most {policy.partition_items} items")
    if partition.size + size > policy.partition_bytes:
        raise GRPCError(Status.RESOURCE_EXHAUSTED, f"A partition holds at most {policy.partition_bytes} bytes")
    for value in request.values:
        queue.count += 1
        partition.items[queue.count] = value
    partition.size += size
    partition.expires_at = world.now() + (request.partition_ttl_seconds or policy.partition_ttl_s)
    queue.partitions[request.partition_key] = partition
    world.changed()


@rpcs.answer("QueueGet")
async def queue_get(caller: Caller, request: pb.QueueGetRequest) -> pb.QueueGetResponse:
    """Take up to `n_values`, once there is one; none after `timeout`."""
    queue = _find(caller, request.queue_id)
    _check_key(caller, request.partition_key)

    def take() -> list[bytes]:
        partition = _partition(caller, queue, request.partition_key)
        if partition is None:
            return []
        wanted = min(max(1, request.n_values), len(partition.items))
        values = [partition.items.popitem(last=False)[1] for _ in range(wanted)]
        partition.size -= sum(map(len, values))
        return values

    return pb.QueueGetResponse(values=await _held(caller, request.timeout, take))


@rpcs.answer("QueueNextItems")
async def queue_next_items(caller: Caller, request: pb.QueueNextItemsRequest) -> pb.QueueNextItemsResponse:
    """What comes after `last_entry_id` and stays in the queue, once there is any; nothing after `item_poll_timeout`."""
    queue = _find(caller, request.queue_id)
    _check_key(caller, request.partition_key)
    last = _number(request.last_entry_id)

    def look() -> list[pb.QueueItem]:
        partition = _partition(caller, queue, request.partition_key)
        fresh = [(number, value) for number, value in partition.items.items() if number > last] if partition else []
        return [pb.QueueItem(value=value, entry_id=f"{number}-0") for number, value in fresh[:MOST_AT_ONCE]]

    return pb.QueueNextItemsResponse(items=await _held(caller, request.item_poll_timeout, look))


@rpcs.answer("QueueLen")
def queue_len(caller: Caller, request: pb.QueueLenRequest) -> pb.QueueLenResponse:
    queue = _find(caller, request.queue_id)
    keys = list(queue.partitions) if request.total else [request.partition_key]
    found = [_partition(caller, queue, key) for key in keys]
    return pb.QueueLenResponse(len=sum(len(one.items) for one in found if one is not None))


@rpcs.answer("QueueClear")
def queue_clear(caller: Caller, request: pb.QueueClearRequest) -> None:
    queue = _find(caller, request.queue_id)
    for key in list(queue.partitions) if request.all_partitions else [request.partition_key]:
        queue.partitions.pop(key, None)
    caller.service.world.changed()


async def _held(caller: Caller, seconds: float, look: Callable[[], list[Item]]) -> list[Item]:
    """What `look` finds, now or after a change; nothing after that time."""
    pulse = caller.service.world.pulse
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            while True:
                version = pulse.version
                if found := look():
                    return found
                await pulse.after(version)
    except TimeoutError:
        return []


def _find(caller: Caller, queue_id: str) -> Queue:
    found = caller.service.world.queues.get(queue_id)
    if found is None:
        raise not_found(f"Queue {queue_id}")
    return found


def _partition(caller: Caller, queue: Queue, key: bytes) -> Partition | None:
    """The partition, unless its time is over."""
    partition = queue.partitions.get(key)
    if partition is not None and partition.expires_at <= caller.service.world.now():
        del queue.partitions[key]
        return None
    return partition


def _check_key(caller: Caller, key: bytes) -> None:
    longest = caller.service.policy.longest_partition_key
    if len(key) > longest:
        raise GRPCError(Status.INVALID_ARGUMENT, f"The key of a partition is 1 to {longest} bytes")


def _number(entry_id: str) -> int:
    head = entry_id.partition("-")[0]
    if entry_id and not head.isdigit():
        raise GRPCError(Status.INVALID_ARGUMENT, f"Not an entry: {entry_id}")
    return int(head or 0)
