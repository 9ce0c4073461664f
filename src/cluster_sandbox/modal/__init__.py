"""A Modal-compatible control plane on loopback that runs containers as processes of this machine.

async with ModalServer() as modal:
    client = await _Client(modal.url, api_pb2.CLIENT_TYPE_CLIENT, (modal.token_id, modal.token_secret)).__aenter__()
    ...
    await modal.wait(lambda: modal.call(call_id).status == "succeeded")
"""

from ..faults import Fault
from ..record import Request
from .crew import Crew
from .model import App, Call, Container, Definition, Dictionary, Function, Image, Mount, Queue, Version
from .policy import Policy
from .server import ModalServer

__all__ = [
    "App",
    "Call",
    "Container",
    "Crew",
    "Definition",
    "Dictionary",
    "Fault",
    "Function",
    "Image",
    "ModalServer",
    "Mount",
    "Policy",
    "Queue",
    "Request",
    "Version",
]
