"""Modal as this launcher needs it: a few verbs over the released client.

All that the running bot knows of the client's inside. It is used in the bot's own loop, through the classes with an
underscore, since those without one do their work in a thread and a loop of their own; and where the client would
unpickle what a container sent (`FunctionCall.get`, `Queue.iterate`, `Dict.get`), the request below it is made here
instead. Neither is promised to stay, which is why the client is pinned to a minor version.

Raises what the client raises: `modal.exception.Error`s, and `TimeoutError` and `OSError` where nobody answers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import modal.exception
from grpclib.exceptions import StreamTerminatedError
from modal._functions import _Function
from modal._utils.grpc_utils import Retry
from modal.client import _Client
from modal.dict import _Dict
from modal.queue import _Queue
from modal_proto import api_pb2

from cluster_bot.launchers.modal_functions.plain import NotPlainError, plain_value

PUBLIC_API = "https://api.modal.com"
FUNCTION = "run_job"
# How long beyond its own wait an answer may take.
_GRACE_S = 10.0
# A deployed function's id, and what was made of it, are asked for again after this.
_FUNCTION_S = 60.0
_MOST_EXCEPTION_CHARS = 500
# Requests that lie open on one connection: a server takes a hundred or so, and who comes next waits without a word.
_MOST_ON_ONE = 60

# What the client raises where Modal could not be asked, as against Modal's saying no.
OUTAGES = (
    modal.exception.ConnectionError,
    modal.exception.ServiceError,
    modal.exception.InternalError,
    modal.exception.InternalFailure,
    modal.exception.TimeoutError,
    modal.exception.ClientClosed,
    StreamTerminatedError,
    TimeoutError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Login:
    """Who the bot is to Modal, and which app it uses there; `environment` "" is the workspace's default."""

    token_id: str
    token_secret: str
    app: str
    environment: str = ""
    server_url: str = PUBLIC_API


@dataclass(frozen=True, slots=True)
class Output:
    """How a call ended: Modal's word for it in lower case, such as `success`, the exception's text, the exit code."""

    status: str
    exception: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a partition, and where it stands in it."""

    entry: str
    content: bytes


def status_word(number: int) -> str:
    """Modal's word for how a call ended; one that this client does not know yet is none."""
    values = api_pb2.GenericResult.GenericStatus.DESCRIPTOR.values_by_number
    return str(values[number].name).removeprefix("GENERIC_STATUS_").lower() if number in values else "unspecified"


class ExpiredError(Exception):
    """Modal knows the call and keeps its result no longer."""


