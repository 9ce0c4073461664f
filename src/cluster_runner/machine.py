"""What the runner says of the machine in `hello`, and whether it shows a GPU.

Called by `execute` once a run. NVIDIA's GPUs are asked for through `nvidia-smi`, AMD's are read from /sys, where their
driver tells of itself. Limits: a machine without `nvidia-smi` and without /dev/nvidia* is never kept waiting, one whose
driver hangs at most five seconds.
"""

import glob
import os
import re
import socket
from typing import List, NamedTuple, Optional, Sequence

from cluster_runner.programs import search_path, which

_PATIENCE_S = 5.0


class Machine(NamedTuple):
    """The host's name, its first visible GPU with driver and toolkit (None where there is none); `cuda`: NVIDIA's."""

    name: str
    gpu: Optional[str] = None
    driver: Optional[str] = None
    toolkit: Optional[str] = None
    cuda: bool = False


def look(nvcc: Optional[str], root: str = "/") -> Machine:
    """Look at the machine; `nvcc` is the found compiler, whose release is told where there is a GPU.

    `root` is where /sys, /dev and /opt lie.
    """
    name = socket.gethostname()[:255] or "unknown"
    seen = _nvidia(name, nvcc, root)
    return seen if seen.cuda else _amd(name, root)


def _nvidia(name: str, nvcc: Optional[str], root: str) -> Machine:
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return Machine(name)
    rows = _ask(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    gpus = [row.split(",") for row in rows if row.count(",") == 1]
    if gpus:
        chosen, driver = (part.strip()[:200] for part in gpus[min(_first_visible(), len(gpus) - 1)])
        return Machine(name, _of_several(chosen, len(gpus)), driver, _toolkit(nvcc), cuda=True)
    if glob.glob(os.path.join(root, "dev/nvidia[0-9]*")):
        return Machine(name, "NVIDIA GPU", None, _toolkit(nvcc), cuda=True)
    return Machine(name)


def _amd(name: str, root: str) -> Machine:
    """AMD's compute driver shows itself as /dev/kfd; which card it is, server cards alone say themselves."""
    if not os.path.exists(os.path.join(root, "dev/kfd")):
        return Machine(name)
    cards = []
    for device in sorted(glob.glob(os.path.join(root, "sys/class/drm/renderD*/device"))):
        if _text(device, "vendor") == "0x1002":
            cards.append(_text(device, "product_name") or "AMD GPU")
    if not cards:
        return Machine(name)
    rocm = _text(root, "opt/rocm/.info/version")
    driver = _text(root, "sys/module/amdgpu/version") or None
    return Machine(name, _of_several(cards[0], len(cards)), driver, "ROCm " + rocm if rocm else None)


def _of_several(first: str, count: int) -> str:
    return first if count == 1 else "%s (of %d)" % (first, count)


def _text(folder: str, name: str) -> str:
    """The first line of a small file, "" where it is not there."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.readline(200).strip()
    except OSError:
        return ""


def _first_visible() -> int:
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return int(first) if first.isdigit() else 0


def _toolkit(nvcc: Optional[str]) -> Optional[str]:
    if nvcc is None:
        return None
    found = re.search(r"release ([0-9.]+)", "\n".join(_ask([nvcc, "--version"])))
    return "CUDA " + found.group(1) if found else None


def _ask(command: Sequence[str]) -> List[str]:
    """The lines a tool prints; none where it is missing, fails or is too slow."""
    tool = which(command[0], search_path())
    if tool is None:
        return []
    import subprocess

    try:
        done = subprocess.run(
            [tool, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines()
