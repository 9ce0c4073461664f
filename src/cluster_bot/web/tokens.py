"""The tokens by which a runner shows which attempt it is, and the key they are made with.

Minted by whoever launches, checked by the ingest. A token names attempt and expiry in clear and is good for one run
alone; nothing is stored, so that any process with the key can check what any other minted. The form stands in
workflows/run-job/README.md. Limits: a token cannot be taken back before it expires; the ingest refuses it once its run
is over.
"""

import base64
import fcntl
import hmac
import math
import os
import re
import secrets
from pathlib import Path

from cluster_bot.errors import StartupError

_TOKEN = re.compile(r"v1\.([1-9][0-9]{0,9})\.([1-9][0-9]{0,14})\.([A-Za-z0-9_-]{43})")
# Of a key somebody chose; one that is made here has twice as many.
_LEAST_CHARS = 32


class Tokens:
    """Makes and checks tokens with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def mint(self, run_id: str, attempt: int, expires_at: float) -> str:
        """The token of an attempt, from 1, good until `expires_at`, seconds since the epoch."""
        expiry = math.ceil(expires_at)
        return f"v1.{attempt}.{expiry}.{self._mac(run_id, str(attempt), str(expiry))}"

    def check(self, token: str, run_id: str, now: float) -> int | None:
        """The attempt that `token` is good for, of this run and at this time; None where it is good for none."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        attempt, expiry, mac = found.groups()
        # Compared first and in constant time, so that nothing about a token is learnt from one that is made up.
        if not hmac.compare_digest(mac, self._mac(run_id, attempt, expiry)):
            return None
        return int(attempt) if now < int(expiry) else None

    def _mac(self, run_id: str, attempt: str, expiry: str) -> str:
        # The digits as they were written: no two texts stand for one token.
        mac = hmac.digest(self._key, f"v1.{run_id}.{attempt}.{expiry}".encode(), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def key_of(text: str) -> bytes:
    """The key an admin gave as text; raises StartupError where it could be guessed by trying."""
    if len(text.strip()) < _LEAST_CHARS:
        raise StartupError(
            f"WEB_KEY has less than {_LEAST_CHARS} characters; take the output of `openssl rand -hex 32`, or leave it "
            "out."
        )
    return text.strip().encode()


def load_key(path: Path) -> bytes:
    """The key in the file, made where there is none, readable by its owner alone. Blocks: before the loop, or a thread.

    Processes that make it at once agree on one. Raises StartupError with one sentence.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+", encoding="ascii") as file:
            # Whoever locks it first fills it; an empty one was left by a process that died before.
            fcntl.flock(file, fcntl.LOCK_EX)
            os.fchmod(file.fileno(), 0o600)
            key = file.read(4096).strip()
            if not key:
                key = secrets.token_hex(32)
                file.write(key + "\n")
                file.flush()
                os.fsync(file.fileno())
    except UnicodeDecodeError:
        key = ""
    except OSError as error:
        raise StartupError(
            f"The key file {path} can't be used ({error.strerror}); correct its folder's rights, or set WEB_KEY."
        ) from None
    if len(key) < _LEAST_CHARS:
        raise StartupError(f"The key file {path} holds no key; delete it, and the next start makes another.")
    return key.encode()
