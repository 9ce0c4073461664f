"""Packs what `path` names as actions/upload-artifact does and sends it to the sandbox's runtime endpoint.

Run by the action beside it, on a runner: standard library only. `path` has one pattern a line, `!` in front excludes;
the root of the archive is the folder all patterns have in common.
"""

from __future__ import annotations

import glob
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit


def _files(pattern: str, hidden: bool) -> Iterator[Path]:
    matches = glob.glob(str(Path(pattern).expanduser()), recursive=True, include_hidden=hidden)  # noqa: PTH207
    for match in map(Path, matches):
        if match.is_file():
            yield match.absolute()
        for folder, folders, names in os.walk(match):
            folders[:] = [one for one in folders if hidden or not one.startswith(".")]
            for path in (Path(folder, name) for name in names if hidden or not name.startswith(".")):
                if path.is_file():
                    yield path.absolute()


def _root(patterns: list[str]) -> Path:
    """The folder the names in the archive start from."""
    roots = []
    for pattern in patterns:
        fixed = Path(pattern).expanduser().absolute()
        while glob.has_magic(str(fixed)):
            fixed = fixed.parent
        roots.append(fixed if fixed.is_dir() else fixed.parent)
    return Path(os.path.commonpath(roots))


def _pack(files: set[Path], root: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in sorted(files):
            archive.write(path, os.path.relpath(path, root))
    return packed.getvalue()


def _send(data: bytes) -> tuple[int, str]:
    """The answer: its status and what it says. No proxy of the environment is asked: the sandbox is on this machine."""
    given = os.environ
    run, name = given["GITHUB_RUN_ID"], quote(given["SANDBOX_NAME"], safe="")
    options = f"retention_days={quote(given['SANDBOX_DAYS'])}&overwrite={quote(given['SANDBOX_OVERWRITE'])}"
    api = urlsplit(given["GITHUB_API_URL"])
    headers = {"Authorization": f"Bearer {given['SANDBOX_TOKEN']}", "Content-Type": "application/zip"}
    connection = HTTPConnection(api.netloc, timeout=60)
    connection.request("PUT", f"{api.path}/sandbox/runs/{run}/artifacts/{name}?{options}", data, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def main() -> int:
    """Upload; the exit code of the step."""
    given = os.environ
    lines = [line.strip() for line in given["SANDBOX_PATH"].splitlines() if line.strip()]
    patterns = [line for line in lines if not line.startswith("!")]
    if not patterns:
        print("::error::Input required and not supplied: path")
        return 1
    hidden = given["SANDBOX_HIDDEN"] == "true"
    files = {path for pattern in patterns for path in _files(pattern, hidden)}
    files -= {path for line in lines if line.startswith("!") for path in _files(line[1:], hidden)}
    if not files:
        sentence = f"No files were found with the provided path: {' '.join(patterns)}. No artifacts will be uploaded."
        kind = {"error": "error", "ignore": "notice"}.get(given["SANDBOX_NONE_FOUND"], "warning")
        print(f"::{kind}::{sentence}")
        return 1 if kind == "error" else 0
    status, answer = _send(_pack(files, _root(patterns)))
    if status >= 400:
        print(f"::error::Failed to CreateArtifact: {answer}")
        return 1
    print(f"Artifact {given['SANDBOX_NAME']} has been successfully uploaded: {len(files)} files, {answer}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
