"""What /downloads names and what a just-in-time configuration holds: the way a runner's program gets on its machine.

Called by the REST side and by `door`, which hands the archive out. The programs in it are under `runner/`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from functools import cached_property
from pathlib import Path
from typing import Any

from .model import Machine

PROGRAMS = Path(__file__).with_name("runner")
VERSION = "2.330.0"
DOWNLOADS = "/_actions/downloads"
PLATFORMS = (("osx", "x64"), ("linux", "x64"), ("linux", "arm64"), ("win", "x64"))

Json = dict[str, Any]


class Package:
    """`door_url` is where a configured program knocks; known once the server listens."""

    def __init__(self) -> None:
        self.door_url = ""
        self.with_checksums = True
        """Whether GitHub names the archives' checksums; its description allows it not to."""

    @cached_property
    def archive(self) -> bytes:
        """The archive for Linux, the same bytes each time."""
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
            for path in sorted(one for one in PROGRAMS.rglob("*") if one.suffix in (".sh", ".py")):
                content = path.read_bytes()
                info = tarfile.TarInfo(str(path.relative_to(PROGRAMS)))
                info.size, info.mode = len(content), 0o755 if path.suffix == ".sh" else 0o644
                tar.addfile(info, io.BytesIO(content))
        return packed.getvalue()

    def applications(self, site: str) -> list[Json]:
        """The answer of /downloads; of these archives only that for Linux on x64 is there."""
        return [self._application(site, os, architecture) for os, architecture in PLATFORMS]

    def _application(self, site: str, os: str, architecture: str) -> Json:
        name = f"actions-runner-{os}-{architecture}-{VERSION}.{'zip' if os == 'win' else 'tar.gz'}"
        found = {"os": os, "architecture": architecture, "download_url": f"{site}{DOWNLOADS}/{name}", "filename": name}
        return {**found, **({"sha256_checksum": self._checksum(name)} if self.with_checksums else {})}

    def _checksum(self, name: str) -> str:
        return hashlib.sha256(self.archive if "linux-x64" in name else name.encode()).hexdigest()

    def settings(self, machine: Machine) -> Json:
        """What a configured machine keeps of itself."""
        return {"agentId": machine.id, "agentName": machine.name, "serverUrl": self.door_url, "workFolder": "_work"}

    def just_in_time(self, machine: Machine) -> str:
        """The configuration of a machine in one text, as `run.sh --jitconfig` takes it."""
        files = {".runner": self.settings(machine), ".credentials": {"secret": machine.secret}}
        packed = {name: base64.b64encode(json.dumps(one).encode()).decode() for name, one in files.items()}
        return base64.b64encode(json.dumps(packed).encode()).decode()
