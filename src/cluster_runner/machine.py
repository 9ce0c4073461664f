"""What the runner says of the machine in `hello`, and whether it shows a GPU.

Called by `execute` once a run. Limits: NVIDIA only; a machine without `nvidia-smi` and without /dev/nvidia* is never
kept waiting, one whose driver hangs at most five seconds.
"""

import glob
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from typing import List, Optional, Sequence

_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Machine:
    """The host's name, its first visible GPU with driver and CUDA toolkit; None where there is none."""

    name: str
    gpu: Optional[str] = None
    driver: Optional[str] = None
    toolkit: Optional[str] = None


def look(nvcc: Optional[str]) -> Machine:
    """Look at the machine; `nvcc` is the found compiler, whose release is told where there is a GPU."""
    name = socket.gethostname()[:255] or "unknown"
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return Machine(name)
    rows = _ask(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    gpus = [row.split(",") for row in rows if row.count(",") == 1]
    if gpus:
        chosen, driver = (part.strip()[:200] for part in gpus[min(_first_visible(), len(gpus) - 1)])
        return Machine(name, chosen if len(gpus) == 1 else "%s (of %d)" % (chosen, len(gpus)), driver, _toolkit(nvcc))
    if glob.glob("/dev/nvidia[0-9]*"):
        return Machine(name, "NVIDIA GPU", None, _toolkit(nvcc))
    return Machine(name)


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
    tool = shutil.which(command[0])
    if tool is None:
        return []
    try:
        done = subprocess.run(
            [tool, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines()
