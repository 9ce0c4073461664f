"""How the functions of this room become RPCs: `@rpcs.answer("DictLen")` above each.

A handler takes a `Caller` and the request and returns the answer (None: an empty one; a list: a stream), now or later.
It raises GRPCError to refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

if TYPE_CHECKING:
    from ..model import Container
    from ..service import Service

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(slots=True)
class Caller:
    """Who asks. `container`: None for a client with a token; `remaining_s`: what is left of the request's deadline."""

    service: Service
    container: Container | None
    remaining_s: float | None

    @property
    def inside(self) -> Container:
        """The container that asks; UNAUTHENTICATED for a client, whom such an RPC is not for."""
        if self.container is None:
            raise GRPCError(Status.UNAUTHENTICATED, "This is for containers")
        return self.container


Answer = Callable[[Caller, Any], Any | Awaitable[Any]]


class Rpcs:
    """The RPCs of one module, by name. Those `within` are open to containers that may not use Modal, too."""

    def __init__(self, *, within: bool = False) -> None:
        self.all: dict[str, Answer] = {}
        self.within = within

    def answer(self, name: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.all[name] = handler
            return handler

        return register


def must_be_made(there: bool, what: str, name: str, kind: int) -> bool:
    """Whether a request to get or create `what` has to create it; raises where it may not, or could not be found."""
    if not name or kind in (pb.OBJECT_CREATION_TYPE_EPHEMERAL, pb.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP):
        raise GRPCError(Status.UNIMPLEMENTED, "The sandbox has named dicts and queues only")
    if there and kind == pb.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
        raise GRPCError(Status.ALREADY_EXISTS, f"{what} '{name}' exists")
    if not there and kind == pb.OBJECT_CREATION_TYPE_UNSPECIFIED:
        raise not_found(f"{what} '{name}'")
    return not there


def not_found(what: str) -> GRPCError:
    return GRPCError(Status.NOT_FOUND, f"{what} not found")
