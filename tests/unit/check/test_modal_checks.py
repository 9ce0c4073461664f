"""What `cluster-bot check` and `cluster-bot modal deploy` say of Modal: when all is well, and what to do where not."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cluster_bot.check.lines import say
from cluster_bot.check.of_modal import checks_of_modal
from cluster_bot.errors import StartupError
from cluster_bot.launchers.modal_functions import Login
from cluster_bot.launchers.modal_functions import deploy as modal_deploy
from cluster_bot.launchers.modal_functions.deploy import Deployment, deploy
from cluster_bot.modal_deploy import deploy_by
from cluster_bot.settings import Settings
from cluster_sandbox.modal import ModalServer
from modal_machine import CREW


@pytest.fixture
async def modal() -> AsyncIterator[ModalServer]:
    async with ModalServer(crew=CREW) as server:
        yield server


def settings(modal: ModalServer, **more: Any) -> Settings:
    login = {"modal_token_id": modal.token_id, "modal_token_secret": modal.token_secret}
    return Settings.read(None, **{**login, "modal_server_url": modal.url, **more})


async def check(given: Settings) -> tuple[bool, dict[str, str]]:
    """Whether all is good, and name to mark and words of each line."""
    shown = io.StringIO()
    console = Console(highlight=False, file=shown, width=10_000)
    good = True
    for name, one in checks_of_modal(given):
        good = await say(console, name, one) and good
    lines = [line.partition(": ") for line in shown.getvalue().splitlines()]
    return good, {name.partition(" ")[2]: name[0] + " " + words for name, _, words in lines}


async def test_switched_off() -> None:
    assert await check(Settings.read(None)) == (True, {"Modal": "✓ switched off (MODAL_TOKEN_ID)"})
    with pytest.raises(StartupError, match="no login to Modal; set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"):
        await deploy_by(Settings.read(None))


async def test_from_nothing_to_all_is_well(modal: ModalServer) -> None:
    given = settings(modal)
    good, said = await check(given)
    assert not good
    assert said["Modal app"].startswith(
        "✗ The bot's app is not deployed at Modal; an admin can do that with `cluster-bot"
    )
    told = await deploy_by(given)
    assert told.startswith(
        "The app cluster-bot is deployed, with the network closed to programs: https://modal.com/id/"
    )
    assert await check(given) == (
        True,
        {
            "Modal app": "✓ the token is accepted, and cluster-bot is deployed with the network closed to programs",
            "Modal GPUs": "✓ T4, L4, A10, L40S, A100-40GB, A100-80GB, H100, H200, B200; a run gets T4 unasked",
        },
    )
    assert modal.calls == modal.containers == []


async def test_what_was_changed_since_the_deploy(modal: ModalServer) -> None:
    await deploy_by(settings(modal))
    good, said = await check(settings(modal, modal_network=True))
    assert good
    assert said["Modal app"] == (
        "! cluster-bot is deployed with the network closed, against MODAL_NETWORK; run `cluster-bot modal deploy`"
    )
    login = Login(modal.token_id, modal.token_secret, "cluster-bot", server_url=modal.url)
    await deploy(login, Deployment("0.0.1", "closed"), most_containers=None, quiet=True)
    good, said = await check(settings(modal))
    assert good
    assert (
        said["Modal app"] == "! cluster-bot was deployed by version 0.0.1 of this bot; run `cluster-bot modal deploy`"
    )


async def test_what_modal_has_forgotten_is_no_alarm(modal: ModalServer) -> None:
    await deploy_by(settings(modal))
    for kept in modal.world.dicts.values():
        kept.entries.clear()
    good, said = await check(settings(modal))
    assert good
    assert said["Modal app"] == (
        "✓ the token is accepted, and cluster-bot is deployed; it is not known any more by which version"
    )


async def test_a_token_that_is_wrong_or_half_there(modal: ModalServer) -> None:
    good, said = await check(settings(modal, modal_token_secret="as-wrong"))
    assert not good
    assert said["Modal app"].startswith("✗ Modal does not accept this bot's token; an admin can make a new one at")
    good, said = await check(settings(modal, modal_token_secret=""))
    assert not good
    assert said["Modal app"] == "✗ Modal's token has two parts; set both MODAL_TOKEN_ID and MODAL_TOKEN_SECRET."


async def test_nobody_there_and_no_such_file(
    modal: ModalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modal_deploy, "LOOK_S", 0.25)
    given = settings(modal, modal_gpus_file=str(tmp_path / "gone.toml"))
    await modal.stop()
    good, said = await check(given)
    assert not good
    assert said["Modal app"] == "✗ Modal can't be reached (no answer within 0.25 s)."
    assert (
        said["Modal GPUs"]
        == "✗ The file MODAL_GPUS_FILE can't be used (it can't be read: no such file or directory); correct it."
    )
