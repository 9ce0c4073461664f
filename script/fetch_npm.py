"""Fetches the npm packages that tests want into `.venv/npm/NAME`: `fetch_npm.py [NAME...]`, all of them by default.

Called by bootstrap.py for the test environment, and by hand. npm itself is not needed: a package is one tarball, pinned
in npm.lock.json by version and SHA-512, and none of ours has dependencies. The registry is `npm_config_registry` or
npm's own. What is there already is left alone, so a second call asks nobody.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv" / "npm"
LOCK = Path(__file__).resolve().with_name("npm.lock.json")
REGISTRY = "https://registry.npmjs.org"
STAMP = ".version"
_TIMEOUT_S = 120


class FetchError(Exception):
    """A package could not be had; the text says which and why."""


@dataclass(frozen=True)
class Package:
    """One pinned package; `integrity` is npm's form, `sha512-` and base64; `only`: what is kept of it, () for all."""

    name: str
    version: str
    integrity: str
    only: tuple[str, ...] = ()

    def url(self, registry: str) -> str:
        """Where its tarball is."""
        return f"{registry.rstrip('/')}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


def pinned() -> dict[str, Package]:
    """The packages of the lock file, by name."""
    found = json.loads(LOCK.read_text(encoding="utf-8"))
    return {
        name: Package(name, entry["version"], entry["integrity"], tuple(entry.get("only", ())))
        for name, entry in found.items()
    }


def fetch(package: Package, folder: Path = FOLDER) -> Path:
    """The folder of the unpacked package, fetched where it is not there yet; raises FetchError."""
    target = folder / package.name
    stamp = target / STAMP
    if stamp.exists() and stamp.read_text(encoding="utf-8") == package.integrity:
        return target
    url = package.url(os.environ.get("npm_config_registry") or REGISTRY)  # noqa: SIM112 - npm spells it so
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            content = answer.read()
    except OSError as error:
        raise FetchError(f"{url} could not be fetched: {error}") from error
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode("ascii")
    if f"sha512-{digest}" != package.integrity:
        raise FetchError(f"{url} is not what npm.lock.json says it is")
    draft = folder / f"{package.name}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    _unpack(content, draft, package.only)
    (draft / STAMP).write_text(package.integrity, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    draft.replace(target)
    return target


def _unpack(content: bytes, folder: Path, only: tuple[str, ...]) -> None:
    """The tarball's regular files, below `folder` and nowhere else; its one outer folder is left away."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts[1:]
            file = archive.extractfile(member) if member.isreg() else None
            if file is None or not parts or ".." in parts or (only and "/".join(parts) not in only):
                continue
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read())


def main(names: list[str]) -> int:
    """Fetches `names`, all where there are none; 0 when they are there, 2 with a sentence when not."""
    packages = pinned()
    unknown = [name for name in names if name not in packages]
    if unknown:
        sys.stderr.write(f"npm.lock.json does not know {', '.join(unknown)}\n")
        return 2
    try:
        for name in names or packages:
            fetch(packages[name])
    except FetchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
