"""The demo's Modal: the sandbox's, with this repository's own app deployed to it; its containers are processes here.

Called by `world`. It is imported only where a demo wants it. The bot is told by settings alone, as with the real one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cluster_bot import __version__
from cluster_bot.launchers.modal_functions import Login
from cluster_bot.launchers.modal_functions.deploy import Deployment, deploy
from cluster_sandbox.modal import ModalServer

APP = "cluster-bot"


@asynccontextmanager
async def demo_modal(programs_python: Path, *, sandbox: str = "auto") -> AsyncIterator[ModalServer]:
    """A Modal with the app in it, whose Python programs run with `programs_python`, in bubblewrap where that works."""
    # No network is closed here, so the machine must not say so.
    environment = {"CLUSTER_PYTHON": str(programs_python), "CLUSTER_NETWORK": "open", "CLUSTER_SANDBOX": sandbox}
    async with ModalServer(environment=environment) as server:
        await server.prepare()
        login = Login(server.token_id, server.token_secret, APP, server_url=server.url)
        await deploy(login, Deployment(__version__, "closed"), most_containers=None, quiet=True)
        yield server


def modal_settings(server: ModalServer) -> dict[str, str]:
    """The bot's settings for that Modal."""
    return {
        "MODAL_TOKEN_ID": server.token_id,
        "MODAL_TOKEN_SECRET": server.token_secret,
        "MODAL_APP": APP,
        "MODAL_SERVER_URL": server.url,
    }
