"""What GitHub knows of a job that failed before its runner said anything: the step, and the last lines of its log.

Called by `launcher` once for such a run, when its artifact was looked for in vain. GitHub has a job's log only after
the job, and on another host, which must not see our token. What it says is a stranger's text: bounded here, defused
where it is shown. Two requests, and no second try: it explains a verdict, and must not keep it long.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from cluster_bot.launchers.github_actions.api import GithubApi, GithubError, GithubLimitError
from cluster_bot.log import get_logger

log = get_logger(__name__)

CONCLUSIONS = ("failure", "timed_out")
# Logs are read from their beginning, as GitHub's storage does not give the end alone.
MOST_LOG_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 16 * 1024
_DOWNLOAD_S = 20.0
_LINES = 3
_LINE_CHARS = 120
_STAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT[0-9:.]+Z ?")
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_COMMAND = re.compile(r"^##\[(\w+)\]")
# What GitHub adds after the steps, whatever happened.
_ROUTINE = ("Post job cleanup", "Cleaning up orphan processes", "Evaluate and set job outputs", "Complete job name")


async def last_words(api: GithubApi, number: int) -> str:
    """A sentence or two on why a workflow run's job failed; "" where nothing can be found out."""
    try:
        answer = await api.get(f"/actions/runs/{number}/jobs")
        jobs = answer.body.get("jobs") if answer.status == 200 and isinstance(answer.body, dict) else None
        job = next((one for one in jobs or () if one.get("conclusion") in CONCLUSIONS), None)
        if job is None:
            return ""
        step = failed_step(job)
        place = await api.get(f"/actions/jobs/{int(job['id'])}/logs")
        text = ""
        if place.status == 302 and "location" in place.headers:
            text = await _tail(place.headers["location"])
    except (GithubError, GithubLimitError) as error:
        log.info("no last words: %s", error, extra={"action": "last_words_failed"})
        return ""
    lines = last_lines(text)
    said = f"Its log ends: {' / '.join(lines)}" if lines else ""
    return " ".join(filter(None, [f"It failed at the step “{step}”." if step else "", said]))


def failed_step(job: Mapping[str, Any]) -> str:
    """The name of the first step that failed, "" where none did."""
    steps = job.get("steps") or ()
    return next((str(one.get("name"))[:80] for one in steps if one.get("conclusion") in CONCLUSIONS), "")


def last_lines(text: str) -> Sequence[str]:
    """The lines of a job's log that end with its last error, or else its last lines; without stamps and colours."""
    lines: list[str] = []
    last_error = 0
    for raw in text.splitlines():
        line = _ESCAPE.sub("", _STAMP.sub("", raw)).strip()
        command = _COMMAND.match(line)
        line = _COMMAND.sub("", line).strip()
        if not line or (command and command[1] in ("endgroup", "debug")) or line.startswith(_ROUTINE):
            continue
        lines.append(line[:_LINE_CHARS])
        if command and command[1] == "error":
            last_error = len(lines)
    return lines[: last_error or len(lines)][-_LINES:]


async def _tail(place: str) -> str:
    """The end of a log, by a plain GET: the address is signed, and the host is not GitHub's API."""
    kept, size = b"", 0
    timeout = aiohttp.ClientTimeout(total=_DOWNLOAD_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(place) as response:
            if response.status != 200:
                return ""
            async for piece in response.content.iter_any():
                size += len(piece)
                kept = (kept + piece)[-_TAIL_BYTES:]
                if size > MOST_LOG_BYTES:
                    return ""
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        log.info("no log: %s", type(error).__name__, extra={"action": "last_words_failed"})
        return ""
    # The first line may be half of one.
    whole = kept if size <= _TAIL_BYTES else kept.partition(b"\n")[2]
    return whole.decode("utf-8", "replace")
