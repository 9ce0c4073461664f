"""A GitHub job: `python -I -S PATH/cluster_runner --github`, the one step of the composite action that matters.

Started by workflows/run-job/action.yml. Reads the dispatch's inputs from the event file, masks token and payload, and
hands over to `job`. Ends with 0 wherever the bot was told what there was to tell, however the program fared: a red job
means that we failed. Nothing that a user controls is printed: a line of a job's log may be a command to GitHub.

Limits: the event file is emptied of both once they are read, but GitHub's own software keeps copies in its memory and
its diagnostic logs, and a program that runs as the same user can read these.
"""

import json
import os
import re
import sys
import tempfile
from typing import Any, Dict, List, Optional

from cluster_runner import linux
from cluster_runner.home import AddressError, Home
from cluster_runner.job import Job, JobError, Order
from cluster_runner.place import NotOursError, Place
from cluster_runner.wire import Payload, WireError, unpack

_SECRETS = ("token", "payload")
_RUN = re.compile(r"[0-9a-f]{32}")
_ATTEMPT = re.compile(r"[1-9][0-9]{0,8}")
_MOST_EVENT_BYTES = 1024 * 1024


def main(options: List[str]) -> int:
    """Do the job that `$GITHUB_EVENT_PATH` describes; `options` go to the runner. The exit code."""
    os.umask(0o077)
    try:
        inputs = _inputs(os.environ.get("GITHUB_EVENT_PATH", ""))
        # No process of the program's may read this one's memory, which holds the token.
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        order = _order(inputs, options)
        job = Job(order, say)
        if order.home is None and os.environ.get("GITHUB_RUN_ATTEMPT", "1") != "1":
            raise NotOursError("It was started again in GitHub, and nobody can be asked whether it ran before.")
        job.claim()
        place = Place(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir(), order.run, order.attempt)
        _output("name", "%s-%d" % (order.run, order.attempt))
        _output("upload", place.upload)
        return 0 if job.execute(place) else 1
    except NotOursError as reason:
        say("%s Nothing was executed." % reason)
        return 0
    except JobError as problem:
        say("%s Nothing was executed." % problem)
        return 1
    except OSError as error:
        say("The machine could not do it (%s)." % (error.strerror or type(error).__name__))
        return 1


def say(text: str) -> None:
    """Print a sentence into the job's log, such that it can be no command, whatever is in it."""
    shown = "".join(char if char.isprintable() else "?" for char in text)[:500]
    print("runner: " + re.sub(r":(?=:)|#(?=#\[)", r"\g<0> ", shown), flush=True)


def _inputs(path: str) -> Dict[str, str]:
    """The dispatch's inputs, masked, and gone from the file; raises JobError."""
    try:
        with open(path, encoding="utf-8") as file:
            event = json.loads(file.read(_MOST_EVENT_BYTES))
        found = event["inputs"] or {}
        inputs = {str(name): "" if value is None else str(value) for name, value in found.items()}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise JobError("The event file holds no inputs (%s)." % type(error).__name__) from error
    for name in _SECRETS:
        _mask(inputs.get(name, ""))
    _forget(path, event)
    return inputs


def _mask(secret: str) -> None:
    for line in secret.splitlines():
        # A mask holds for a line; what is printed here is the one place where the secret stands in the log's source.
        if line.strip():
            print("::add-mask::" + line.replace("%", "%25"), flush=True)


def _forget(path: str, event: Dict[str, Any]) -> None:
    """Take the secrets out of the event file, in place: others have it mounted, and later steps may read it."""
    event["inputs"] = {name: "" if name in _SECRETS else value for name, value in (event["inputs"] or {}).items()}
    try:
        with open(path, "r+b") as file:
            file.write(json.dumps(event).encode())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        # Somebody else's file; then the program, which may be somebody else again, can't be kept from it either.
        return


def _order(inputs: Dict[str, str], options: List[str]) -> Order:
    run, attempt = inputs.get("run_id", ""), inputs.get("attempt", "")
    if not _RUN.fullmatch(run) or not _ATTEMPT.fullmatch(attempt):
        raise JobError("The inputs name no run and attempt.")
    address, packed = inputs.get("report_to", "").strip().rstrip("/"), inputs.get("payload", "")
    payload: Optional[Payload] = None
    problem = ""
    try:
        payload = unpack(packed) if packed else None
    except WireError as error:
        problem = "The payload can't be read: %s." % error
    try:
        home = Home(address, inputs.get("token", "")) if address else None
    except AddressError as error:
        raise JobError("The bot can't be asked: %s." % error) from error
    more = [*options, *_package_cache()]
    return Order(run, int(attempt), payload, problem, home, os.environ.get("GITHUB_RUN_ID", "")[:255], more)


def _package_cache() -> List[str]:
    # GitHub's own folder for what may stay on the machine from one job to the next.
    tools = os.environ.get("RUNNER_TOOL_CACHE", "")
    return ["--package-cache", os.path.join(tools, "cluster-packages")] if os.path.isabs(tools) else []


def _output(name: str, value: str) -> None:
    path = os.environ.get("GITHUB_OUTPUT")
    if path and value.isprintable():
        with open(path, "a", encoding="utf-8") as file:
            file.write("%s=%s\n" % (name, value))
    sys.stdout.flush()
