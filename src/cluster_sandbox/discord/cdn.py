"""Addresses of files: signed, and good for a day, so that code which stores one learns that it should not."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import quote

from .clock import Clock
from .model import Attachment
from .policy import Policy


class Cdn:
    """Signs and checks addresses; keeps every file ever uploaded, by id."""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self.base = ""
        """Set once the port is known."""
        self.files: dict[int, Attachment] = {}

    def add(self, attachment: Attachment) -> Attachment:
        self.files[attachment.id] = attachment
        return attachment

    def url(self, attachment: Attachment) -> str:
        """A fresh address, with `ex` (end), `is` (issue) in hex seconds and `hm` (signature)."""
        issued = int(self._clock.now())
        expires = issued + int(self._policy.attachment_url_s)
        folder = "ephemeral-attachments" if attachment.ephemeral else "attachments"
        path = f"{folder}/{attachment.channel_id}/{attachment.id}/{quote(attachment.filename)}"
        signature = self._sign(attachment.id, f"{expires:x}", f"{issued:x}")
        return f"{self.base}/{path}?ex={expires:x}&is={issued:x}&hm={signature}&"

    def fetch(self, attachment_id: int, query: dict[str, str]) -> Attachment | None:
        """The file behind an address; None for a wrong signature, an old address or a removed file."""
        expires, issued = query.get("ex", ""), query.get("is", "")
        expected = self._sign(attachment_id, expires, issued)
        if not hmac.compare_digest(expected.encode(), query.get("hm", "").encode()):
            return None
        return None if int(expires, 16) < self._clock.now() else self.files.get(attachment_id)

    def _sign(self, attachment_id: int, expires: str, issued: str) -> str:
        text = f"{attachment_id}:{expires}:{issued}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
