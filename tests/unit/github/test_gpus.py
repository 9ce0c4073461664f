"""What members may ask GitHub for: settings in their form, runners' labels, and nothing else."""

import pytest

from cluster_bot.launchers.github_actions.gpus import DEFAULTS, GpuSettings, offered_by, online, parse_gpus


def test_a_setting_names_vendors_and_files() -> None:
    assert parse_gpus(" H100 = nvidia : self-hosted+h100 , MI300=my_amd.yml:mi300,") == (
        GpuSettings("H100", "nvidia_workflow.yml", ("self-hosted", "h100")),
        GpuSettings("MI300", "my_amd.yml", ("mi300",)),
    )
    assert parse_gpus("") == parse_gpus(" , ") == ()


@pytest.mark.parametrize(
    "text",
    [
        "H100",
        "H100=nvidia",
        "H100=nvidia:",
        "=nvidia:x",
        "H100=../x.yml:x",
        "H100=intel:x",
        "`a`=nvidia:x",
        "a=nvidia:x,A=amd:y",
    ],
)
def test_a_setting_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"GPU"):
        parse_gpus(text)


def labelled(*names: object) -> dict[str, object]:
    return {"labels": [{"name": name} for name in names]}


def test_runners_offer_their_own_labels_below_a_vendor() -> None:
    runners = [
        labelled("self-hosted", "Linux", "X64", "NVIDIA", "H100"),
        labelled("self-hosted", "amd", "MI300"),
        labelled("self-hosted", "Linux", "big-disk"),
        labelled("self-hosted", "nvidia", "h100", "weird`label", 7),
        {"labels": ["odd", None]},
        {},
    ]
    offered = offered_by(runners)
    assert [gpu.name for gpu in offered] == ["NVIDIA", "AMD", "H100", "MI300", "7"]
    assert offered[2] == GpuSettings("H100", "nvidia_workflow.yml", ("self-hosted", "nvidia", "H100"))
    assert offered[3].workflow == "amd_workflow.yml"


def test_without_runners_there_are_the_vendors() -> None:
    assert offered_by([]) == DEFAULTS


def test_a_machine_is_one_that_is_connected_and_has_all_labels() -> None:
    wanted = GpuSettings("H100", "nvidia_workflow.yml", ("self-hosted", "nvidia", "H100"))
    labels = ("self-hosted", "Linux", "NVIDIA", "h100")
    runners = [
        {**labelled(*labels), "status": "online"},
        {**labelled(*labels, "big"), "status": "online"},
        {**labelled(*labels), "status": "offline"},
        {**labelled("self-hosted", "nvidia"), "status": "online"},
        {**labelled(), "status": "online"},
        labelled(*labels),
    ]
    assert online(runners, wanted) == 2
