"""What GitHub's words for a workflow run mean here: status and conclusion to an observation.

Used by `launcher`. Pure. A conclusion counts only where no outcome ever arrived: the runner's own word comes first.
"""

from collections.abc import Mapping
from types import MappingProxyType

from cluster_bot.runs.run import Observation, Reason, Sighting

_PENDING = ("queued", "requested", "waiting", "pending")

# What an end means, and the sentence for it. None: nobody knows how the program ended.
CONCLUSIONS: Mapping[str, tuple[Reason | None, str]] = MappingProxyType(
    {
        "success": (None, "GitHub's job ended well, but its runner never told how the program ended."),
        "failure": (None, "GitHub's job failed before its runner told how the program ended."),
        "neutral": (None, "GitHub's job ended, but its runner never told how the program ended."),
        "cancelled": (Reason.CANCELLED_OUTSIDE, "It was cancelled on GitHub."),
        "timed_out": (Reason.TIME_LIMIT, "GitHub ended the job at its time limit."),
        "startup_failure": (
            Reason.LAUNCHER_REFUSED,
            "GitHub could not start the workflow; an admin should look at the workflow file.",
        ),
        "action_required": (
            Reason.LAUNCHER_REFUSED,
            "GitHub waits for somebody's approval of the workflow run; an admin should look at it.",
        ),
        "skipped": (Reason.LAUNCHER_REFUSED, "GitHub skipped the job; an admin should look at the workflow file."),
        "stale": (Reason.QUEUE_LIMIT, "GitHub gave the run up after waiting too long."),
    }
)


def observation(status: str, conclusion: str | None, *, detail: str, url: str | None) -> Observation:
    """One look at a workflow run; `detail` is for one that is not over."""
    if status == "completed":
        ending, sentence = CONCLUSIONS.get(
            conclusion or "", (None, "GitHub's job ended in a way this bot does not know.")
        )
        return Observation(Sighting.FINISHED, sentence, url, ending=ending)
    if status in _PENDING:
        return Observation(Sighting.PENDING, detail, url)
    if status == "in_progress":
        return Observation(Sighting.RUNNING, detail, url)
    return Observation(Sighting.UNKNOWN, "", url)
