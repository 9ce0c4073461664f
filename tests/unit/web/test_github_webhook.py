"""GitHub's webhook: what is passed on, after the answer, and what is refused, with a status and a line saying why."""

import asyncio
import hashlib
import hmac
import io
import json
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cluster_bot.hints import LocalHints
from cluster_bot.meter import WEBHOOKS, Meter
from cluster_bot.store import SqlStore
from cluster_bot.web import GithubWebhook, Tokens, WebServer
from cluster_bot.web.github_webhook import MOST_BYTES, PATH

SECRET = "it's a secret to everybody"
REPOSITORY = {"full_name": "Gpu-Club/Kernels"}


class Door:
    """A server with the webhook, and what its ear heard."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.heard: asyncio.Queue[tuple[str, Mapping[str, Any]]] = asyncio.Queue()
        self.port = 0

    def ear(self, event: str, payload: Mapping[str, Any]) -> None:
        if payload.get("explode"):
            raise RuntimeError("no such field")
        self.heard.put_nowait((event, payload))

    async def send(self, body: bytes, event: str = "workflow_run", **headers: str) -> tuple[int, dict[str, Any]]:
        """Post it as GitHub would; `headers` in the library's spelling win, "" leaves one out."""
        named = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "X-Hub-Signature-256": signed(body),
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        async with (
            aiohttp.ClientSession() as client,
            client.post(
                f"http://127.0.0.1:{self.port}{PATH}",
                data=io.BytesIO(body),
                headers={name: value for name, value in named.items() if value},
                skip_auto_headers=["Content-Type"],
            ) as answer,
        ):
            return answer.status, await answer.json()

    def counted(self) -> dict[str, float]:
        """Results and how often."""
        return {labels[0]: number for labels, number in self.meter.numbers(WEBHOOKS).items()}


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def told(**more: Any) -> bytes:
    return json.dumps({"action": "completed", "repository": REPOSITORY, **more}).encode()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = await SqlStore.open(f"sqlite:///{tmp_path / 'bot.sqlite3'}")
    one = Door(Meter())
    webhook = GithubWebhook(SECRET, "gpu-club/kernels", one.ear, one.meter)
    hints = LocalHints()

    async def well() -> str:
        return ""

    server = WebServer(store, Tokens(b"k" * 32), wishes=hints, news=hints, ready=well, port=0, more=[webhook])
    async with server:
        one.port = server.port
        yield one
    await store.close()


async def test_what_github_tells_is_passed_on(door: Door) -> None:
    assert await door.send(told(n=1)) == (202, {"taken": True})
    assert (await door.heard.get())[1]["n"] == 1
    assert (await door.send(told(n=2), "workflow_job"))[0] == 202
    assert (await door.heard.get())[0] == "workflow_job"
    assert (await door.send(b'{"zen": "Keep it logically awesome."}', "ping"))[0] == 202
    assert (await door.heard.get())[0] == "ping"
    assert door.counted() == {"taken": 2, "ping": 1}


async def test_what_is_not_ours_is_answered_and_left(door: Door) -> None:
    assert await door.send(told(), "push") == (202, {"taken": False})
    for repository in ({"full_name": "gpu-club/other"}, {}, None, [], {"full_name": 7}):
        assert (await door.send(told(repository=repository, n=str(repository))))[0] == 202
    assert door.heard.empty()
    assert door.counted() == {"not_ours": 6}


async def test_the_same_again_is_refused_whatever_it_calls_itself(door: Door) -> None:
    assert (await door.send(told()))[0] == 202
    assert (await door.send(told(), X_GitHub_Delivery="another"))[0] == 409
    assert (await door.heard.get())[1]["action"] == "completed"
    assert door.heard.empty()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (told(), {"X_Hub_Signature_256": signed(told(), "another secret")}, 403),
        (told(n=2), {"X_Hub_Signature_256": signed(told(n=1))}, 403),
        (told(), {"X_Hub_Signature_256": ""}, 403),
        (told(), {"X_Hub_Signature_256": "", "X_Hub_Signature": "sha1=" + "0" * 40}, 403),
        (told(), {"X_Hub_Signature_256": signed(told()).upper()}, 403),
        (told()[:-9], {"X_Hub_Signature_256": signed(told())}, 403),
        (told()[:-9], {}, 400),
        (b"[]", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"", {}, 400),
        (told(), {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        (told(), {"Content_Encoding": "gzip"}, 400),
        (b" " * (MOST_BYTES + 1), {}, 413),
    ],
    ids=lambda value: str(value)[:40] if not isinstance(value, bytes) else f"{len(value)} bytes",
)
async def test_what_is_refused(
    door: Door, caplog: pytest.LogCaptureFixture, body: bytes, headers: dict[str, str], status: int
) -> None:
    caplog.set_level(logging.INFO)
    answered, said = await door.send(body, **headers)
    assert answered == status
    assert said["error"].endswith(".")
    assert door.heard.empty()
    assert door.counted() == {f"refused_{status}": 1}
    (line,) = (one for one in caplog.records if getattr(one, "action", "") == "webhook_refused")
    assert SECRET not in str(vars(line))
    assert signed(body) not in str(vars(line))


async def test_one_that_breaks_off_is_no_delivery(door: Door) -> None:
    body = told()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    head = [f"POST {PATH} HTTP/1.1", "Host: here", "Content-Type: application/json", "X-GitHub-Event: workflow_run"]
    head += [f"X-Hub-Signature-256: {signed(body)}", f"Content-Length: {len(body) + 1}"]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    writer.write_eof()
    await reader.read()
    writer.close()
    assert (await door.send(told()))[0] == 202
    assert await door.heard.get()
    assert door.heard.empty()


async def test_a_flood_of_forgeries_is_logged_now_and_then(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        assert (await door.send(told(), X_Hub_Signature_256="sha256=" + "0" * 64))[0] == 403
    lines = [one for one in caplog.records if getattr(one, "action", "") == "webhook_refused"]
    assert 1 <= len(lines) < 50
    assert door.counted() == {"refused_403": 50}


async def test_an_ear_that_fails_harms_nobody(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    assert (await door.send(told(explode=True)))[0] == 202
    assert (await door.send(told()))[0] == 202
    assert await door.heard.get()
    assert [getattr(one, "action", "") for one in caplog.records].count("webhook_failed") == 1
