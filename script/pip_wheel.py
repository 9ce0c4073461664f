"""Fetches pip's own wheel where a machine has neither ensurepip nor pip; called by bootstrap.py, standard library only.

The version and the accepted hashes come from the lock file, so the index is only asked for bytes and need not be
trusted. Which index that is follows pip's configuration files and PIP_* variables, as pip itself would read them, as
far as it matters for one public file: index-url, extra-index-url, find-links, cert, proxy and no-index.
"""

import base64
import configparser
import hashlib
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

PYPI = "https://pypi.org/simple"
LIMIT = 64 * 2**20  # bytes; pip's wheel has 2 MB and its page in a public index less
TIMEOUT_S = 60.0

# What a person may have set for other work and what would turn a set-up astray.
ASTRAY = re.compile(
    "PYTHON(PATH|HOME|SAFEPATH)|VIRTUAL_ENV|__PYVENV_LAUNCHER__|PIP_(TARGET|PREFIX|ROOT|PYTHON|REQUIREMENT|CONSTRAINT|"
    "NO_BINARY|ONLY_BINARY|DRY_RUN|REPORT|QUIET|LOG|REQUIRE_HASHES|REQUIRE_VIRTUALENV)"
)


class SetupError(Exception):
    """The set-up cannot go on; the text says why, for the person at the terminal."""


def clean_environment() -> dict[str, str]:
    """The environment for pip: the person's, proxies and index included, without what would lead it astray."""
    kept = {name: value for name, value in os.environ.items() if not ASTRAY.fullmatch(name)}
    return kept | {"PIP_USER": "0", "PIP_NO_INPUT": "1"}


def fetch_pip(lock: Path, folder: Path) -> Path:
    """The wheel of the pip that `lock` pins, in `folder`; SetupError when no index gives a file with its hash."""
    version, hashes = _pinned(lock)
    name = f"pip-{version}-py3-none-any.whl"
    wheel = folder / name
    if wheel.exists() and hashlib.sha256(wheel.read_bytes()).hexdigest() in hashes:
        return wheel
    problems = []
    config = _pip_config()
    for place in _places(config):
        try:
            content = _get(_find(place, name, config), config)
        except (OSError, ValueError, LookupError) as error:
            problems.append(f"{_public(place)}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() not in hashes:
            problems.append(f"{_public(place)}: {name} has none of the hashes in {lock.name}")
            continue
        # Another process may be about to do the same.
        partial = wheel.with_suffix(f".{os.getpid()}.part")
        partial.write_bytes(content)
        partial.replace(wheel)
        return wheel
    raise SetupError(
        "This Python has neither pip nor ensurepip, and pip could not be fetched ("
        + ("; ".join(problems) or "no index is configured")
        + "): install it (on Debian and Ubuntu: apt install python3-venv) or check the network, and run this again."
    )


def _pinned(lock: Path) -> tuple[str, set[str]]:
    text = lock.read_text(encoding="utf-8")
    match = re.search(r"^pip==(\S+)((?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})+)", text, re.MULTILINE)
    if not match:
        raise SetupError(f"{lock.name} pins no pip; run script/lock.")
    return match[1], set(re.findall(r"sha256:([0-9a-f]{64})", match[2]))


def _pip_config() -> dict[str, str]:
    """pip's settings by their names in its files; later places win, variables over files, as in pip."""
    if os.environ.get("PIP_CONFIG_FILE") == os.devnull:
        files = []
    else:
        config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        files = [Path(part) / "pip" / "pip.conf" for part in shared.split(":")]
        files += [Path("/etc/pip.conf"), Path.home() / ".pip" / "pip.conf", config_home / "pip" / "pip.conf"]
        files += [Path(os.environ["PIP_CONFIG_FILE"])] if os.environ.get("PIP_CONFIG_FILE") else []
    parser = configparser.RawConfigParser()
    parser.read(files, encoding="utf-8")
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found.update((name.replace("_", "-"), value) for name, value in parser.items(section))
    for name, value in os.environ.items():
        if name.startswith("PIP_") and value:
            found[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return found


def _places(config: dict[str, str]) -> Iterator[str]:
    """Where the wheel may lie, best first: folders and pages of find-links, then the page of each index."""
    yield from config.get("find-links", "").split()
    if config.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        return
    for index in [config.get("index-url", PYPI), *config.get("extra-index-url", "").split()]:
        yield index.rstrip("/") + "/pip/"


def _public(place: str) -> str:
    """A place without the password it may hold."""
    return re.sub(r"//[^/@]*@", "//", place)


class _Links(HTMLParser):
    """The addresses in a page of an index, or of find-links."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _find(place: str, name: str, config: dict[str, str]) -> str:
    """The address of the file called `name` at `place`; LookupError if it is not there."""
    if "://" not in place:
        place = Path(place).expanduser().resolve().as_uri()
    if place.startswith("file:"):
        path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(place).path))
        if (path / name).is_file():
            return (path / name).as_uri()
        if path.is_dir():  # an index laid out as folders
            place = (path / "index.html").as_uri()
    links = _Links()
    links.feed(_get(place, config).decode("utf-8", "replace"))
    for address in links.addresses:
        target = urllib.parse.urljoin(place, address)
        if urllib.parse.unquote(urllib.parse.urlsplit(target).path).rpartition("/")[2] == name:
            return urllib.parse.urldefrag(target).url
    raise LookupError(f"{name} is not there")


def _get(address: str, config: dict[str, str]) -> bytes:
    """The bytes at `address`, with the certificates, the proxy and the password that pip would use."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("https", "http", "file"):
        raise ValueError(f"{parts.scheme or 'no'} addresses are not supported")
    headers = {"User-Agent": "cluster-bot-set-up", "Accept": "text/html, */*;q=0.1"}
    host = parts.netloc
    if "@" in host:
        user, _, host = host.rpartition("@")
        secret = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        headers["Authorization"] = f"Basic {secret}"
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=host)), headers=headers)
    context = ssl.create_default_context(cafile=config.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE"))
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if config.get("proxy"):
        handlers.append(urllib.request.ProxyHandler({"http": config["proxy"], "https": config["proxy"]}))
    with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S) as answer:
        content: bytes = answer.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise ValueError("the answer is too large")
    return content
