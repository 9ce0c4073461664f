"""What a donor runs to lend a machine: one text for bash, with the commands of GitHub's own pages.

Called by `runners`. Everything that came from somewhere else is quoted for the shell. Downloaded is the version that
GitHub names, and checked against its checksum; what is there already is not fetched or registered again, so that the
same file starts the runner the next day too.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Download:
    """Where GitHub keeps its runner's program; `checksum` (SHA-256) and `token` are "" where it names none."""

    url: str
    checksum: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Registration:
    """What `config.sh` is told; `url` is the organisation's page, or the repository's."""

    url: str
    token: str = field(repr=False)
    labels: Sequence[str]
    group: str = ""


def download_of(applications: Any) -> Download | None:
    """The one for Linux on x64, of what GitHub answers; None where there is none."""
    for one in applications if isinstance(applications, list) else []:
        if isinstance(one, Mapping) and (one.get("os"), one.get("architecture")) == ("linux", "x64"):
            token = str(one.get("temp_download_token") or "")
            return Download(str(one.get("download_url", "")), str(one.get("sha256_checksum") or ""), token)
    return None


def script(name: str, whose: str, download: Download, how: Registration | str, until: float) -> str:
    """The text for a machine called `name`; `how` is its registration, or its just-in-time configuration."""
    date = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"
    once = isinstance(how, str)
    what = f"takes one run of {whose}, then ends" if once else f"works for {whose} until you stop it (Ctrl+C)"
    lines = [
        "#!/usr/bin/env bash",
        f"# Makes this Linux machine (x64) the runner {name}, which {what}.",
        f"# It holds a secret that is good until {date}: keep it to yourself.",
        "# Run it as an ordinary user who owns nothing of worth, never as root: programs of members run as that user.",
        "set -euo pipefail",
        f'folder="$HOME/"{shlex.quote(folder_of(name))}',
        'mkdir -p "$folder"',
        'cd "$folder"',
        "if [ ! -x ./run.sh ]; then",
        *_fetching(download),
        "fi",
    ]
    if isinstance(how, str):
        lines.append(f"exec ./run.sh --jitconfig {shlex.quote(how)}")
    else:
        lines += ["if [ ! -f .runner ]; then", f"    {_configuring(name, how)}", "fi", "exec ./run.sh"]
    return "\n".join(lines) + "\n"


def folder_of(name: str) -> str:
    """The folder in the donor's home in which a runner lives."""
    return f"actions-runner-{name}"


def _fetching(download: Download) -> list[str]:
    header = f" --header {shlex.quote(f'Authorization: Bearer {download.token}')}" if download.token else ""
    url = shlex.quote(download.url)
    check = shlex.quote(f"{download.checksum}  runner.tar.gz")
    return [
        "    if command -v curl > /dev/null; then",
        f"        curl --fail --location --silent --show-error --output runner.tar.gz{header} {url}",
        "    else",
        f"        wget --quiet --output-document=runner.tar.gz{header} {url}",
        "    fi",
        *([f"    echo {check} | sha256sum --check --quiet -"] if download.checksum else []),
        "    tar -xzf runner.tar.gz",
        "    rm runner.tar.gz",
    ]


def _configuring(name: str, how: Registration) -> str:
    given = {"url": how.url, "token": how.token, "name": name, "labels": ",".join(how.labels), "work": "_work"}
    given |= {"runnergroup": how.group} if how.group else {}
    options = " ".join(f"--{option} {shlex.quote(value)}" for option, value in given.items())
    return f"./config.sh --unattended {options}"
