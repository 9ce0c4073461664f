"""What a container does: one attempt of one run, by the same runner as everywhere.

Called by `app.run_job` with an order, one JSON object: `v`, `payload` (the wire's, packed), the `gpu` it was asked for,
and the names of the Dict and the Queue that are its way home (`claims`, `events`). Returns one JSON object for Modal's
page; the bot reads the Queue. What is printed here is the container's log, which holds no word of the program's: that
goes home alone.

Limits: one attempt a process; Linux. Root leaves itself for the program's sake, as everywhere.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import modal

from cluster_runner import linux
from cluster_runner.job import Job, JobError, Order
from cluster_runner.place import NotOursError, Place
from cluster_runner.wire import Payload, WireError, unpack
from modal_runners.channel import Channel

VERSION = 1
# What the image, or whoever stands in for one, says of the machine.
NETWORK_VARIABLE = "CLUSTER_NETWORK"
PYTHON_VARIABLE = "CLUSTER_PYTHON"
SANDBOX_VARIABLE = "CLUSTER_SANDBOX"
SAME_USER_VARIABLE = "CLUSTER_SAME_USER"


class RefusedError(Exception):
    """The order can't be carried out, by our fault; the text is one sentence for people."""


def execute(text: str) -> str:
    """Do what the order `text` says: `{"told": true}` where the bot was told the outcome; raises RefusedError.

    `{"why": …}` says why there was nothing to do, and that is right.
    """
    os.umask(0o077)
    # No process of the program's may read this one's memory, which holds the container's secret.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    try:
        payload, gpu, claims, events = _read(text)
        call = modal.current_function_call_id() or "unknown"
        channel = Channel(claims, events, payload.run, payload.attempt, call)
        scheduler_run = f"{call}/{payload.run}-{payload.attempt}/{gpu}"
        job = Job(Order(payload.run, payload.attempt, payload, "", channel, scheduler_run, _options()), say)
        try:
            return _do(job, payload)
        finally:
            job.close()
    except NotOursError as reason:
        say(f"{reason} Nothing was executed.")
        return json.dumps({"why": str(reason)})
    except (JobError, WireError) as problem:
        say(f"{problem} Nothing was executed.")
        # Of what a container gives back, this text alone is read.
        raise RefusedError(str(problem)) from None


def _do(job: Job, payload: Payload) -> str:
    job.claim()
    place = Place(tempfile.gettempdir(), payload.run, payload.attempt)
    try:
        return json.dumps({"told": job.execute(place)})
    finally:
        os.chdir("/")
        shutil.rmtree(Path(place.upload).parent, ignore_errors=True)


def say(text: str) -> None:
    """Print a sentence into the container's log."""
    shown = "".join(char if char.isprintable() else "?" for char in text)[:500]
    print("runner: " + shown, flush=True)


def _read(text: str) -> tuple[Payload, str, str, str]:
    try:
        order = json.loads(text)
        version, packed, gpu, claims, events = (order[name] for name in ("v", "payload", "gpu", "claims", "events"))
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise JobError(f"The order can't be read ({type(error).__name__}).") from error
    if version != VERSION:
        raise JobError("The order is of another version; deploy the app of this bot's version.")
    return unpack(packed), str(gpu), str(claims), str(events)


def _options() -> list[str]:
    network = os.environ.get(NETWORK_VARIABLE, "closed")
    python = os.environ.get(PYTHON_VARIABLE)
    options = ["--python", python or sys.executable, "--sandbox", os.environ.get(SANDBOX_VARIABLE, "auto")]
    options += ["--same-user", os.environ.get(SAME_USER_VARIABLE, "never")]
    options += ["--container", f"a Modal container of its own, network {network}"]
    return [*options, "--network", "--packages"] if network == "open" else options
