"""What `/gpus` says of Modal's health: as far as a run that is asked for now would care."""

from pathlib import Path

from cluster_bot.launchers.modal_functions import Login, Modal, ModalFunctions, read_gpus
from cluster_bot.launchers.modal_functions.deploy import Deployment, deploy
from cluster_sandbox.modal import ModalServer


async def test_it_is_well_where_the_app_is_deployed(server: ModalServer, login: Login, tmp_path: Path) -> None:
    launcher = ModalFunctions(Modal(login), tmp_path, gpus=read_gpus(None))
    assert "is not deployed at Modal" in await launcher.trouble()
    await deploy(login, Deployment("1.2.3", "closed"), most_containers=None, quiet=True)
    assert await launcher.trouble() == ""
    await launcher.close()


async def test_a_token_that_is_not_taken_is_said(server: ModalServer, tmp_path: Path) -> None:
    login = Login("ak-wrong", "as-wrong", "cluster-bot", server_url=server.url)
    launcher = ModalFunctions(Modal(login), tmp_path, gpus=read_gpus(None))
    assert "Modal does not accept this bot's token" in await launcher.trouble()
    await launcher.close()
