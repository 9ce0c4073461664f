"""What the REST side works with: the world, the faults, the record, tokens, hooks, the rate limit, the other host's
links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..faults import Faults
from ..record import Record, Request
from .access import Access, Token, at_level
from .limits import Limits
from .package import Package
from .storage import Storage
from .webhooks import Webhooks
from .world import World


class Service:
    def __init__(self, world: World) -> None:
        self.world = world
        self.record = Record()
        self.templates: list[str] = []
        self.faults = Faults(lambda: self.templates)
        self.limits = Limits(world.policy, world.now)
        self.storage = Storage(world)
        self.package = Package()
        self.access = Access(world.policy, world.owner, world.now, world.new_id)
        self.webhooks = Webhooks(world)
        self.answered: list[Callable[[Request, Any], None]] = []
        """Told of every answer to the API's callers that no fault was ordered for: the request and the body."""
        self.token, _ = self.access.add_token(login="cluster-bot", permissions=at_level("write"))

    @property
    def tokens(self) -> dict[str, Token]:
        """What opens the API, by the text of the token."""
        return self.access.tokens
