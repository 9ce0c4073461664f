"""The parts of one server, wired. The REST handlers, the acting members and the control API all get this."""

from __future__ import annotations

import secrets

from ..faults import Faults
from ..pulse import Pulse
from ..record import Record
from .buckets import Buckets
from .cdn import Cdn
from .clock import Clock
from .commands import Commands
from .gateway import Gateway
from .interactions import Interactions
from .log import EventLog
from .messaging import Messaging
from .payloads import Payloads
from .policy import Policy
from .threads import Threads
from .world import World


class Service:
    """Everything but sockets. `templates` is filled by the REST floor with the routes it serves."""

    def __init__(self, policy: Policy, bot_name: str) -> None:
        self.policy = policy
        self.clock = Clock()
        self.pulse = Pulse()
        self.world = World(policy, self.clock, bot_name)
        self.token = f"{self.world.bot.id}.{secrets.token_urlsafe(8)}.{secrets.token_urlsafe(24)}"
        self.cdn = Cdn(policy, self.clock)
        self.payloads = Payloads(self.world, self.cdn)
        self.gateway = Gateway(self.world, self.payloads, policy, self.clock, self.token, self.pulse)
        self.log = EventLog(self.pulse)
        self.messaging = Messaging(self.world, self.cdn, self.payloads, self.gateway, self.log)
        self.threads = Threads(self.world, self.messaging)
        self.interactions = Interactions(self.world, self.messaging, self.payloads, self.pulse)
        self.commands = Commands(self.world, self.pulse)
        self.record = Record()
        self.templates: list[str] = []
        self.faults = Faults(lambda: self.templates)
        self.buckets = Buckets(policy, self.clock)
