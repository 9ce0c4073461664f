"""The named borders of `/run modal`: requests to Modal, and trip wires in the bot.

As with GitHub's, a border of Modal's is a fault of the server: before anything has happened, or after the effect and
without an answer.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass

from cluster_sandbox.record import Request

from .borders import When
from .modal_stage import ModalStage, order_of
from .programs import LEAVES_A_FILE, SHORT, STAYS, Program

Concerns = Callable[[ModalStage, Request, str], bool]


@dataclass(frozen=True)
class ModalBorder:
    """One border: `arm` makes the next life of the bot die there, on account of the run of a file."""

    name: str
    program: Program = SHORT
    verb: str = ""
    step: str | None = None
    rpc: str = ""
    concerns: Concerns = lambda stage, request, file: False

    async def arm(self, stage: ModalStage, when: When, file: str) -> None:
        """Start a life that dies here on account of the run of `file`."""
        if self.verb:
            await stage.start({"verb": self.verb, "step": self.step, "when": when, "nth": 1, "victim": file})
            return
        life = await stage.start()
        stage.order(self.rpc, when, lambda request: self.concerns(stage, request, file), lambda request: life.kill())


def _called(stage: ModalStage, request: Request, file: str) -> bool:
    return any(order_of(item.input.args).main == file for item in request.body.pipelined_inputs)


def _keyed(kind: str) -> Concerns:
    def concerns(stage: ModalStage, request: Request, file: str) -> bool:
        names = stage.attempts(file) | {call.id for call in stage.calls(file)}
        keys = [pickle.loads(update.key) for update in request.body.updates]
        return any(key == f"{kind}{name}" for key in keys for name in names)

    return concerns


def _of_the_call(stage: ModalStage, request: Request, file: str) -> bool:
    return any(call.id == request.body.function_call_id for call in stage.calls(file))


def _of_the_partition(stage: ModalStage, request: Request, file: str) -> bool:
    return request.body.partition_key.decode() in stage.attempts(file)


def _with_items(stage: ModalStage, request: Request, file: str) -> bool:
    """Of a program that runs, so that there is something to lose."""
    return _of_the_partition(stage, request, file) and bool(request.body.last_entry_id)


BORDERS = [
    ModalBorder("call", rpc="FunctionMap", concerns=_called),
    ModalBorder("call-remembered", rpc="DictUpdate", concerns=_keyed("call/")),
    ModalBorder("wish-saved", verb="save", step="wish"),
    ModalBorder("handle-saved", verb="save", step="handle"),
    ModalBorder("items", rpc="QueueNextItems", concerns=_with_items),
    ModalBorder("output", rpc="FunctionGetOutputs", concerns=_of_the_call),
    ModalBorder("stop-wished", STAYS, rpc="DictUpdate", concerns=_keyed("stop/")),
    ModalBorder("put-blob", LEAVES_A_FILE, verb="put_blob"),
    ModalBorder("append", verb="append"),
    ModalBorder("final-saved", verb="save", step="final"),
    ModalBorder("forbidden", rpc="DictUpdate", concerns=_keyed("")),
    ModalBorder("partition-cleared", LEAVES_A_FILE, rpc="QueueClear", concerns=_of_the_partition),
]
