"""The checks of what `/run modal` stands on; none of them starts a container.

The app's Dict and Queue are made by them where they are missing, and nothing else is changed.
"""

from functools import partial

from cluster_bot.app import modal_login
from cluster_bot.check.lines import Check, Said
from cluster_bot.errors import StartupError
from cluster_bot.launchers.modal_functions import read_gpus
from cluster_bot.launchers.modal_functions.deploy import look
from cluster_bot.modal_deploy import deployment
from cluster_bot.settings import Settings

_DEPLOY = "run `cluster-bot modal deploy`"


def checks_of_modal(settings: Settings) -> list[tuple[str, Check]]:
    """The checks with their names; a single one where `/run modal` is switched off."""
    if not settings.modal_enabled:
        return [("Modal", _off)]
    return [("Modal app", partial(_app, settings)), ("Modal GPUs", partial(_gpus, settings))]


async def _off() -> Said:
    return Said("switched off (MODAL_TOKEN_ID)")


async def _app(settings: Settings) -> Said:
    login, wanted = modal_login(settings), deployment(settings)
    there = await look(login)
    if there is None:
        # Modal forgets after a week what nobody asked for.
        return Said(f"the token is accepted, and {login.app} is deployed; it is not known any more by which version")
    version, _, network = there.partition(" ")
    if version != wanted.version:
        return Said(f"{login.app} was deployed by version {version[:40]} of this bot; {_DEPLOY}", warning=True)
    if network != wanted.network:
        return Said(f"{login.app} is deployed with the network {network[:40]}, against MODAL_NETWORK; {_DEPLOY}", True)
    return Said(f"the token is accepted, and {login.app} is deployed with the network {network} to programs")


async def _gpus(settings: Settings) -> Said:
    try:
        gpus = read_gpus(settings.modal_gpus_file)
    except ValueError as error:
        raise StartupError(f"The file MODAL_GPUS_FILE can't be used ({error}); correct it.") from None
    return Said(f"{', '.join(gpu.name for gpu in gpus)}; a run gets {gpus[0].name} unasked")
