"""Dicts and queues, from the client's side; nothing here needs a container."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from handles import Jobs, connected
from modal.client import _Client
from modal.dict import _Dict
from modal.exception import InvalidError, NotFoundError
from modal.queue import _Queue
from modal_proto import api_pb2

from cluster_sandbox.modal import ModalServer


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[ModalServer]:
    async with ModalServer() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: ModalServer) -> AsyncIterator[_Client]:
    async with connected(server) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def claims(client: _Client) -> _Dict:
    return _Dict.from_name("claims", create_if_missing=True, client=client)


@pytest_asyncio.fixture(loop_scope="session")
async def events(client: _Client) -> _Queue:
    return _Queue.from_name("events", create_if_missing=True, client=client)


async def test_a_claim_is_won_once(claims: _Dict) -> None:
    won = await asyncio.gather(*(claims.put("run-1", number, skip_if_exists=True) for number in range(5)))
    assert sorted(won) == [False] * 4 + [True]
    assert await claims.get("run-1") == won.index(True)
    assert await claims.put("run-2", "other", skip_if_exists=True)


async def test_a_dict_is_written_and_read(claims: _Dict) -> None:
    await claims.put("a", 1)
    await claims.update({"a": 2, "b": None})
    assert (await claims.get("a"), await claims.get("b", "default"), await claims.get("c", "default")) == (
        2,
        None,
        "default",
    )
    assert (await claims.contains("b"), await claims.contains("c"), await claims.len()) == (True, False, 2)
    assert {key: value async for key, value in claims.items()} == {"a": 2, "b": None}
    assert (await claims.pop("a"), await claims.pop("a", 0)) == (2, 0)
    await claims.clear()
    assert await claims.len() == 0


async def test_dicts_and_queues_are_there_by_name_and_environment(server: ModalServer, client: _Client) -> None:
    for kind in (_Dict, _Queue):
        with pytest.raises(NotFoundError):
            await kind.from_name("nowhere", client=client).hydrate()
    server.world.environments.add("other")
    ours = _Dict.from_name("claims", create_if_missing=True, client=client)
    theirs = _Dict.from_name("claims", environment_name="other", create_if_missing=True, client=client)
    await ours.put("key", "ours")
    assert await theirs.get("key") is None
    assert await _Dict.from_name("claims", environment_name="main", client=client).get("key") == "ours"


async def test_partitions_of_a_queue_are_apart_and_in_order(events: _Queue) -> None:
    await events.put_many(["a1", "a2"], partition="a")
    await events.put("b1", partition="b")
    await events.put("a3", partition="a")
    await events.put("plain")
    assert [item async for item in events.iterate(partition="a")] == ["a1", "a2", "a3"]
    assert [item async for item in events.iterate(partition="b")] == ["b1"]
    assert (await events.len(), await events.len(partition="a"), await events.len(total=True)) == (1, 3, 5)
    assert await events.get_many(2, partition="a") == ["a1", "a2"]
    assert await events.get(partition="a") == "a3"
    assert await events.get(partition="a", block=False) is None
    await events.clear(partition="b")
    await events.clear(all=True)
    assert await events.len(total=True) == 0


async def test_reading_on_waits_for_what_comes_next(client: _Client, events: _Queue) -> None:
    await events.put("one", partition="run")
    request = api_pb2.QueueNextItemsRequest(queue_id=events.object_id, partition_key=b"run", item_poll_timeout=30)
    first = (await client._stub.QueueNextItems(request)).items
    request.last_entry_id = first[-1].entry_id
    reading = asyncio.create_task(client._stub.QueueNextItems(request))
    await events.put("another run's", partition="other")
    await events.put_many(["two", "three"], partition="run")
    later = (await reading).items
    assert [len(first), len(later)] == [1, 2]
    request.last_entry_id, request.item_poll_timeout = later[-1].entry_id, 0
    assert not (await client._stub.QueueNextItems(request)).items
    assert await events.len(partition="run") == 3


async def test_taking_waits_for_a_value(events: _Queue) -> None:
    await events.hydrate()
    taking = asyncio.create_task(events.get(partition="run", timeout=30))
    await events.put("at last", partition="run")
    assert await taking == "at last"
    with pytest.raises(queue.Empty):
        await events.get(partition="run", timeout=0.01)


async def test_a_full_partition_refuses_all_of_a_put(server: ModalServer, events: _Queue) -> None:
    server.policy.partition_items = 3
    await events.put_many([1, 2], partition="run")
    with pytest.raises(queue.Full):
        await events.put_many([3, 4], block=False, partition="run")
    assert await events.len(partition="run") == 2
    server.policy.partition_items, server.policy.partition_bytes = 5000, 100
    with pytest.raises(queue.Full):
        await events.put("x" * 100, block=False, partition="run")
    server.policy.partitions = 1
    with pytest.raises(queue.Full):
        await events.put(1, block=False, partition="another")


async def test_what_is_too_large_is_refused(events: _Queue, client: _Client) -> None:
    with pytest.raises(InvalidError, match="1048576 bytes"):
        await events.put("x" * (1 << 20), partition="run")
    with pytest.raises(InvalidError, match="64 bytes"):
        request = api_pb2.QueuePutRequest(queue_id=events.object_id, partition_key=b"k" * 65, values=[b"x"])
        await client._stub.QueuePut(request)


async def test_a_partition_goes_after_its_time(server: ModalServer, events: _Queue) -> None:
    await events.put("old", partition="run", partition_ttl=60)
    await events.put("older", partition="day")
    server.world.forward(61)
    assert (await events.len(partition="run"), await events.len(partition="day")) == (0, 1)
    server.world.forward(24 * 3600)
    assert await events.len(total=True) == 0


async def test_a_container_writes_where_the_client_reads(jobs: Jobs) -> None:
    call = await jobs.spawn("spool", run="run-7", lines=3)
    events = _Queue.from_name("events", create_if_missing=True, client=jobs.client)
    read = []
    async for item in events.iterate(partition="run-7", item_poll_timeout=30):
        read.append(item)
        if len(read) == 3:
            break
    assert read == ["line 0", "line 1", "line 2"]
    await call.get(timeout=30)
    assert [await (await jobs.spawn("claim", key="run-7")).get(timeout=30) for _ in range(2)] == ["true", "false"]
