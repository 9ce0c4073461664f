"""A GitHub-compatible server on loopback that executes the workflow files of a folder with `act`.

async with GitHubServer(repository=folder, runners=[Runner("gpu-1", ("self-hosted", "nvidia"))]) as github:
    client = Github(base_url=github.api_url, auth=Auth.Token(github.token), retry=None)
    ...
    await github.wait_run(lambda run: run.completed)
"""

from ..faults import Fault
from ..record import Request
from .access import App, Installation
from .model import Artifact, Delivery, Execution, Hook, Job, Machine, Run, Runner, Step
from .policy import Policy
from .server import GitHubServer
from .storage import StorageFault
from .webhooks import DeliveryFault

__all__ = [
    "App",
    "Artifact",
    "Delivery",
    "DeliveryFault",
    "Execution",
    "Fault",
    "GitHubServer",
    "Hook",
    "Installation",
    "Job",
    "Machine",
    "Policy",
    "Request",
    "Run",
    "Runner",
    "Step",
    "StorageFault",
]