class _Connected:
    """One connection, made when it is first wanted, once for all who wait for it; `busy` requests lie open on it."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._opening: asyncio.Task[Any] | None = None
        self.busy = 0

    async def client(self) -> Any:
        """The client; raises what it raises where it can't connect, and tries again the next time."""
        if self._opening is None or (self._opening.done() and not _went_well(self._opening)):
            self._opening = asyncio.create_task(self._open(), name="modal-connect")
        # Whoever waits no longer leaves it to the others.
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """Let go of it."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        if _went_well(opening):
            await opening.result().close()

    async def _open(self) -> Any:
        login = self._login
        client: Any = _Client(login.server_url, api_pb2.CLIENT_TYPE_CLIENT, (login.token_id, login.token_secret))
        await client._open()
        return client


def _went_well(opening: asyncio.Task[Any]) -> bool:
    return not opening.cancelled() and opening.exception() is None


class Modal:
    """One login. Connects when it is first used; every verb may be called again."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._client: _Connected | None = None
        self._others: list[_Connected] = []
        self._functions: dict[tuple[str, int], tuple[float, Any]] = {}
        self._kept: tuple[Any, Any] | None = None

    @property
    def claims(self) -> str:
        """The name of the Dict."""
        return f"{self._login.app}-claims"

    @property
    def events(self) -> str:
        """The name of the Queue."""
        return f"{self._login.app}-events"

    async def close(self) -> None:
        """Let go of the connection."""
        all_of_them = [*self._others, *([] if self._client is None else [self._client])]
        self._client, self._others = None, []
        self._functions.clear()
        self._kept = None
        for one in all_of_them:
            await one.close()

    async def hello(self) -> None:
        """Ask Modal whether it takes the token."""
        await (await self._open()).hello()

    async def find_function(self) -> None:
        """Ask whether the app is deployed; raises NotFoundError where it is not."""
        function = self._named()
        await function.hydrate(await self._open())

    # --- calls --------------------------------------------------------------------------------------------------

    async def function(self, gpu: str, timeout_s: int) -> Any:
        """The function with a GPU and a time of its own. Nothing is started by this."""
        at, function = self._functions.get((gpu, timeout_s), (0.0, None))
        if function is None or time.monotonic() - at > _FUNCTION_S:
            function = self._named().with_options(gpu=gpu, timeout=timeout_s)
            await function.hydrate(await self._open())
            self._functions[gpu, timeout_s] = (time.monotonic(), function)
        return function

    async def spawn(self, function: Any, order: str) -> str:
        """Call it; the call's id. Where this raises one of OUTAGES, nobody knows whether it was called."""
        try:
            call = await function.spawn(order)
        except modal.exception.NotFoundError:
            # Deployed anew, or stopped, since it was looked up.
            self._functions.clear()
            raise
        return str(call.object_id)

    async def output(self, call: str, wait_s: float) -> Output | None:
        """How the call ended; None where it has not after `wait_s`. Raises ExpiredError, NotFoundError."""
        request = api_pb2.FunctionGetOutputsRequest(
            function_call_id=call,
            timeout=wait_s,
            last_entry_id="0-0",
            clear_on_success=False,
            requested_at=time.time(),
            start_idx=0,
            end_idx=0,
        )
        async with self._stub(wait_s) as stub:
            response = await stub.FunctionGetOutputs(request, retry=Retry(attempt_timeout=wait_s + _GRACE_S))
        if not response.outputs:
            if response.num_unfinished_inputs == 0:
                raise ExpiredError
            return None
        result = response.outputs[0].result
        return Output(status_word(result.status), result.exception[:_MOST_EXCEPTION_CHARS], result.exitcode)

    async def cancel(self, call: str, *, terminate: bool) -> None:
        """End a call; with `terminate` its container too, without asking it."""
        request = api_pb2.FunctionCallCancelRequest(function_call_id=call, terminate_containers=terminate)
        await (await self._open())._stub.FunctionCallCancel(request)

    # --- what is kept at Modal ----------------------------------------------------------------------------------

    async def put_once(self, key: str, value: str) -> bool:
        """Put it into the Dict unless the key is there already; whether it was put."""
        claims, _ = await self._places()
        return bool(await claims.put(key, value, skip_if_exists=True))

    async def put(self, key: str, value: str) -> None:
        """Put it into the Dict, in the place of what is there."""
        claims, _ = await self._places()
        await claims.put(key, value)

    async def value(self, key: str) -> str | None:
        """What is in the Dict, None where nothing is that could be ours."""
        claims, _ = await self._places()
        request = api_pb2.DictGetRequest(dict_id=claims.object_id, key=_pickled(key))
        response = await (await self._open())._stub.DictGet(request)
        if not response.found:
            return None
        try:
            value = plain_value(response.value)
        except NotPlainError:
            return None
        return value if isinstance(value, str) else None

    async def items(self, partition: str, after: str, wait_s: float) -> Sequence[Item]:
        """The partition's items after the entry `after` ("": from the first), as many as come at once.

        [] where none came within `wait_s`. What is no bytes comes as none: b"".
        """
        _, events = await self._places()
        request = api_pb2.QueueNextItemsRequest(
            queue_id=events.object_id, partition_key=partition.encode(), last_entry_id=after, item_poll_timeout=wait_s
        )
        async with self._stub(wait_s) as stub:
            response = await stub.QueueNextItems(request, retry=Retry(attempt_timeout=wait_s + _GRACE_S))
        return [Item(item.entry_id, _content(item.value)) for item in response.items]

    async def clear(self, partition: str) -> None:
        """Take all items out of a partition."""
        _, events = await self._places()
        await events.clear(partition=partition)

    # --- below --------------------------------------------------------------------------------------------------

    async def _open(self) -> Any:
        if self._client is None:
            self._client = _Connected(self._login)
        return await self._client.client()

    @asynccontextmanager
    async def _stub(self, wait_s: float) -> AsyncIterator[Any]:
        """Where to ask; what may lie open for `wait_s` never keeps short requests from their answers."""
        if not wait_s:
            yield (await self._open())._stub
            return
        one = next((one for one in self._others if one.busy < _MOST_ON_ONE), None)
        if one is None:
            one = _Connected(self._login)
            self._others.append(one)
        one.busy += 1
        try:
            yield (await one.client())._stub
        finally:
            one.busy -= 1

    def _named(self) -> Any:
        return _Function.from_name(self._login.app, FUNCTION, environment_name=self._login.environment or None)

    async def _places(self) -> tuple[Any, Any]:
        if self._kept is None:
            client, where = await self._open(), self._login.environment or None
            claims = _Dict.from_name(self.claims, environment_name=where, create_if_missing=True)
            events = _Queue.from_name(self.events, environment_name=where, create_if_missing=True)
            await claims.hydrate(client)
            await events.hydrate(client)
            self._kept = claims, events
        return self._kept


def _content(pickled: bytes) -> bytes:
    try:
        value = plain_value(pickled)
    except NotPlainError:
        return b""
    return value if isinstance(value, bytes) else b""


def _pickled(key: str) -> bytes:
    # The client's own: a key is found by its bytes.
    from modal._serialization import serialize

    return bytes(serialize(key))
