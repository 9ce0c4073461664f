"""What the runner says of a machine's AMD GPUs, read from a /sys that a test wrote; NVIDIA's tool comes first."""

from pathlib import Path

import pytest

from cluster_runner.machine import look


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root folder with AMD's driver and no card; the PATH has no tool of NVIDIA's."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    write(tmp_path / "dev" / "kfd", "")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def card(root: Path, number: int, vendor: str, **files: str) -> None:
    folder = root / "sys" / "class" / "drm" / f"renderD{number}" / "device"
    for name, text in {"vendor": vendor, **files}.items():
        write(folder / name, text + "\n")


def test_a_server_card_says_what_it_is(machine: Path) -> None:
    card(machine, 128, "0x1002", product_name="AMD Instinct MI250")
    write(machine / "sys" / "module" / "amdgpu" / "version", "6.8.5\n")
    write(machine / "opt" / "rocm" / ".info" / "version", "6.2.0-66\n")
    seen = look(None, str(machine))
    assert (seen.gpu, seen.driver, seen.toolkit, seen.cuda) == ("AMD Instinct MI250", "6.8.5", "ROCm 6.2.0-66", False)


def test_several_are_counted_and_others_are_not(machine: Path) -> None:
    card(machine, 128, "0x8086")
    card(machine, 129, "0x1002")
    card(machine, 130, "0x1002", product_name="AMD Instinct MI250")
    seen = look(None, str(machine))
    assert (seen.gpu, seen.driver, seen.toolkit) == ("AMD GPU (of 2)", None, None)


def test_without_card_or_driver_there_is_none(machine: Path) -> None:
    assert look(None, str(machine)).gpu is None
    card(machine, 128, "0x1002")
    (machine / "dev" / "kfd").unlink()
    assert look(None, str(machine)).gpu is None


def test_nvidia_comes_first(machine: Path) -> None:
    card(machine, 128, "0x1002")
    write(machine / "dev" / "nvidia0", "")
    seen = look(None, str(machine))
    assert (seen.gpu, seen.cuda) == ("NVIDIA GPU", True)


def test_nvidia_s_tool_is_believed(machine: Path) -> None:
    write(
        machine / "bin" / "nvidia-smi",
        "#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 550.54'\necho 'NVIDIA H100 80GB HBM3, 550.54'\n",
    )
    (machine / "bin" / "nvidia-smi").chmod(0o755)
    seen = look(None, str(machine))
    assert (seen.gpu, seen.driver, seen.cuda) == ("NVIDIA H100 80GB HBM3 (of 2)", "550.54", True)
