"""What members may ask Modal for: a file of names, prices and counts, which an admin may replace by one of their own.

Called by the composition root, which reads the file, and by `launcher`. A name may carry a count, as Modal writes it:
`H100:2`.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+!._-]{0,39}")
_WISH = re.compile(r"(?P<name>[^:]+)(?::(?P<count>[1-9][0-9]?))?")


@dataclass(frozen=True, slots=True)
class ModalGpu:
    """A GPU by Modal's name; `price` is US dollars per second for one, `most` how many a container may have."""

    name: str
    price: float
    most: int = 1


def read_gpus(path: Path | None) -> tuple[ModalGpu, ...]:
    """The GPUs of a file, None for the one that comes along. Raises ValueError with half a sentence."""
    try:
        if path is None:
            text = resources.files(__package__).joinpath("gpus.toml").read_text("utf-8")
        else:
            text = path.read_text("utf-8")
        entries = tomllib.loads(text)["gpu"]
        gpus = tuple(ModalGpu(str(one["name"]), float(one["price"]), int(one.get("most", 1))) for one in entries)
    except OSError as error:
        raise ValueError(f"it can't be read: {(error.strerror or 'unknown error').lower()}") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is no TOML: {error}") from None
    except (UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("each [[gpu]] needs a name and a price in dollars per second") from None
    if not gpus:
        raise ValueError("it names no GPU")
    for gpu in gpus:
        if not _NAME.fullmatch(gpu.name) or not 0 <= gpu.price < 1 or not 1 <= gpu.most <= 64:
            raise ValueError(f"the entry {gpu.name[:40]!r} has an odd name, price or count")
    if len({gpu.name.lower() for gpu in gpus}) < len(gpus):
        raise ValueError("a GPU is named twice")
    return gpus


def wished(gpus: Sequence[ModalGpu], text: str | None) -> tuple[str, ModalGpu, int] | None:
    """What `text` asks for, as Modal writes it, which GPU that is and how many; None where it is not offered.

    Nothing asks for the first.
    """
    if not (text or "").strip():
        return gpus[0].name, gpus[0], 1
    match = _WISH.fullmatch((text or "").strip())
    if match is None:
        return None
    count = int(match["count"] or 1)
    for gpu in gpus:
        if gpu.name.lower() == match["name"].strip().lower() and count <= gpu.most:
            return (gpu.name if count == 1 else f"{gpu.name}:{count}"), gpu, count
    return None
