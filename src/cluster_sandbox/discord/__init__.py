"""A Discord-compatible server on loopback: REST and gateway as discord.py needs them, strict where Discord is.

async with DiscordServer() as server:
    ada = server.member("ada")
    answer = await ada.command("ping", channel_id=server.channel_id("general"))
    await answer.answered()
"""

from ..faults import Fault
from ..record import Request
from .errors import ApiError
from .interactions import Interaction
from .log import MessageEvent
from .members import Acting, NoAnswerError
from .model import Channel, Message
from .options import CommandError, File
from .policy import Policy
from .server import DiscordServer

__all__ = [
    "Acting",
    "ApiError",
    "Channel",
    "CommandError",
    "DiscordServer",
    "Fault",
    "File",
    "Interaction",
    "Message",
    "MessageEvent",
    "NoAnswerError",
    "Policy",
    "Request",
]
