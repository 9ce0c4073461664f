"""Troubles on order, tokens, quotas: what the real client makes of them, and what the server then did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import modal_jobs
import pytest
import pytest_asyncio
from handles import Jobs, connected, deploy
from modal._functions import _Function
from modal.client import _Client
from modal.exception import AuthError, NotFoundError, ResourceExhaustedError, ServiceError
from modal_proto import api_pb2

from cluster_sandbox.faults import Fault
from cluster_sandbox.modal import ModalServer


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[ModalServer]:
    """A server whose containers never start: cheap."""
    async with ModalServer() as running:
        running.hold_containers()
        await deploy(running, modal_jobs.app)
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: ModalServer) -> AsyncIterator[_Client]:
    async with connected(server) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def run(client: _Client) -> _Function[[str], str, str]:
    function: _Function[[str], str, str] = _Function.from_name("jobs", "run", client=client)
    return await function.hydrate()


async def test_the_token_opens_the_door(server: ModalServer, client: _Client) -> None:
    await client.hello()
    for wrong in ((server.token_id, "as-wrong"), ("ak-wrong", server.token_secret)):
        async with _Client(server.url, api_pb2.CLIENT_TYPE_CLIENT, wrong) as stranger:
            with pytest.raises(AuthError):
                await stranger.hello()
    # A client that says it is a container is no container.
    async with _Client(server.url, api_pb2.CLIENT_TYPE_CONTAINER, None) as pretender:
        with pytest.raises(AuthError):
            await pretender._stub.FunctionGetInputs(api_pb2.FunctionGetInputsRequest())


async def test_a_revoked_token_opens_nothing(
    server: ModalServer, client: _Client, run: _Function[[str], str, str]
) -> None:
    server.revoke_token()
    for refused in (client.hello, lambda: run.spawn("")):
        with pytest.raises(AuthError):
            await refused()
    assert server.calls == []


async def test_what_is_for_containers_is_not_for_clients(client: _Client) -> None:
    with pytest.raises(AuthError):
        await client._stub.FunctionGetInputs(api_pb2.FunctionGetInputsRequest())


async def test_an_rpc_that_is_not_built_says_so(client: _Client) -> None:
    with pytest.raises(Exception, match="VolumeCommit"):
        await client._stub.VolumeCommit(api_pb2.VolumeCommitRequest())


async def test_a_token_for_the_input_plane_is_well_formed(client: _Client) -> None:
    metadata = dict(await client.get_input_plane_metadata("nowhere"))
    assert metadata["x-modal-auth-token"].count(".") == 2


async def test_a_quota_refuses_calls(server: ModalServer, run: _Function[[str], str, str]) -> None:
    server.refuse_calls()
    with pytest.raises(ResourceExhaustedError, match="spend limit"):
        await run.spawn("")
    assert (server.calls, server.requests("FunctionMap")) == ([], 1)
    server.faults.clear()
    await run.spawn("")


async def test_a_repeated_spawn_makes_one_call(server: ModalServer, run: _Function[[str], str, str]) -> None:
    server.fail("FunctionMap", "UNAVAILABLE", after=True)
    server.fail("FunctionMap", drop_connection=True, after=True)
    call = await run.spawn("")
    assert [one.id for one in server.calls] == [call.object_id]
    assert server.requests("FunctionMap") == 3
    await run.spawn("")
    assert len(server.calls) == 2


async def test_a_trouble_that_stays_reaches_the_caller(server: ModalServer, run: _Function[[str], str, str]) -> None:
    server.outage()
    with pytest.raises(ServiceError, match="no Modal today"):
        await run.spawn("")
    assert server.requests("FunctionMap") == 4
    assert server.calls == []


async def test_a_callback_comes_when_the_effect_has_happened(
    server: ModalServer, run: _Function[[str], str, str]
) -> None:
    seen: list[int] = []
    server.fail("FunctionMap", None, after=True, action=lambda request: seen.append(len(server.calls)))
    server.fail("FunctionMap", None, action=lambda request: seen.append(len(server.calls)))
    await run.spawn("")
    assert seen == [0, 1]


async def test_an_answer_can_be_late(server: ModalServer, client: _Client) -> None:
    server.fail("ClientHello", None, latency=0.05)
    loop = asyncio.get_running_loop()
    before = loop.time()
    await client.hello()
    assert loop.time() - before >= 0.05


async def test_a_fault_for_nothing_is_refused(server: ModalServer) -> None:
    with pytest.raises(ValueError, match="no such route"):
        server.fail("FunctionMapp")
    with pytest.raises(KeyError):
        server.fail("FunctionMap", "BROKEN")


async def test_a_fault_with_the_default_status_is_an_outage(server: ModalServer, client: _Client) -> None:
    server.faults.add(Fault(route="ClientHello", times=4))
    with pytest.raises(ServiceError):
        await client.hello()


async def test_waiting_says_how_things_are(server: ModalServer, run: _Function[[str], str, str]) -> None:
    call = await run.spawn("")
    with pytest.raises(TimeoutError, match=f"{call.object_id}: queued"):
        await server.wait(lambda: server.call(call.object_id).output, 0.01)


async def test_every_request_is_in_the_transcript(server: ModalServer, run: _Function[[str], str, str]) -> None:
    await run.spawn("an order")
    last = server.transcript[-1]
    assert (last.route, last.query["caller"], last.status, last.error) == ("FunctionMap", "client", 0, None)
    assert b"an order" in last.body.pipelined_inputs[0].input.args
    unknown: _Function[[str], str, str] = _Function.from_name("jobs", "nothing", client=run.client)
    with pytest.raises(NotFoundError):
        await unknown.hydrate()
    assert (server.transcript[-1].status, server.transcript[-1].error) == (
        5,
        "Function 'nothing' of app 'jobs' not found",
    )


async def test_a_dropped_container_connection_costs_a_moment_only(jobs: Jobs) -> None:
    jobs.server.fail("FunctionPutOutputs", drop_connection=True, after=True)
    call = await jobs.spawn("pid")
    await call.get(timeout=30)
    jobs.server.fail("FunctionGetInputs", "UNAVAILABLE")
    await (await jobs.spawn("pid")).get(timeout=30)
