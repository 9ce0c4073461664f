"""The way home: requests to the bot, by HTTP one after the other over one connection that is kept.

Called by `ship` and `job`, which know it as a `WayHome`: where there is no HTTP, something else may answer as the bot
would. Every request of the wire may be sent again without harm, which is why one that fell into a
connection that the other side had closed meanwhile is repeated at once. Redirects are never followed: the token is for
one address. Certificates are verified; `http_proxy`, `https_proxy` and `no_proxy` are obeyed. Limits: one thread.
"""

import base64
import os
import re
from typing import TYPE_CHECKING, Dict, NamedTuple, Optional, Protocol, Tuple
from urllib.parse import SplitResult, unquote, urlsplit

if TYPE_CHECKING:
    # It brings TLS with it: half of the time that a job needs to begin, for nothing where there is no address.
    import http.client

TIMEOUT_S = 10.0
# What a job keeps to where it speaks to the bot itself: posts in seconds, a heartbeat, how long it goes on at the end.
PACE = (4, 1.0)
HEARTBEAT_S = 5.0
FLUSH_S = 60.0
_MOST_ANSWER = 64 * 1024
_MOST_RETRY_AFTER_S = 60.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,1000}")


class UnreachableError(Exception):
    """No answer came; the text says why in the system's words, which hold nothing secret."""


class AddressError(ValueError):
    """The address or the token can't be used; the text says which, and repeats neither."""


class Answer(NamedTuple):
    """A status, a body, and the seconds after which the other side wants to be asked again (0: it did not say)."""

    status: int
    body: bytes
    retry_after_s: float = 0.0


class WayHome(Protocol):
    """Who answers a job as the bot's web side does, for the paths of the wire.

    `timeout_s` is how long an answer may take, `heartbeat_s` how often it is asked at least, `flush_s` how long what is
    left at the program's end may take to get there; seconds. `otherwise` says who has what did not, "" where nobody.
    """

    timeout_s: float
    heartbeat_s: float
    flush_s: float
    otherwise: str

    @property
    def pace(self) -> Tuple[int, float]:
        """At most so many posts of events in so many seconds, as of now."""
        ...

    def request(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json", most: int = _MOST_ANSWER
    ) -> Answer:
        """Ask once; raises UnreachableError where no answer came."""
        ...


class Home:
    """The bot at `address`, an http or https URL without query; raises AddressError for anything else."""

    def __init__(self, address: str, token: str) -> None:
        try:
            url = urlsplit(address)
            port = url.port
        except ValueError as error:
            raise AddressError("report_to is no address") from error
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
            raise AddressError("report_to is no plain http or https address")
        if not re.fullmatch(r"[\x21-\x7e]*", address):
            raise AddressError("report_to holds blanks or letters beyond ASCII")
        if not _TOKEN.fullmatch(token):
            raise AddressError("the token is missing or of an odd form")
        self._url, self._host, self._port = url, url.hostname, port
        self._prefix = url.path.rstrip("/")
        self._headers = {"Authorization": "Bearer " + token, "User-Agent": "cluster-runner"}
        self._proxy = _proxy_for(url)
        self._connection: Optional[http.client.HTTPConnection] = None
        self.timeout_s = TIMEOUT_S
        self.heartbeat_s = HEARTBEAT_S
        self.flush_s = FLUSH_S
        self.otherwise = "the artifact has them"
        self.pace = PACE

    def request(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json", most: int = _MOST_ANSWER
    ) -> Answer:
        """Ask once; `path` begins with a slash, `most` bounds the answer in bytes. Raises UnreachableError."""
        import http.client

        again = self._connection is not None
        try:
            return self._ask(method, path, body, kind, most)
        except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError) as error:
            self.close()
            if not again:
                raise UnreachableError(_words(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise UnreachableError(_words(error)) from error
        try:
            return self._ask(method, path, body, kind, most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise UnreachableError(_words(error)) from error

    def close(self) -> None:
        """Let the connection go; the next request makes another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, path: str, body: bytes, kind: str, most: int) -> Answer:
        connection = self._connected()
        headers = dict(self._headers)
        if method != "GET":
            headers["Content-Type"] = kind
            headers["Content-Length"] = str(len(body))
        connection.request(method, self._target(path, headers), body if method != "GET" else None, headers)
        response = connection.getresponse()
        text = response.read(most + 1)
        answer = Answer(response.status, text, _seconds(response.getheader("Retry-After")))
        if len(text) > most:
            # What is left of it would be taken for the next answer.
            self.close()
            return Answer(answer.status, b"", answer.retry_after_s)
        if response.will_close:
            self.close()
        return answer

    def _connected(self) -> "http.client.HTTPConnection":
        if self._connection is None:
            self._connection = self._connect()
        self._connection.timeout = self.timeout_s
        if self._connection.sock is not None:
            self._connection.sock.settimeout(self.timeout_s)
        return self._connection

    def _connect(self) -> "http.client.HTTPConnection":
        import http.client

        secure = self._url.scheme == "https"
        host, port = self._host, self._port
        if self._proxy is not None:
            host, port = self._proxy.hostname or "", self._proxy.port or 80
        if not secure:
            return http.client.HTTPConnection(host, port, timeout=self.timeout_s)
        connection = http.client.HTTPSConnection(host, port, timeout=self.timeout_s)
        if self._proxy is not None:
            connection.set_tunnel(self._host, self._port or 443, _proxy_headers(self._proxy))
        return connection

    def _target(self, path: str, headers: Dict[str, str]) -> str:
        target = self._prefix + path
        if self._proxy is None or self._url.scheme == "https":
            return target
        headers.update(_proxy_headers(self._proxy))
        return "http://%s%s" % (self._url.netloc, target)


def _proxy_for(url: SplitResult) -> Optional[SplitResult]:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        # Nobody was asked, and the import alone takes longer than asking the bot.
        return None
    from urllib.request import getproxies, proxy_bypass

    named = getproxies().get(url.scheme)
    if not named or proxy_bypass(url.netloc):
        return None
    proxy = urlsplit(named if "://" in named else "http://" + named)
    try:
        usable = proxy.scheme == "http" and proxy.hostname and proxy.port is not None
    except ValueError:
        usable = None
    if not usable:
        raise AddressError("the environment names a proxy that is no http://host:port")
    return proxy


def _proxy_headers(proxy: SplitResult) -> Dict[str, str]:
    if not proxy.username:
        return {}
    pair = "%s:%s" % (unquote(proxy.username), unquote(proxy.password or ""))
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}


def _seconds(header: Optional[str]) -> float:
    # The form with a date is not worth the trust in two clocks.
    if header is None or not re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return 0.0
    return min(float(header), _MOST_RETRY_AFTER_S)


def _words(error: BaseException) -> str:
    words: Tuple[Optional[str], ...] = (getattr(error, "strerror", None), type(error).__name__)
    return next(word for word in words if word)
