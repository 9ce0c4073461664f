"""What members may ask GitHub for: GPU names, each a workflow file and the labels its runner must have.

Configured by `GITHUB_GPUS`, else what runners of the repository and its organisation offer. Called by `fleet`.

`NVIDIA` and `AMD` are always there by default, as names for "any of that vendor". A runner that carries a vendor's
label offers each further label of its own as a GPU: one with `self-hosted`, `nvidia`, `H100` offers H100. The label
that names the machine itself is none.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cluster_bot.runs.machines import OWN_LABEL

VENDORS: Mapping[str, str] = MappingProxyType({"nvidia": "nvidia_workflow.yml", "amd": "amd_workflow.yml"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml")
# Labels GitHub gives to every runner by itself; they name no GPU.
_SYSTEM = frozenset({"self-hosted", "linux", "windows", "macos", "x64", "x86", "arm", "arm64"})


@dataclass(frozen=True, slots=True)
class GpuSettings:
    """One name: which workflow file runs it, and the labels that its runner must all have."""

    name: str
    workflow: str
    labels: tuple[str, ...]


DEFAULTS = tuple(GpuSettings(vendor.upper(), workflow, ("self-hosted", vendor)) for vendor, workflow in VENDORS.items())


def parse_gpus(text: str) -> tuple[GpuSettings, ...]:
    """The GPUs of a setting such as `H100=nvidia:self-hosted+h100, MI300=my_workflow.yml:mi300`.

    Before the colon stands a vendor or a workflow file, after it labels. Raises ValueError with half a sentence.
    """
    gpus: dict[str, GpuSettings] = {}
    for entry in filter(None, (one.strip() for one in text.split(","))):
        name, _, rest = (part.strip() for part in entry.partition("="))
        workflow, _, labels = (part.strip() for part in rest.partition(":"))
        workflow = VENDORS.get(workflow.lower(), workflow)
        wanted = tuple(filter(None, (label.strip() for label in labels.split("+"))))
        if not _NAME.fullmatch(name) or not _FILE.fullmatch(workflow) or not wanted:
            raise ValueError("each GPU is written NAME=VENDOR-OR-WORKFLOW-FILE:LABEL+LABEL, with commas between")
        if name.lower() in gpus:
            raise ValueError("a GPU is named twice")
        gpus[name.lower()] = GpuSettings(name, workflow, wanted)
    return tuple(gpus.values())


def offered_by(runners: Iterable[Mapping[str, Any]]) -> tuple[GpuSettings, ...]:
    """The GPUs of GitHub's runner objects, online or not, since a job waits for its runner; the defaults come first."""
    gpus = {gpu.name.lower(): gpu for gpu in DEFAULTS}
    for runner in runners:
        labels = labels_of(runner)
        vendor = next((one for one in VENDORS if one in map(str.lower, labels)), None)
        if vendor is None:
            continue
        for label in labels:
            if is_gpu(label):
                gpus.setdefault(label.lower(), GpuSettings(label, VENDORS[vendor], ("self-hosted", vendor, label)))
    return tuple(gpus.values())


def is_gpu(label: str) -> bool:
    """Whether a runner's label may name its GPU."""
    low = label.lower()
    return low not in _SYSTEM and low not in VENDORS and not low.startswith(OWN_LABEL) and bool(_NAME.fullmatch(label))


def online(runners: Iterable[Mapping[str, Any]], gpu: GpuSettings) -> int:
    """How many of GitHub's runner objects are connected and have all labels of `gpu`."""
    wanted = {label.lower() for label in gpu.labels}
    return sum(one.get("status") == "online" and wanted <= {*map(str.lower, labels_of(one))} for one in runners)


def labels_of(runner: Mapping[str, Any]) -> list[str]:
    """The labels of one of GitHub's runner objects."""
    return [str(label.get("name", "")) for label in runner.get("labels", ()) if isinstance(label, Mapping)]
