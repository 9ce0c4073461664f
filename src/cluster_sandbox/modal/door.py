"""The way of every request: record, token, faults, idempotency key, handler, answer.

One `Door` stands on the address clients come to, one more on the socket of each container: that socket is how a
container is known, as on Modal, where the client in it sends no credentials. Used by `server.py` and `containers.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import Mapping
from typing import Any

import grpclib.const
import grpclib.server
from grpclib import GRPCError, Status
from modal_proto.api_grpc import ModalClientBase

from ..faults import Fault
from ..record import Request
from .model import Container
from .rpc import apps, auth, blobs, calls, containers, dicts, functions, images, mounts, queues
from .rpc.registry import Caller
from .service import Service

log = logging.getLogger(__name__)
MODULES = (apps, auth, blobs, calls, containers, dicts, functions, images, mounts, queues)
ANSWERS = {name: handler for module in MODULES for name, handler in module.rpcs.all.items()}
WITHIN = {name for module in MODULES if module.rpcs.within for name in module.rpcs.all}
KEYS_KEPT = 10_000


class _Blank(ModalClientBase):
    """Only to be asked which RPCs there are; it answers none."""


_Blank.__abstractmethods__ = frozenset()
RPCS: dict[str, grpclib.const.Handler] = _Blank().__mapping__()  # type: ignore[abstract]
NAMES = [path.rpartition("/")[2] for path in RPCS]


class DroppedError(Exception):
    """A fault asks for the connection to be cut instead of an answer."""


class Door:
    """What a grpclib server serves. `container`: whose door it is; None for the clients'."""

    def __init__(self, service: Service, container: Container | None = None) -> None:
        self._service, self._container = service, container

    def __mapping__(self) -> Mapping[str, grpclib.const.Handler]:
        return {
            path: handler._replace(func=functools.partial(self._serve, path, handler)) for path, handler in RPCS.items()
        }

    async def _serve(self, path: str, rpc: grpclib.const.Handler, stream: grpclib.server.Stream[Any, Any]) -> None:
        service, name = self._service, path.rpartition("/")[2]
        metadata = {key: str(value) for key, value in (stream.metadata or {}).items()}
        entry = service.record.open(
            time=service.world.now(),
            method="POST",
            path=path,
            route=name,
            query={
                "caller": self._container.id if self._container else "client",
                "key": metadata.get("x-idempotency-key", ""),
                "retry": metadata.get("x-retry-attempt", "0"),
            },
        )
        try:
            entry.body = message = await stream.recv_message()
            if message is None:
                return
            for answer in await self._answer(name, rpc, entry, metadata, message, stream):
                await stream.send_message(answer)
            entry.status = Status.OK.value
        except GRPCError as error:
            entry.status, entry.error = error.status.value, error.message
            raise
        except DroppedError:
            entry.error = "connection dropped"
            stream._stream._transport.abort()
        except (asyncio.CancelledError, ConnectionError):
            entry.error = "the caller went away"
            raise
        except Exception as error:
            # A bug of ours: said and recorded, as it would otherwise hide behind a client's retries.
            log.exception("the sandbox failed on %s", name)
            entry.error = f"sandbox failure: {error!r}"
            raise GRPCError(Status.UNIMPLEMENTED, f"The sandbox itself failed: {error!r}") from error

    async def _answer(
        self,
        name: str,
        rpc: grpclib.const.Handler,
        entry: Request,
        metadata: Mapping[str, str],
        message: Any,
        stream: grpclib.server.Stream[Any, Any],
    ) -> list[Any]:
        self._authorize(name, metadata)
        if (fault := self._service.faults.take("before", entry)) is not None:
            await self._strike(fault, entry)
        if name not in ANSWERS:
            raise GRPCError(Status.UNIMPLEMENTED, f"The sandbox has no {name}")
        remaining = stream.deadline.time_remaining() if stream.deadline is not None else None
        caller = Caller(self._service, self._container, remaining)
        result = await self._once(name, caller, message, metadata.get("x-idempotency-key", ""))
        if (fault := self._service.faults.take("after", entry)) is not None:
            await self._strike(fault, entry)
        if isinstance(result, list):
            return result
        return [rpc.reply_type() if result is None else result]

    async def _once(self, name: str, caller: Caller, message: Any, key: str) -> Any:
        """What the handler says, or said when the same key came first."""
        remembered = self._service.remembered
        keep = bool(key) and name in self._service.policy.repeatable
        if keep and (name, key) in remembered:
            return remembered[name, key]
        result = ANSWERS[name](caller, message)
        if inspect.isawaitable(result):
            result = await result
        if keep:
            remembered[name, key] = result
            while len(remembered) > KEYS_KEPT:
                remembered.popitem(last=False)
        return result

    def _authorize(self, name: str, metadata: Mapping[str, str]) -> None:
        if self._container is None:
            self._service.tokens.check(metadata.get("x-modal-token-id", ""), metadata.get("x-modal-token-secret", ""))
        elif not self._container.alive:
            raise GRPCError(Status.UNAUTHENTICATED, "The container is over")
        elif self._container.proto.untrusted and name not in WITHIN:
            raise GRPCError(Status.PERMISSION_DENIED, "The function's containers may not use Modal")

    async def _strike(self, fault: Fault, entry: Request) -> None:
        """Let a fault have its way; GRPCError is its answer."""
        entry.fault = True
        await fault.act(entry)
        if fault.latency > 0:
            passed = asyncio.Event()
            asyncio.get_running_loop().call_later(fault.latency, passed.set)
            await passed.wait()
        if fault.drop_connection:
            raise DroppedError
        if fault.status is not None:
            raise GRPCError(status_of(fault.status), str(fault.body or "ordered fault"))


def status_of(number: int) -> Status:
    """The gRPC status of a number; UNAVAILABLE for one of HTTP, such as the default of a fault."""
    with contextlib.suppress(ValueError):
        return Status(number)
    return Status.UNAVAILABLE
