"""What the RPCs work with: the world, the scheduler, the stores, the faults, the record, the tokens."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from typing import Any

from grpclib import GRPCError, Status

from ..faults import Faults
from ..record import Record
from .blob_store import BlobStore
from .files import Files
from .model import App
from .policy import Policy
from .scheduler import Scheduler
from .world import World


class Tokens:
    """The token of the workspace."""

    def __init__(self) -> None:
        self.id = f"ak-{secrets.token_hex(11)}"
        self.secret = f"as-{secrets.token_hex(11)}"
        self.revoked = False

    def check(self, token_id: str, secret: str) -> None:
        """GRPCError UNAUTHENTICATED unless they are the workspace's, and good."""
        same = hmac.compare_digest(token_id.encode(), self.id.encode())
        same &= hmac.compare_digest(secret.encode(), self.secret.encode())
        if not token_id or not secret:
            raise GRPCError(Status.UNAUTHENTICATED, "Token missing")
        if not same or self.revoked:
            raise GRPCError(Status.UNAUTHENTICATED, "Token ID or secret is not valid, or the token was revoked")


class Service:
    """One per server; made by `server.py`."""

    def __init__(self, world: World, policy: Policy, scheduler: Scheduler, files: Files, names: list[str]) -> None:
        self.world, self.policy, self.scheduler, self.files = world, policy, scheduler, files
        self.record = Record()
        self.faults = Faults(lambda: names)
        self.tokens = Tokens()
        self.blobs = BlobStore()
        self.remembered: OrderedDict[tuple[str, str], Any] = OrderedDict()
        """Answers by RPC and idempotency key."""
        self.build_errors: list[str] = []
        """What the next builds of images fail with, one each."""

    def stop_app(self, app: App) -> None:
        """Stop an app for good: its functions are gone, its containers killed, its calls over."""
        app.state = "stopped"
        for call in [one for one in self.world.calls.values() if one.function.app is app]:
            self.scheduler.cancel(call, terminate=True)
        for container in [one for one in self.world.containers.values() if one.function.app is app]:
            self.scheduler.end(container, "app stopped")
        self.world.changed()
