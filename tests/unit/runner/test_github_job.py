"""A GitHub job without a bot to report to: masks, folders, signals, and what is left for the next step."""

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster_runner.github import say

from .conftest import PATIENCE_S, RUN_ID, await_death
from .github_job import GitHubJob

_HOSTILE = "a`$(touch pwned)`'\"${{ github.token }} ::set-output name=x::y ##[error]z.py"


@pytest.fixture
def job(home: Path) -> Iterator[GitHubJob]:
    job = GitHubJob(home)
    yield job
    job.close()


def wait_for(condition: Callable[[], object]) -> None:
    """For what another process writes into plain files, where nobody rings: looked at every 10 ms."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def text_of(job: GitHubJob) -> str:
    # The file is made before its lines are written, one after the other.
    told = job.output.read_text() if job.output.exists() else ""
    if not (told.endswith("\n") and all(f"{what}=" in told for what in ("name", "upload"))):
        return ""
    path = job.upload / "events.ndjson"
    lines = [json.loads(line) for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]
    return "".join(line["text"] for line in lines if line["kind"] == "log")


def test_everything_is_left_for_the_next_step(job: GitHubJob) -> None:
    job.ask("import os\nprint('SOURCE' + 'MARK')\nopen(os.environ['CLUSTER_ARTIFACTS'] + '/x.txt', 'w').write('kept')")
    assert job.run() == 0
    assert [event.kind for event in job.events()] == ["hello", "phase", "log", "artifact", "outcome"]
    assert job.events()[0].body["scheduler_run"] == "4711"
    assert job.outcome().exit_code == 0
    stored = job.events()[3].body["stored"]
    assert (job.upload / "artifacts" / stored).read_text() == "kept"
    assert not (job.upload / "events.ndjson").is_symlink()
    assert sorted(path.name for path in job.upload.rglob("*")) == [stored, "artifacts", "events.ndjson"]
    assert [path.name for path in job.temp.iterdir()] == [f"cluster-{RUN_ID}-1"]
    assert [path.name for path in job.upload.parent.iterdir()] == ["upload"]
    assert "Outcome: exited, exit code 0" in job.log


def test_a_failed_program_is_no_failed_job(job: GitHubJob) -> None:
    job.ask("raise SystemExit(3)")
    assert job.run() == 0
    assert job.outcome().exit_code == 3


def test_payload_and_token_are_masked_and_leave_the_event_file(job: GitHubJob) -> None:
    job.ask("print('hello')", token="secret-token")
    told = json.loads(job.event.read_text())["inputs"]
    assert job.run() == 0
    assert sorted(job.masked) == sorted(["secret-token", told["payload"]])
    assert "secret-token" not in job.log
    assert told["payload"] not in job.log
    left = json.loads(job.event.read_text())
    assert left["ref"] == "refs/heads/main"
    assert left["inputs"] == {**told, "payload": "", "token": ""}


def test_the_program_learns_nothing_of_github(job: GitHubJob) -> None:
    job.ask("import os\nfor name, value in os.environ.items(): print(name, value)")
    assert job.run(env={"GITHUB_TOKEN": "github-secret", "ROCM_PATH": "/opt/rocm"}) == 0
    names = {line.split(" ")[0] for line in text_of(job).splitlines()}
    assert "ROCM_PATH" in names
    assert not [name for name in names if name.startswith(("GITHUB_", "ACTIONS_", "RUNNER_"))]
    assert "secret" not in text_of(job)


def test_a_hostile_name_runs_as_data_and_is_never_printed(job: GitHubJob) -> None:
    job.ask(
        "import os, sys\nprint(sys.argv[0])\nprint('::set-env name=A::B')\n"
        "open(os.environ['CLUSTER_ARTIFACTS'] + '/::warning::x', 'w').write('')",
        name=_HOSTILE,
    )
    assert job.run() == 0
    assert job.outcome().exit_code == 0
    assert _HOSTILE in text_of(job)
    assert "::" not in job.log
    assert "##[" not in job.log
    assert "pwned" not in job.log


def test_what_is_said_can_be_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    say("::error::a\n::error::b ##[group]c :::: \x1b[1m\u2028x")
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "::" not in said
    assert "##[" not in said


def test_folders_are_closed_to_others(job: GitHubJob) -> None:
    job.ask("pass")
    assert job.run() == 0
    place = job.upload.parent
    assert stat.S_IMODE(place.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    assert stat.S_IMODE(job.upload.stat().st_mode) == 0o700


def test_an_attempt_is_executed_once_in_one_place(job: GitHubJob, outside: Path) -> None:
    for _ in range(2):
        job.ask(f"open('{outside}/ran', 'a').write('x')")
        assert job.run() == 0
    assert (outside / "ran").read_text() == "x"
    assert "executed on this machine already. Nothing was executed." in job.log


def test_a_job_that_github_repeats_executes_nothing(job: GitHubJob, outside: Path) -> None:
    job.ask(f"open('{outside}/ran', 'a').write('x')")
    assert job.run(env={"GITHUB_RUN_ATTEMPT": "2"}) == 0
    assert not (outside / "ran").exists()
    assert not job.output.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_job_stops_the_program_and_tells(job: GitHubJob, number: signal.Signals) -> None:
    job.ask("import time\nprint('ready', flush=True)\ntime.sleep(1000)")
    process = job.start()
    wait_for(lambda: "ready" in text_of(job))
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    assert (job.outcome().result, job.outcome().signal) == ("stopped", "SIGTERM")


def test_a_killed_job_takes_the_program_with_it_and_leaves_its_events(job: GitHubJob) -> None:
    job.ask("import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(1000)")
    process = job.start()
    wait_for(lambda: "pid" in text_of(job))
    pid = int(text_of(job).split()[1])
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    await_death(pid)
    wait_for(lambda: job.events()[-1].kind == "outcome")
    assert job.outcome().result == "stopped"


def test_a_payload_that_cannot_be_read_is_told(job: GitHubJob) -> None:
    job.ask("pass", payload="bm90IHpsaWI=")
    assert job.run() == 0
    assert job.outcome().result == "setup_error"
    assert "not base64 of zlib" in job.outcome().detail


def test_the_program_of_another_attempt_is_not_executed(job: GitHubJob) -> None:
    job.ask("pass", attempt="2")
    assert job.run() == 0
    told = next(line for line in job.output.read_text().splitlines() if line.startswith("upload="))
    events = Path(told.removeprefix("upload=")) / "events.ndjson"
    assert "another attempt" in json.loads(events.read_bytes())["detail"]


@pytest.mark.parametrize(
    "inputs",
    [
        {"run_id": "../../x", "attempt": "1"},
        {"run_id": RUN_ID, "attempt": "1x"},
        {"run_id": RUN_ID, "attempt": "1", "report_to": "file:///etc", "token": "t"},
        {"run_id": RUN_ID, "attempt": "1", "report_to": "http://a b", "token": "t"},
        {"run_id": RUN_ID, "attempt": "1", "report_to": "http://a:x", "token": "t"},
        {"run_id": RUN_ID, "attempt": "1", "report_to": "http://a", "token": "a\nb"},
        None,
    ],
)
def test_odd_inputs_are_one_sentence_and_a_red_job(job: GitHubJob, inputs: dict[str, str] | None) -> None:
    job.event.write_text(json.dumps({"inputs": inputs}))
    assert job.run() == 1
    assert not job.output.exists()
    assert job.log.startswith("runner: ")
    assert job.log.count("\n") == 1


@pytest.mark.parametrize("text", ["{}", "[]", "", "[" * 100_000])
def test_an_odd_event_file_is_one_sentence_and_a_red_job(job: GitHubJob, text: str) -> None:
    job.event.write_text(text)
    assert job.run() == 1
    assert job.log.startswith("runner: The event file holds no inputs")


def test_odd_options_are_refused_before_anything_else(job: GitHubJob) -> None:
    job.ask("pass")
    assert job.run("--sandbox", "odd") == 2
    assert not job.output.exists()


def test_the_job_cannot_be_read_by_others_of_its_user(job: GitHubJob) -> None:
    job.ask("import time\nprint('ready', flush=True)\ntime.sleep(1000)")
    process = job.start()
    wait_for(lambda: "ready" in text_of(job))
    owner = Path(f"/proc/{process.pid}/environ").stat().st_uid
    assert owner == 0
    if os.geteuid() != 0:
        assert subprocess.run(["cat", f"/proc/{process.pid}/environ"], capture_output=True, check=False).returncode != 0
