"""The file of GPUs: what comes along, and what an admin may write."""

from pathlib import Path

import pytest

from cluster_bot.errors import UserError
from cluster_bot.launchers.modal_functions import Login, Modal, ModalFunctions
from cluster_bot.launchers.modal_functions.gpus import ModalGpu, read_gpus, wished
from cluster_bot.runs.spec import RunSpec

GPUS = (ModalGpu("T4", 0.0001, 8), ModalGpu("A10", 0.0003, 4), ModalGpu("A100-80GB", 0.0007))


def test_the_one_that_comes_along_has_all_and_begins_with_the_cheapest() -> None:
    gpus = read_gpus(None)
    assert [gpu.name for gpu in gpus] == ["T4", "L4", "A10", "L40S", "A100-40GB", "A100-80GB", "H100", "H200", "B200"]
    assert [gpu.price for gpu in gpus] == sorted(gpu.price for gpu in gpus)
    assert {gpu.name for gpu in gpus if gpu.most != 8} == {"A10"}


def test_an_admins_own(tmp_path: Path) -> None:
    path = tmp_path / "gpus.toml"
    path.write_text('[[gpu]]\nname = "H100!"\nprice = 0.001\n\n[[gpu]]\nname = "B200+"\nprice = 0\nmost = 2\n')
    assert read_gpus(path) == (ModalGpu("H100!", 0.001), ModalGpu("B200+", 0.0, 2))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a name and a price"),
        ("gpu = []", "it names no GPU"),
        ("gpu = 5", "needs a name and a price"),
        ("[[gpu]]\nname = 'T4'", "needs a name and a price"),
        ("[[gpu]]\nname = 'T4'\nprice = 'much'", "needs a name and a price"),
        (
            "[[gpu]]\nname = 'T4\\n'\nprice = 1e-4\n[[gpu]]\nname = \"T 4\"\nprice = 1e-4",
            "has an odd name, price or count",
        ),
        ("[[gpu]]\nname = 'T4'\nprice = 3.95", "has an odd name, price or count"),
        ("[[gpu]]\nname = 'T4'\nprice = -1", "has an odd name, price or count"),
        ("[[gpu]]\nname = 'T4'\nprice = nan", "has an odd name, price or count"),
        ("[[gpu]]\nname = 'T4'\nprice = 1e-4\nmost = 0", "has an odd name, price or count"),
        ("[[gpu]]\nname = 'T4'\nprice = 1e-4\n[[gpu]]\nname = 't4'\nprice = 1e-4", "a GPU is named twice"),
        ("[[gpu]", "it is no TOML"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "gpus.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_gpus(path)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read: no such file"):
        read_gpus(tmp_path / "gone.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="needs a name and a price"):
        read_gpus(tmp_path / "odd.toml")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (None, "T4"),
        (" ", "T4"),
        ("t4", "T4"),
        ("T4:1", "T4"),
        (" t4:8 ", "T4:8"),
        ("a100-80gb", "A100-80GB"),
        ("A10:4", "A10:4"),
    ],
)
def test_what_is_offered(text: str | None, name: str) -> None:
    found = wished(GPUS, text)
    assert found is not None
    assert found[0] == name


@pytest.mark.parametrize("text", ["V100", "T4:9", "T4:0", "T4:", ":2", "T4:2:2", "T4:x", "A100-80GB:2", "T4,A10"])
def test_what_is_not(text: str) -> None:
    assert wished(GPUS, text) is None


@pytest.mark.parametrize("gpu", [None, " ", "H100:08", "T4:9", ":2", "T4:٣"])
async def test_a_run_names_a_gpu_that_is_there(gpu: str | None, tmp_path: Path) -> None:
    # A member's limits go by the name, so that one without would have a GPU beside them.
    launcher = ModalFunctions(Modal(Login("ak-1", "as-1", "cluster-bot")), tmp_path, gpus=GPUS)
    await launcher.check(RunSpec({"a.py": "print()"}, "a.py", "modal", 60, gpu="t4:2"))
    with pytest.raises(UserError, match="no such GPU"):
        await launcher.check(RunSpec({"a.py": "print()"}, "a.py", "modal", 60, gpu=gpu))
