"""What the REST side works with: the world, the faults, the record, tokens, the rate limit, the other host's links."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ..faults import Faults
from ..record import Record
from .limits import Limits
from .storage import Storage
from .world import World


@dataclass(slots=True)
class Token:
    """One token of the API. `write`: may dispatch and cancel."""

    login: str
    write: bool = True


class Service:
    def __init__(self, world: World) -> None:
        self.world = world
        self.record = Record()
        self.templates: list[str] = []
        self.faults = Faults(lambda: self.templates)
        self.limits = Limits(world.policy, world.now)
        self.storage = Storage(world)
        self.token = "github_pat_" + secrets.token_hex(20)
        self.tokens = {self.token: Token("cluster-bot")}

    def add_token(self, *, write: bool) -> str:
        token = "github_pat_" + secrets.token_hex(20)
        self.tokens[token] = Token("cluster-bot", write)
        return token
