"""A partition holds 5,000 items: what the store has is taken out of it before it gets narrow, and nothing else."""

import asyncio
from pathlib import Path
from typing import Any

from cluster_bot.launchers.modal_functions import Login, Modal
from cluster_bot.launchers.modal_functions.watch import Receiver
from cluster_bot.launchers.spool_folder import SpoolReader
from cluster_runner.wire import Event, event_to_line
from cluster_sandbox.modal import ModalServer

PARTITION = "0" * 32 + "-1"


async def put(connection: Modal, *items: bytes) -> None:
    """As a container does."""
    _, events = await connection._places()
    await events.put_many(list(items), partition=PARTITION)


def lines(first: int, last: int) -> list[bytes]:
    body: dict[str, Any] = {"stream": "stdout", "text": "x\n"}
    return [event_to_line(Event(number, 1.0, "log", body)) for number in range(first, last + 1)]


async def test_what_is_stored_makes_room_and_nothing_is_lost(server: ModalServer, login: Login, tmp_path: Path) -> None:
    connection = Modal(login)
    await put(connection, *lines(1, 800), b"artifact 801 0 3\nabc", *lines(801, 1200))
    heard = asyncio.Event()
    receiver = Receiver(connection, PARTITION, tmp_path / "spool", heard.set)
    await receiver.drain()
    (queue,) = server.world.queues.values()
    there = queue.partitions[PARTITION.encode()].items

    await receiver.stored(0)
    assert len(there) == 1201
    # The piece of a file goes only with the event that names it.
    await receiver.stored(800)
    assert len(there) == 401
    await receiver.stored(1200)
    assert len(there) == 401, "there is room enough"

    await put(connection, *lines(1201, 1202))
    await receiver.drain()
    reader = SpoolReader(tmp_path / "spool")
    numbers: list[int] = []
    while piece := reader.read(len(numbers)):
        numbers += [event.n for event in piece]
    assert numbers == list(range(1, 1203))
    await receiver.close()

    # Another life finds what is left, from where the store is.
    second = Receiver(connection, PARTITION, tmp_path / "spool", heard.set)
    await second.drain()
    assert [event.n for event in SpoolReader(tmp_path / "spool").read(800)][:2] == [801, 802]
    assert (await second.stored(1202)) is None
    await second.close()
    await connection.close()
