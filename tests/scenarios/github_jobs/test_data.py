"""What a member sends is data on every machine of its way, and what is secret stays where it belongs.

`_SEARCH` looks where a program can look for this job's token and payload: its environment, the environments and command
lines of all processes it may see, GitHub's event file. What it finds is told per machine, as it is not the same
everywhere: an ordinary user's job leaves the event file to be read by its programs, emptied of both. Not looked at are
the memory and the logs of GitHub's own runner software, which a program of the same user may read
(workflows/run-job/README.md), and the file from which the sandbox tells act the event, which GitHub does not have.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import tempfile
import zipfile

import pytest

from cluster_bot.runs.run import Status
from cluster_sandbox.github import Artifact, Run

from .conftest import Halls
from .hall import Hall

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: machines that differ by their user need root"),
]

# Discord leaves little of such a name; the job itself is tried with worse in tests/unit/runner/test_github_job.py.
NAME = "$(touch pwned); ${{ secrets.GITHUB_TOKEN }} && ünsäfe ::set-output name=x::y #.py"
TAKEN = re.sub(r"[^\w.\-]", "_", NAME)
IN_SOURCE, IN_OUTPUT, IN_ARGUMENT = "canary-in-source", "canary-in-output", "canary-in-argument"
ARGUMENTS = [
    "$(touch pwned)",
    "`touch pwned`",
    "${{ secrets.GITHUB_TOKEN }}",
    "${{ github.token }}",
    "a\"b'c",
    "::add-mask::hello",
    "&& exit 1 #",
    IN_ARGUMENT,
]
COMMANDS = [
    "::set-output name=name::evil",
    "::add-mask::Outcome",
    "::error::not an error",
    "::stop-commands::x",
    "##[error]no error either",
    "##vso[task.complete result=Failed]",
    "${{ secrets.GITHUB_TOKEN }}",
    IN_OUTPUT,
]
_SEARCH = r"""
import glob, json, os, re, sys
LIKE_A_TOKEN = re.compile(rb"v1\.\d+\.\d{9,}\.[\w-]{20,}|ghs_[0-9a-f]{20,}")
EVENT_FILES = "/sandbox-github-*/home/cache/act/*/act/workflow/event.json"
def look(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
def leaked(paths):
    return [path for path in paths if LIKE_A_TOKEN.search(look(path))]
events = [json.loads(text) for text in map(look, glob.glob(sys.argv[2] + EVENT_FILES)) if text]
print(json.dumps({
    "environment": sorted(name for name in os.environ if re.match("GITHUB|ACTIONS|RUNNER|RUN_JOB", name)),
    "processes": leaked(glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline")),
    "event": [[one["inputs"]["token"], one["inputs"]["payload"]] for one in events],
}))
"""
HOSTILE = f"""\
# {IN_SOURCE} ${{{{ secrets.GITHUB_TOKEN }}}} $(touch pwned) `touch pwned` "'
import json, os, sys
print(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[3:]]))
for line in {COMMANDS!r}:
    print(line)
sys.stdout.flush()
{_SEARCH}
"""


def _quoted(argument: str) -> str:
    return "'" + argument.replace("'", "'\"'\"'") + "'"


async def _executed(hall: Hall, gpu: str) -> tuple[dict[str, object], Run]:
    """Run it, and judge what it was told and what it printed; what its search found, and GitHub's run."""
    arguments = " ".join(map(_quoted, [tempfile.gettempdir(), *ARGUMENTS]))
    place = await hall.open(HOSTILE, name=NAME, gpu=gpu, more=arguments)
    await hall.ends(place, Status.SUCCEEDED)
    told, *printed, found = hall.logged(place)
    assert json.loads(told) == [TAKEN, *ARGUMENTS]
    assert printed == COMMANDS
    job = await hall.job(place, lambda job: job.completed)
    assert job.conclusion == "success"
    assert [one.name for one in _artifacts(hall, job)] == [f"{job.inputs['run_id']}-1"], "its outputs are ours"
    return json.loads(found), job


def _artifacts(hall: Hall, job: Run) -> list[Artifact]:
    return [one for one in hall.github.world.artifacts.values() if one.run_id == job.id]


def _slices(secret: str) -> list[str]:
    """Pieces by which it would be known, even cut."""
    return [secret[at : at + 40] for at in range(0, len(secret) - 39, 20)]


async def _judge_traces(hall: Hall, job: Run) -> None:
    """Neither log, artifact nor page, nor the bot's own log, shows what they must not."""
    payload, token = job.inputs["payload"], job.inputs["token"]
    secrets = [*_slices(payload), *_slices(token), job.token, IN_SOURCE]
    assert len(secrets) > 10
    assert job.job is not None
    status, log = await hall.ask_github(f"/actions/jobs/{job.job.id}/logs")
    assert (status, b"Outcome: exited, exit code 0" in log) == (200, True), "nothing masked what we say"
    (artifact,) = _artifacts(hall, job)
    with zipfile.ZipFile(io.BytesIO(artifact.data)) as archive:
        packed = b"\n".join(archive.read(name) for name in archive.namelist())
    assert IN_OUTPUT.encode() in packed
    own = (hall.folder / "bot.log").read_bytes()
    for name, text in (("log", log), ("artifact", packed), ("bot's log", own)):
        assert [secret for secret in secrets if secret.encode() in text] == [], name
    # The log of a job may be everybody's to read.
    for word in (IN_OUTPUT, IN_ARGUMENT, "pwned", "evil", "no error"):
        assert word.encode() not in log
    assert list(hall.folder.rglob("pwned")) == []


async def test_it_is_data_and_no_secret_is_shown_on_any_machine(halls: Halls) -> None:
    """Root's machines without bubblewrap and with it, and one where jobs are an ordinary user's."""
    machines = ("NVIDIA", "KEPT", "USER")
    async with asyncio.TaskGroup() as group:
        tasks = {gpu: group.create_task(_executed(halls.live, gpu)) for gpu in machines}
    for gpu in machines:
        found, job = tasks[gpu].result()
        assert job.inputs["token"].startswith("v1.1.")
        emptied = [["", ""]] if gpu == "USER" else []
        assert found == {"environment": [], "processes": [], "event": emptied}, gpu
        await _judge_traces(halls.live, job)


async def test_it_is_data_without_a_public_address(halls: Halls) -> None:
    found, job = await _executed(halls.late, "NVIDIA")
    assert (job.inputs["token"], found) == ("", {"environment": [], "processes": [], "event": []})
    await _judge_traces(halls.late, job)
