"""The program on a runner's machine, as the sandbox's GitHub hands it out: registers the machine and stays connected.

Called by `config.sh` and `run.sh` beside it; travels in the archive that /downloads names, so it has the standard
library alone. It takes the arguments of GitHub's runner and refuses all others, expired tokens, and to be root. Jobs
are executed by the sandbox, wherever that runs, and not here.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

VERSION = "2.330.0"
SETTINGS, CREDENTIALS = Path(".runner"), Path(".credentials")


class NoError(Exception):
    """It can't be done; the text says why."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runner", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    configure = verbs.add_parser("configure", allow_abbrev=False)
    configure.add_argument("word", nargs="?", choices=["remove"])
    for flag in ("unattended", "ephemeral", "replace", "disableupdate", "no-default-labels"):
        configure.add_argument(f"--{flag}", action="store_true")
    configure.add_argument("--url")
    configure.add_argument("--token")
    configure.add_argument("--name")
    configure.add_argument("--labels", default="")
    configure.add_argument("--runnergroup", default="Default")
    configure.add_argument("--work", default="_work")
    run = verbs.add_parser("run", allow_abbrev=False)
    run.add_argument("--jitconfig")
    return parser


def _ask(url: str, token: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"RemoteAuth {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    except urllib.error.HTTPError as error:
        raise NoError(f"Http response code: {error.code} from 'POST {url}': {error.read().decode()}") from None
    except urllib.error.URLError as error:
        raise NoError(f"{url} can't be reached: {error.reason}") from None


def _answer(url: str, token: str, body: dict[str, Any]) -> Any:
    with _ask(url, token, body) as answer:
        return json.loads(answer.read())


def _configure(given: argparse.Namespace) -> None:
    if SETTINGS.exists():
        raise NoError("Cannot configure the runner because it is already configured. Run 'config.sh remove' first.")
    if not given.unattended:
        raise NoError("The stand-in asks nothing; give --unattended.")
    if not given.url or not given.name or not given.token:
        raise NoError("Invalid configuration provided for url, token or name. Terminating unattended configuration.")
    if not given.work or Path(given.work).is_absolute():
        raise NoError("Invalid configuration provided for work.")
    parts = urllib.parse.urlsplit(given.url)
    own = ["self-hosted"] if not given.no_default_labels else []
    asked = {
        "path": parts.path,
        "name": given.name,
        "labels": [*own, *filter(None, given.labels.split(","))],
        "group": given.runnergroup,
        "ephemeral": given.ephemeral,
        "replace": given.replace,
    }
    made = _answer(f"{parts.scheme}://{parts.netloc}/_actions/register", given.token, asked)
    SETTINGS.write_text(json.dumps(made["settings"]))
    CREDENTIALS.write_text(json.dumps(made["credentials"]))
    CREDENTIALS.chmod(0o600)
    print("√ Runner successfully added\n√ Settings Saved.", flush=True)


def _remove(given: argparse.Namespace) -> None:
    if not SETTINGS.exists():
        raise NoError("Does not exist. Skipping Removing .runner")
    settings = json.loads(SETTINGS.read_text())
    _answer(f"{settings['serverUrl']}/remove", given.token or "", {"id": settings["agentId"]})
    SETTINGS.unlink()
    CREDENTIALS.unlink()
    print("√ Runner removed successfully", flush=True)


def _run(given: argparse.Namespace) -> None:
    if given.jitconfig:
        try:
            files = json.loads(base64.b64decode(given.jitconfig, validate=True))
            settings, credentials = (json.loads(base64.b64decode(files[str(one)])) for one in (SETTINGS, CREDENTIALS))
        except (ValueError, KeyError):
            raise NoError("Invalid just-in-time configuration.") from None
    elif SETTINGS.exists():
        settings, credentials = (json.loads(one.read_text()) for one in (SETTINGS, CREDENTIALS))
    else:
        raise NoError("An error occurred: Not configured. Run config.(sh/cmd) to configure the runner.")
    about = {"id": settings["agentId"], "version": VERSION}
    with _ask(f"{settings['serverUrl']}/session", credentials["secret"], about) as session:
        print(f"√ Connected to GitHub\n\nCurrent runner version: '{VERSION}'", flush=True)
        for line in session:
            print(line.decode().rstrip(), flush=True)


def main() -> int:
    given = _parser().parse_args()
    if os.geteuid() == 0 and not os.environ.get("RUNNER_ALLOW_RUNASROOT"):
        print("Must not run with sudo", file=sys.stderr)
        return 1
    do = _run if given.verb == "run" else _remove if given.word == "remove" else _configure
    try:
        do(given)
    except NoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Exiting...")
    return 0


if __name__ == "__main__":
    sys.exit(main())
