"""Names of things as Modal makes them: a prefix that tells the kind, then letters and digits nobody can guess."""

from __future__ import annotations

import secrets
import string
import time

ALPHABET = string.ascii_letters + string.digits
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(prefix: str) -> str:
    """Such as `ap-` and 22 characters: apps, functions, images, mounts, dicts, queues."""
    return f"{prefix}-" + "".join(secrets.choice(ALPHABET) for _ in range(22))


def timed_id(prefix: str) -> str:
    """Such as `fc-01…` and 26 characters, later ones sorting after earlier ones: calls, inputs, containers."""
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return f"{prefix}-" + "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
