"""`cluster-bot modal deploy`: puts the app that `/run modal` calls into an admin's Modal account.

Called by the command line; `cluster-bot check` asks `deployment` what it should find there. Changes nothing but that
app, its Dict and its Queue.
"""

from cluster_bot import __version__
from cluster_bot.app import modal_login
from cluster_bot.errors import StartupError
from cluster_bot.launchers.modal_functions.deploy import Deployment, deploy
from cluster_bot.settings import Settings


def deployment(settings: Settings) -> Deployment:
    """How the app of this version, with these settings, is deployed."""
    return Deployment(__version__, "open" if settings.modal_network else "closed")


async def deploy_by(settings: Settings) -> str:
    """Deploy it; what to tell the admin. Raises StartupError with one sentence."""
    if not settings.modal_enabled:
        raise StartupError(
            "There is no login to Modal; set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET (modal.com/settings/tokens)."
        )
    login, wanted = modal_login(settings), deployment(settings)
    page = await deploy(login, wanted, most_containers=settings.modal_most_containers)
    return (
        f"The app {login.app} is deployed, with the network {wanted.network} to programs: {page}\n"
        "Try it with `cluster-bot check`, then `/run modal`."
    )
