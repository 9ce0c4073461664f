"""The packages a Python program names itself (PEP 723: a `# /// script` block), installed before its clock starts.

Called by `execute`, and only where the machine's admin allowed it. `uv` installs as the program's own unprivileged
user, with the network open even where the program's is not, and wheels alone: nothing of a package is executed, and no
address, path or option can be named, only packages of the index. With a cache folder, what was installed for one list
serves every run that names the same; the program can read it and not write it, or else the cache is not used.

Limits: 120 seconds, 50 packages; a list without versions means whatever was newest when it was first installed; what
no run used for 14 days is removed. Below Python 3.11, which has no TOML reader, only a plain list of strings is read.
"""

import contextlib
import importlib
import json
import os
import re
import shutil
import time
from typing import Dict, List, Optional, Sequence, Tuple

from cluster_runner.identity import SetupError
from cluster_runner.languages import interpreter
from cluster_runner.wire import Payload

INSTALL_LIMIT_S = 120.0
TARGET = "../build/packages"
NOT_ALLOWED = (
    "This program names packages of its own, which this machine does not install; leave the `# /// script` block out, "
    "or ask its admin for --packages."
)
NO_UV = "This machine has no uv, which installs the packages that a program names; its admin can install it."
NOT_INSTALLED = "The packages that the program names could not be installed; its log says why."
_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(?:^#(?:| .*)$\s)+)^# ///$")
# A name, extras, versions, a condition; no address, no path, nothing that begins like an option.
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*( ?\[[A-Za-z0-9._, -]*\])?[A-Za-z0-9 ._*+!~=<>,()-]*(;[^@/\\\x00-\x1f]*)?"
)
_TABLE = re.compile(r"(?m)^\s*\[+[\w.\"' -]+\]+\s*(?:#.*)?$")
_LIST = re.compile(r"(?m)^[ \t]*dependencies[ \t]*=[ \t]*\[")
_TOKEN = re.compile(r"""(?:\s|#[^\n]*)*(?:"(?P<basic>[^"\\\n]*)"|'(?P<literal>[^'\n]*)'|(?P<sign>[\],]))""")
_MOST, _LONGEST = 50, 200
_UNUSED_S = 14 * 86400.0
# Which index is asked and how it is reached is the admin's to say.
_FOR_UV = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def named(payload: Payload) -> Tuple[str, ...]:
    """What the main file of a Python program asks for, () for nothing; raises SetupError where that can't be read."""
    if payload.language != "python":
        return ()
    text = payload.files[payload.main].replace("\r\n", "\n")
    blocks = [match["content"] for match in _BLOCK.finditer(text + "\n") if match["type"] == "script"]
    if not blocks:
        return ()
    if len(blocks) > 1:
        raise SetupError("The program has more than one `# /// script` block.")
    lines = [line[2:] if line.startswith("# ") else line[1:] for line in blocks[0].splitlines()]
    found = _dependencies("\n".join(lines) + "\n")
    if len(found) > _MOST:
        raise SetupError("The program names more than %d packages." % _MOST)
    for one in found:
        if len(one) > _LONGEST or not _REQUIREMENT.fullmatch(one):
            raise SetupError("The program may name packages of the index, with versions and no addresses or paths.")
    return tuple(found)


def _dependencies(text: str) -> List[str]:
    try:
        tomllib = importlib.import_module("tomllib")
    except ImportError:
        return _plain_list(text)
    try:
        found = tomllib.loads(text).get("dependencies", [])
    except (ValueError, RecursionError) as error:
        raise SetupError("The program's `# /// script` block is no TOML.") from error
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise SetupError("`dependencies` in the program's `# /// script` block is no list of strings.")
    return found


def _plain_list(text: str) -> List[str]:
    """`dependencies` of a TOML text that holds it as a list of plain strings before any table; [] where it has none."""
    head = _TABLE.split(text)[0]
    begun = _LIST.search(head)
    if begun is None and "dependencies" not in head:
        return []
    found: List[str] = []
    token = None if begun is None else _TOKEN.match(head, begun.end())
    while token is not None and token["sign"] is None:
        found.append(token["literal"] if token["basic"] is None else token["basic"])
        token = _TOKEN.match(head, token.end())
        if token is None or token["sign"] == "]":
            break
        token = _TOKEN.match(head, token.end()) if token["sign"] == "," else None
    if token is None or token["sign"] != "]":
        raise SetupError("`dependencies` must be a plain list of strings: this machine's Python reads no other TOML.")
    return found


class Packages:
    """The packages `names` for the interpreter `python`; `cache` is a folder of the machine's, None for none."""

    def __init__(self, names: Sequence[str], python: str, cache: Optional[str]) -> None:
        self._names, self._python = tuple(names), python
        self.uv = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(python))
        real = os.path.realpath(python)
        key = json.dumps([self._names, python, real, os.stat(real).st_mtime_ns])
        self.shelf: Optional[str] = None
        if cache is not None:
            import hashlib

            # Now, since what programs see is planned before anything is installed. A cache that cannot be is none.
            with contextlib.suppress(OSError):
                os.makedirs(cache, exist_ok=True)
                os.chmod(cache, 0o755)
                self.shelf = os.path.join(cache, hashlib.sha256(key.encode()).hexdigest()[:32])

    def command(self) -> Tuple[str, ...]:
        """How to install them into TARGET, which is relative to the program's folder."""
        options = ("--no-config", "--no-cache", "--only-binary", ":all:", "--no-progress", "--color", "never")
        place = ("--python", interpreter(self._python), "--target", TARGET)
        return (self.uv or "uv", "pip", "install", *options, *place, "--", *self._names)

    def on_the_shelf(self) -> bool:
        """Whether an earlier run left them in the cache; marks them as used."""
        try:
            os.utime(self.shelf or "")
        except OSError:
            return False
        return True

    def keep(self, installed: str) -> None:
        """Copy what lies in `installed` to the cache, as the runner's own; and remove there what nobody uses.

        For folders that nothing but uv has written to, and before the program starts.
        """
        if self.shelf is None:
            return
        import tempfile

        cache = os.path.dirname(self.shelf)
        draft = tempfile.mkdtemp(prefix="new-", dir=cache)
        try:
            shutil.copytree(installed, os.path.join(draft, "packages"), symlinks=True, copy_function=_copy)
            os.chmod(os.path.join(draft, "packages"), 0o755)
            with contextlib.suppress(OSError):
                # Another run was faster where it is there already.
                os.rename(os.path.join(draft, "packages"), self.shelf)
                os.utime(self.shelf)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        for entry in os.scandir(cache):
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < time.time() - _UNUSED_S:
                    shutil.rmtree(entry.path, ignore_errors=True)


def _copy(source: str, target: str) -> None:
    # Whatever its mode was: to be read by everybody and written by nobody else.
    shutil.copyfile(source, target, follow_symlinks=False)
    os.chmod(target, 0o755 if os.stat(source).st_mode & 0o100 else 0o644)


def environment() -> Dict[str, str]:
    """What uv is told of the runner's environment besides the program's."""
    wanted = {*_FOR_UV, *(name.lower() for name in _FOR_UV)}
    return {name: value for name, value in os.environ.items() if name in wanted}
