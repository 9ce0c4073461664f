"""Puts this version's app into an admin's Modal account, and looks at what is there.

Called by the command line (`cluster-bot modal deploy`) and by `cluster-bot check`. The app itself is `modal_runners`,
which reads what an admin chose from the environment.
"""

import asyncio
import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modal
import modal.exception
from modal_proto import api_pb2

from cluster_bot.errors import StartupError
from cluster_bot.launchers.modal_functions.connection import OUTAGES, Login, Modal
from cluster_bot.launchers.modal_functions.problems import words

# What says which version of the runner an app was deployed with, and how.
_DEPLOYED = "deployed"
# How long a look may take: the client itself tries for a minute, and somebody waits for the answer.
LOOK_S = 15.0
_CHECKOUT = Path(__file__).parents[4]


@dataclass(frozen=True, slots=True)
class Deployment:
    """How the app is deployed: this bot's version, the network open to programs or closed."""

    version: str
    network: str

    @property
    def text(self) -> str:
        """As it is kept in the app's Dict."""
        return f"{self.version} {self.network}"


async def deploy(login: Login, wanted: Deployment, *, most_containers: int | None, quiet: bool = False) -> str:
    """Deploy, and remember how; Modal's page of it. Raises StartupError with one sentence."""
    app = _app(login, wanted, most_containers)
    client: Any = modal.Client(login.server_url, api_pb2.CLIENT_TYPE_CLIENT, (login.token_id, login.token_secret))
    shown: AbstractContextManager[Any] = nullcontext() if quiet else modal.enable_output()
    try:
        with shown:
            async with client as opened:
                done = await app.deploy.aio(name=login.app, environment_name=login.environment or None, client=opened)
        connection = Modal(login)
        try:
            await connection.put(_DEPLOYED, wanted.text)
        finally:
            await connection.close()
    except (modal.exception.Error, *OUTAGES) as error:
        raise StartupError(f"The app could not be deployed: {_why(error)}.") from error
    return f"https://modal.com/id/{done.app_id}"


async def look(login: Login) -> str | None:
    """How the app is deployed, as `Deployment.text`; None where that is not known. Raises StartupError."""
    connection = Modal(login)
    bound = asyncio.timeout(LOOK_S)
    try:
        async with bound:
            await connection.hello()
            await connection.find_function()
            return await connection.value(_DEPLOYED)
    except (modal.exception.Error, *OUTAGES) as error:
        if bound.expired():
            raise StartupError(f"Modal can't be reached (no answer within {LOOK_S:g} s).") from error
        raise StartupError(f"{words(error)[0].upper()}{words(error)[1:]}.") from error
    finally:
        await connection.close()


def _app(login: Login, wanted: Deployment, most_containers: int | None) -> Any:
    choices: Mapping[str, str] = {
        "CLUSTER_MODAL_APP": login.app,
        "CLUSTER_MODAL_NETWORK": wanted.network,
        "CLUSTER_MODAL_MOST_CONTAINERS": str(most_containers or 0),
    }
    os.environ.update(choices)
    if importlib.util.find_spec("modal_runners") is None:
        # A checkout keeps it at its top, where no installation looks.
        sys.path.append(str(_CHECKOUT))
    # Anew: an app remembers the account it was last deployed to, and what was chosen then.
    sys.modules.pop("modal_runners.app", None)
    try:
        module = importlib.import_module("modal_runners.app")
    except ModuleNotFoundError as error:
        raise StartupError("This installation lacks the app for Modal; install cluster-bot anew.") from error
    return module.app


def _why(error: BaseException) -> str:
    if isinstance(error, modal.exception.AuthError | modal.exception.PermissionDeniedError):
        return words(error)
    if isinstance(error, OUTAGES):
        return f"Modal can't be reached ({type(error).__name__}); try again"
    return " ".join(str(error).split())[:300].rstrip(".")
