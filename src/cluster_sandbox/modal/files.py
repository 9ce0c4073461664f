"""The files of mounts: their content by hash, and the folders containers get of them.

A mount's `/root/x` becomes `root/x` in the folder of a container, `/data/y` becomes `data/y` there: a container has no
file system of its own here, so a path outside `/root` is not where the program in it would look for it on Modal.
"""

from __future__ import annotations

import compileall
import hashlib
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from .model import Image, Mount


class Files:
    """`folder` is set by the server and gone with it."""

    def __init__(self) -> None:
        self.folder = Path()
        self.content: dict[str, bytes] = {}
        """By SHA-256, in hexadecimal."""
        self._trees: dict[tuple[tuple[str, str, int], ...], Path] = {}
        self._lock = threading.Lock()

    def put(self, sha256: str, data: bytes) -> bool:
        """Keep a file; False if it is not what its hash says."""
        if hashlib.sha256(data).hexdigest() != sha256:
            return False
        self.content[sha256] = data
        return True

    def copy(self, mounts: Iterable[Mount], image: Image | None, target: Path) -> None:
        """Give a new container its files; `target` does not exist yet. Blocks: called in a thread."""
        placed = [(place(file.filename), file.sha256_hex, file.mode) for mount in mounts for file in mount.files]
        tree = self._tree(tuple(sorted({*placed, *(copied(image) if image else ())})))
        shutil.copytree(tree, target)

    def _tree(self, files: tuple[tuple[str, str, int], ...]) -> Path:
        """A folder with these files, compiled, to copy from: what is compiled holds while the times are the same."""
        with self._lock:
            if files not in self._trees:
                tree = self.folder / "trees" / str(len(self._trees))
                (tree / "root").mkdir(parents=True)
                for name, sha256, mode in files:
                    path = tree / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(self.content[sha256])
                    path.chmod((mode or 0o644) & 0o777 | 0o400)
                compileall.compile_dir(tree / "root", quiet=2)
                self._trees[files] = tree
            return self._trees[files]


def place(remote: str) -> str:
    """Where an absolute path goes, relative to the container's folder; it cannot leave it."""
    return "/".join(part for part in PurePosixPath("/", remote).parts[1:] if part not in ("..", "."))


def copied(image: Image) -> Iterable[tuple[str, str, int]]:
    """What the layers copy of a mount as a whole (`COPY . /somewhere`): `add_local_…(copy=True)`. Nothing else of an
    image's build is done."""
    for layer in image.layers:
        for line in layer.definition.dockerfile_commands:
            words = line.split()
            if layer.context and len(words) == 3 and words[0] == "COPY" and words[1] in (".", "./"):
                for file in layer.context.files:
                    yield place(f"{words[2]}/{file.filename}"), file.sha256_hex, file.mode
