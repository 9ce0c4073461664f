"""A bot's side of the wire for the tests of shipping: a real HTTP server on loopback that keeps what it is sent.

It keeps events as the contract says (in order, once, none after a gap), answers as it is told to, and records every
request. Whoever waits is woken by the next request.
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from .conftest import PATIENCE_S

TOKEN = "v1.1.99999999999.c2VjcmV0LXRva2Vu"


class Request(NamedTuple):
    """What came: method, last part of the path (`events`, `claim`, ...), size of the body, the answer's status, when,
    and the connection it came over."""

    method: str
    what: str
    size: int
    status: int
    at: float
    connection: int


class Reply(NamedTuple):
    """An answer by order: `status` 0 drops the connection; `keep` does what was asked all the same."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"
    keep: bool = False


class Bot(ThreadingHTTPServer):
    """`replies` are given first, in their order, per kind of request (`claim`, `payload`, `events`, `artifacts`)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}/bot"
        self.replies: dict[str, list[Reply]] = {}
        self.events: list[dict[str, Any]] = []
        self.files: dict[int, bytes] = {}
        self.requests: list[Request] = []
        self.payload = b""
        self.claimed: str | None = None
        self.stop = False
        self.news = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="bot")
        self._thread.start()

    def text(self) -> str:
        return "".join(event["text"] for event in self.events if event["kind"] == "log")

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait, request by request, until `condition` holds."""
        deadline = time.monotonic() + PATIENCE_S
        with self.news:
            while not condition():
                assert self.news.wait(deadline - time.monotonic()), "the bot waited in vain"

    def answer(self, method: str, what: str, number: str, body: bytes) -> tuple[int, bytes]:
        if what == "claim":
            instance = json.loads(body)["instance"]
            self.claimed = self.claimed or instance
            return (200, b'{"claimed": true}') if self.claimed == instance else (409, b"{}")
        if what == "payload":
            return 200, self.payload
        if what == "artifacts":
            self.files[int(number)] = body
            return 204, b""
        for line in body.splitlines():
            event = json.loads(line)
            if event["n"] == len(self.events) + 1:
                assert event.get("stored") is None or event["n"] in self.files, "named before it was put"
                self.events.append(event)
        return 200, json.dumps({"ack": len(self.events), "stop": self.stop}).encode()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that hangs up in the middle of an answer is among what is tested."""

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Bot

    def do_POST(self) -> None:
        bot, parts = self.server, self.path.split("/")
        assert parts[:3] == ["", "bot", "runs"], self.path
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        what, number = parts[4], parts[5] if len(parts) > 5 else ""
        with bot.news:
            waiting = bot.replies.get(what)
            reply = waiting.pop(0) if waiting else None
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                reply = Reply(401)
            status, content = reply[0] if reply else 0, reply.body if reply else b""
            if reply is None or reply.keep:
                kept = bot.answer(self.command, what, number, body)
                status, content = kept if reply is None else (status, content)
            at, connection = time.monotonic(), self.client_address[1]
            bot.requests.append(Request(self.command, what, len(body), status, at, connection))
            bot.news.notify_all()
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in reply.headers if reply else ():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(b"" if status == 204 else content)

    def do_PUT(self) -> None:
        self.do_POST()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what came is in `requests`."""
