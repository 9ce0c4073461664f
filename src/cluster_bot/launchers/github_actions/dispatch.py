"""A dispatch: its inputs, and the one request that is never repeated blindly.

Called by `launcher`. GitHub has no idempotency key, so whatever may have taken effect is uncertain, and only the list
of runs can tell. A bot without a public address has no claim either: there a dispatch that comes late, from a bot that
was stopped between its save and its request, could be a second one, and is not sent at all.
"""

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cluster_bot.launchers.github_actions.api import GithubApi, GithubError, GithubLimitError
from cluster_bot.launchers.github_actions.gpus import GpuSettings
from cluster_bot.runs.ports import LaunchRefusedError, LaunchUncertainError
from cluster_bot.runs.run import Run
from cluster_bot.runs.spec import Language, RunSpec
from cluster_runner import wire

MAX_INPUTS_CHARS = 65_535
# What a job may need beside the program's own time: a container's image, the checkout, a compiler, packages.
SETUP_S = 600
# A token outlives the longest wait in a queue (a day) and the longest job of a runner (five days).
TOKEN_S = 7 * 86_400
# Where there is no claim, a request later than this after the wish is not sent. `find` waits much longer.
LATEST_S = 10.0
_PACKAGES = re.compile(r"^# /// script[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reporting:
    """Where runners report to: the bot's public address without a slash at its end, and who makes their tokens.

    `mint(run id, attempt, expiry in seconds since the epoch)`.
    """

    public_url: str
    mint: Callable[[str, int, float], str]


def inputs_of(run: Run, gpu: GpuSettings, reporting: Reporting | None, now: float, container: str) -> dict[str, str]:
    """The inputs of run's attempt, within GitHub's limit; LaunchRefusedError where they can't be."""
    inputs = {
        "run_id": run.id,
        "attempt": str(run.attempt),
        "payload": wire.pack(run.spec.payload(run.id, run.attempt)),
        "report_to": "" if reporting is None else reporting.public_url,
        "token": "" if reporting is None else reporting.mint(run.id, run.attempt, now + TOKEN_S),
        "time_limit_minutes": str(math.ceil((run.spec.time_limit_s + SETUP_S) / 60)),
        "runs_on": json.dumps(list(gpu.labels)),
        "container": container,
        "packages": "true" if names_packages(run.spec) else "false",
    }
    if size_of(inputs) > MAX_INPUTS_CHARS:
        if reporting is None:
            raise LaunchRefusedError("the program is too large for a dispatch, and the bot has no address", again=False)
        inputs["payload"] = ""
    return inputs


def size_of(inputs: Mapping[str, str]) -> int:
    """Characters of the inputs as GitHub counts them: all of them together, as compact JSON."""
    return len(json.dumps(inputs, separators=(",", ":"), ensure_ascii=False))


def names_packages(spec: RunSpec) -> bool:
    """Whether the program names packages it needs (PEP 723)."""
    return spec.language is Language.PYTHON and _PACKAGES.search(spec.files[spec.main]) is not None


class Accepted(NamedTuple):
    """The workflow run that GitHub made, and where people find it."""

    number: int
    url: str


async def dispatch(
    api: GithubApi, workflow: str, ref: str, inputs: Mapping[str, str], *, details: bool, wished_at: float | None
) -> Accepted | None:
    """Dispatch; None where GitHub accepted and named no run.

    `wished_at` (seconds since the epoch) is when the wish was saved, None where a claim makes lateness harmless.
    Raises LaunchRefusedError or LaunchUncertainError.
    """

    def allowed() -> bool:
        return wished_at is None or time.time() - wished_at <= LATEST_S

    try:
        answer = await api.dispatch(workflow, ref, inputs, details=details, allowed=allowed)
    except GithubLimitError as limit:
        raise LaunchRefusedError(limit.words, again=True, after_s=limit.after_s) from limit
    except GithubError as error:
        if not error.sent:
            raise LaunchRefusedError(error.words, again=True) from error
        raise LaunchUncertainError(str(error)) from error
    if answer is None:
        raise LaunchUncertainError("too late to dispatch without a claim")
    if answer.status == 200 and isinstance(answer.body, dict):
        return Accepted(int(answer.body["workflow_run_id"]), str(answer.body["html_url"] or ""))
    if answer.status == 204:
        return None
    if answer.status >= 500 or answer.status < 400:
        raise LaunchUncertainError(f"GitHub answered {answer.status} to a dispatch")
    raise LaunchRefusedError(_refusal(answer.status, answer.message, workflow, ref, api.repository), again=False)


def _refusal(status: int, message: str, workflow: str, ref: str, repository: str) -> str:
    if status == 401:
        return "GitHub does not accept the bot's token; an admin should renew GITHUB_TOKEN"
    if status == 403:
        return f"the bot's token may not start workflows of {repository}; an admin should give it Actions: write"
    if status == 404:
        return f"GitHub knows no {workflow} in {repository}, or hides it from the bot's token; an admin should look"
    return f"GitHub refused the workflow {workflow} on {ref} ({message[:200] or status}); an admin should look"
