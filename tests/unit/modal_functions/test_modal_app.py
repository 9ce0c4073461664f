"""The real app, as far as a machine without an account can see: deployed to the stand-in by the released client."""

import re
from pathlib import Path

import pytest
from modal_proto import api_pb2

from cluster_bot.errors import StartupError
from cluster_bot.launchers.modal_functions import Login
from cluster_bot.launchers.modal_functions.deploy import Deployment, deploy, look
from cluster_sandbox.modal import ModalServer

ROOT = Path(__file__).parents[3]
CLOSED = Deployment("1.2.3", "closed")


async def test_the_function_has_the_options_that_its_page_promises(server: ModalServer, login: Login) -> None:
    page = await deploy(login, CLOSED, most_containers=None, quiet=True)
    assert re.fullmatch(r"https://modal\.com/id/ap-\w+", page)
    (function,) = server.app("cluster-bot").functions.values()
    assert function.name == "run_job"
    assert function.deployed is not None
    proto = function.deployed.proto
    assert proto.single_use_containers
    assert proto.block_network
    # No pickle among what it returns.
    assert list(function.metadata.supported_output_formats) == [api_pb2.DATA_FORMAT_CBOR]
    assert not proto.retry_policy.retries
    assert not proto.secret_ids
    assert not proto.resources.gpu_config.gpu_type
    assert (proto.timeout_secs, proto.resources.milli_cpu, proto.resources.memory_mb) == (3600, 2000, 8192)
    assert not proto.autoscaler_settings.max_containers


async def test_an_admins_choices_reach_it_and_the_next_deploy_takes_them_back(
    server: ModalServer, login: Login
) -> None:
    await deploy(login, Deployment("1.2.3", "open"), most_containers=5, quiet=True)
    app = server.app("cluster-bot")
    (function,) = app.functions.values()
    assert function.deployed is not None
    assert not function.deployed.proto.block_network
    assert function.deployed.proto.autoscaler_settings.max_containers == 5
    assert await look(login) == "1.2.3 open"
    await deploy(login, CLOSED, most_containers=None, quiet=True)
    (function,) = server.app("cluster-bot").functions.values()
    assert function.deployed is not None
    assert function.deployed.proto.block_network
    assert await look(login) == "1.2.3 closed"


async def test_the_image_has_what_programs_need(server: ModalServer, login: Login) -> None:
    await deploy(login, CLOSED, most_containers=None, quiet=True)
    (function,) = server.app("cluster-bot").functions.values()
    assert function.deployed is not None
    image = server.world.images[function.deployed.proto.image_id]
    commands = "\n".join(image.commands)
    assert "FROM nvidia/cuda:13.0.1-devel-ubuntu24.04" in commands
    assert "g++" in commands
    assert "torch==2.13.0" in commands
    assert re.search(r"ENV CLUSTER_NETWORK='?\"?closed", commands)
    mounts = [server.world.mounts[one] for one in function.deployed.proto.mount_ids if one in server.world.mounts]
    mounted = {file.filename for one in mounts for file in one.files}
    for module in (
        "modal_runners/app.py",
        "modal_runners/channel.py",
        "cluster_runner/job.py",
        "cluster_runner/wire.py",
    ):
        assert f"/root/{module}" in mounted
    assert not any("cluster_bot" in name or ".env" in name for name in mounted)


def test_what_the_image_installs_is_what_the_other_programs_have() -> None:
    text = (ROOT / "modal_runners" / "app.py").read_text("utf-8")
    locks = "".join((ROOT / f"requirements-{name}.txt").read_text("utf-8") for name in ("programs", "dev"))
    for name in ("numpy", "matplotlib", "uv"):
        (version,) = re.findall(rf'"{name}==([0-9.]+)"', text)
        assert f"\n{name}=={version} " in f"\n{locks}"


async def test_two_apps_of_one_account_keep_apart(server: ModalServer, login: Login) -> None:
    other = Login(login.token_id, login.token_secret, "staging", server_url=login.server_url)
    await deploy(login, CLOSED, most_containers=None, quiet=True)
    await deploy(other, Deployment("9", "open"), most_containers=None, quiet=True)
    assert (await look(login), await look(other)) == ("1.2.3 closed", "9 open")
    assert {one.name for one in server.world.dicts.values()} == {"cluster-bot-claims", "staging-claims"}


async def test_what_cannot_be_deployed_says_why(server: ModalServer, login: Login) -> None:
    server.fail_build("no space left on device")
    with pytest.raises(StartupError, match=r"could not be deployed: .*no space left"):
        await deploy(login, CLOSED, most_containers=None, quiet=True)
    wrong = Login("ak-wrong", "as-wrong", "cluster-bot", server_url=login.server_url)
    with pytest.raises(StartupError, match="does not accept this bot's token"):
        await deploy(wrong, CLOSED, most_containers=None, quiet=True)
