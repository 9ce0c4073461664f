"""Ordered troubles, and the rate limits that need no order."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from raw_bot import Api

from cluster_sandbox.discord import DiscordServer, Fault, Policy, Request

ROUTE = "/channels/{channel_id}/messages"


async def test_before_and_after(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    path = f"/channels/{general}/messages"
    server.faults.add(Fault(method="POST", route=ROUTE, status=500, body={"message": "no", "code": 7}))
    assert await api("POST", path, {"content": "lost"}) == (500, {"message": "no", "code": 7})
    assert server.messages(general) == []
    server.faults.add(Fault(method="post", route="/channels/{id}/messages", when="after", status=502))
    assert (await api("POST", path, {"content": "kept"}))[0] == 502
    assert [one.content for one in server.messages(general)] == ["kept"]
    assert [entry.fault for entry in server.record] == [True, True]
    assert (await api("POST", path, {"content": "fine"}))[0] == 200


async def test_which_requests_are_hit(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    path = f"/channels/{general}/messages"
    fault = Fault(route=ROUTE, skip=1, times=2, status=503, match=lambda one: one.body["content"] != "spared")
    server.faults.add(fault)
    sent = [(await api("POST", path, {"content": text}))[0] for text in ("a", "spared", "b", "c", "d")]
    assert sent == [200, 200, 503, 503, 200] and fault.hits == 2 and fault.spent
    server.faults.add(Fault(times=None, status=504))
    assert [(await api("GET", "/users/@me"))[0] for _ in range(3)] == [504] * 3
    server.faults.clear()
    assert (await api("GET", "/users/@me"))[0] == 200
    with pytest.raises(ValueError, match="no such route: /chanels"):
        server.faults.add(Fault(route="/chanels"))
    with pytest.raises(ValueError, match="before"):
        Fault(when="between")  # type: ignore[arg-type]


async def test_an_action_at_the_border(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    path = f"/channels/{general}/messages"
    counted: list[tuple[Request, int]] = []

    async def look(request: Request) -> None:
        counted.append((request, len(server.messages(general))))

    for when in ("before", "after"):
        server.faults.add(Fault(route=ROUTE, when=when, status=None, action=look))  # type: ignore[arg-type]
    assert (await api("POST", path, {"content": "x"}))[0] == 200
    assert [count for _, count in counted] == [0, 1]
    assert counted[0][0].body == {"content": "x"} and counted[0][0].route == ROUTE


async def test_a_dropped_connection(api: Api, server: DiscordServer) -> None:
    server.faults.add(Fault(route="/users/@me/channels", drop_connection=True))
    with pytest.raises(aiohttp.ClientError):
        await api("POST", "/users/@me/channels", {"recipient_id": "1"})
    assert server.record[-1].status is None and server.record[-1].error == "connection dropped"


async def test_latency_holds_the_answer_back(api: Api, server: DiscordServer) -> None:
    server.faults.add(Fault(route="/gateway", latency=0.2, status=None))
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert (await api("GET", "/gateway"))[0] == 200
    assert loop.time() - before >= 0.19


async def test_a_bucket(http: aiohttp.ClientSession) -> None:
    # A window as long as this cannot end by itself on a slow machine.
    async with DiscordServer(policy=Policy(message_bucket=(5, 500.0))) as server:
        http.headers["Authorization"] = f"Bot {server.bot_token}"
        await fill_a_bucket(Api(server, http), server)


async def fill_a_bucket(api: Api, server: DiscordServer) -> None:
    general = server.channel_id("general")
    url = f"{server.api_url}/channels/{general}/messages"
    for left in (4, 3, 2, 1, 0):
        async with api.session.post(url, json={"content": "x"}) as response:
            assert response.headers["X-RateLimit-Remaining"] == str(left)
            assert response.headers["X-RateLimit-Limit"] == "5"
            assert 0 < float(response.headers["X-RateLimit-Reset-After"]) <= 500
            bucket = response.headers["X-RateLimit-Bucket"]
    async with api.session.post(url, json={"content": "x"}) as response:
        body = await response.json()
        assert response.status == 429 and "Via" in response.headers and int(response.headers["Retry-After"]) >= 1
        assert response.headers["X-RateLimit-Scope"] == "user" and response.headers["X-RateLimit-Bucket"] == bucket
        assert body["global"] is False and 0 < body["retry_after"] <= 500
    assert (await api("POST", f"/channels/{server.channel_id('news')}/messages", {"content": "x"}))[0] == 200
    server.clock.advance(500)
    assert (await api("POST", f"/channels/{general}/messages", {"content": "x"}))[0] == 200
    assert [entry.status for entry in server.record][5] == 429
