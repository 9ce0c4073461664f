"""What events mean to a run: from what a runner wrote to what `advance` understands.

Used by the follower, which reads them from the store, and by the web ingest, which must know when to wake it.
"""

from cluster_bot.runs.advance import Happening, LaunchAccepted, Said
from cluster_bot.runs.ports import Launcher, Recognising
from cluster_bot.runs.run import Handle, Machine
from cluster_runner.wire import Event

# The kinds of event that may move a run.
STATE_KINDS = ("hello", "phase", "outcome")


def said(event: Event) -> Said:
    """What a hello, phase or outcome event means to the run."""
    if event.kind == "hello":
        gpu, isolation = event.body.get("gpu"), event.body.get("isolation")
        return Said(event.n, machine=Machine(str(event.body["machine"]), gpu, isolation))
    if event.kind == "phase":
        return Said(event.n, phase=str(event.body["phase"]))
    return Said(event.n, outcome=event.outcome)


def recognised(event: Event, launcher: Launcher) -> list[Happening]:
    """Where a launch took effect twice, the runner that speaks is the one that won the claim."""
    scheduler_run = event.body.get("scheduler_run") if event.kind == "hello" else None
    if scheduler_run is None or not isinstance(launcher, Recognising):
        return []
    handle = launcher.handle_of(str(scheduler_run))
    return [] if handle is None else [accepted(handle, launcher)]


def accepted(handle: Handle, launcher: Launcher) -> LaunchAccepted:
    """That a launcher took it, and where people find it if that is known without a look."""
    return LaunchAccepted(handle, launcher.link_of(handle) if isinstance(launcher, Recognising) else None)
