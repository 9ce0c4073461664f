"""The local launcher's own corners: hostile spools, its folders' modes, its socket, what the runner is told."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import warm
from cluster_bot.errors import UserError
from cluster_bot.launchers.local_process import Doorbell, LocalProcess
from cluster_bot.launchers.spool_folder import Life, SpoolFolder, SpoolReader, run_of
from cluster_bot.runs.ports import LaunchRefusedError
from cluster_bot.runs.run import Handle, Member, Origin, Run, Sighting
from cluster_bot.runs.spec import RunSpec
from cluster_runner import wire
from cluster_runner.__main__ import EXIT_FOLDER_GONE
from cluster_runner.wire import Event, event_to_line

from .conftest import RUN_ID, RUNNER, as_root, bubblewrap_trouble, needs_bubblewrap


def log(number: int, text: str = "line\n") -> bytes:
    return event_to_line(Event(number, 1.0, "log", {"stream": "stdout", "text": text}))


def run_of_text(text: str = "pass") -> Run:
    return Run(
        RUN_ID, 1, RunSpec({"a.py": text}, "a.py", "local", 50), Member("1", "ada"), Origin("k", {}), 0.0, attempt=1
    )


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events.ndjson"


def test_a_torn_last_line_is_not_there_yet(tmp_path: Path, events: Path) -> None:
    reader = SpoolReader(tmp_path)
    assert reader.read(0) == []
    events.write_bytes(log(1) + log(2)[:-5])
    assert [event.n for event in reader.read(0)] == [1]
    assert reader.read(1) == []
    events.write_bytes(log(1) + log(2))
    assert [event.n for event in reader.read(1)] == [2]


def test_odd_lines_are_passed_over(tmp_path: Path, events: Path) -> None:
    odd = [
        b"\n",
        b"\xff\xfe\n",
        b"{}\n",
        b"nonsense\r\n",
        b"[" * 60_000 + b"\n",
        b"x" * 100_000 + b"\n",
        log(9),
        log(1),
    ]
    events.write_bytes(b"".join(odd) + log(2) + b"".join(odd) + log(3))
    assert [event.n for event in SpoolReader(tmp_path).read(0)] == [1, 2, 3]


def test_a_number_that_cannot_be_had_ends_what_is_handed_on(tmp_path: Path, events: Path) -> None:
    events.write_bytes(log(1) + log(3) + log(4))
    reader = SpoolReader(tmp_path)
    assert [event.n for event in reader.read(0)] == [1]
    assert reader.read(1) == []


def test_an_endless_line_is_passed_over_in_pieces(tmp_path: Path, events: Path) -> None:
    events.write_bytes(log(1) + b"x" * (5 << 20) + b"\n" + log(2))
    reader = SpoolReader(tmp_path)
    assert [event.n for event in reader.read(0)] == [1]
    assert [event.n for event in reader.read(1)] == [2]


def test_many_events_come_in_bounded_pieces(tmp_path: Path, events: Path) -> None:
    events.write_bytes(b"".join(log(number) for number in range(1, 1301)))
    reader = SpoolReader(tmp_path)
    sizes = [len(reader.read(after)) for after in (0, 500, 1000, 1300, 100, 0)]
    assert sizes == [500, 500, 300, 0, 500, 500]
    events.write_bytes(b"".join(log(number, "x" * 8000) for number in range(1, 400)))
    assert 100 < len(SpoolReader(tmp_path).read(0)) < 140


def test_only_a_spools_name_names_a_run() -> None:
    assert run_of(f"{RUN_ID}-12") == RUN_ID
    for odd in ("", RUN_ID, f"{RUN_ID}-0", f"{RUN_ID}-", f"../{RUN_ID}-1", f"{RUN_ID}-1/..", RUN_ID.upper() + "-1"):
        assert run_of(odd) is None


def test_a_forbidden_attempt_stays_so(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / f"{RUN_ID}-1")
    assert folder.life() is Life.GONE
    folder.prepare("{}", 0o700)
    assert folder.life() is Life.UNCLAIMED
    assert folder.forbid()
    assert not folder.forbid()
    assert folder.life() is Life.FORBIDDEN
    (folder.path / "claim").write_text("a runner")
    assert folder.life() is Life.ENDED


def test_a_missing_root_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SpoolFolder(tmp_path / "unmounted" / f"{RUN_ID}-1").life()


def test_whatever_a_program_left_is_removed(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / f"{RUN_ID}-1")
    folder.prepare("{}", 0o700)
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "kept").touch()
    work = folder.path / "work"
    (work / "closed" / "inner").mkdir(parents=True)
    (work / "closed").chmod(0)
    (work / "link").symlink_to(tmp_path / "beside")
    (folder.path / "usual" / "inner").mkdir(parents=True)
    (folder.path / "usual" / "inner" / "link").symlink_to(tmp_path / "beside")
    dig = "import os\nfor _ in range(1000): os.mkdir('level'); os.chdir('level')"
    subprocess.run([sys.executable, "-I", "-S", "-c", dig], cwd=work, check=True)
    (folder.path / "claim").touch()
    assert folder.discard()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["beside", "beside/kept"]
    assert folder.discard()


# What `python -m cluster_runner` is, held at a moment before it locks: before or after it has entered the folder.
_HELD = {"outside": 'read go; exec "$@" "$0"', "inside": 'cd "$0"; echo; read go; exec "$@" .'}


@pytest.mark.parametrize("where", _HELD)
def test_a_runner_that_comes_after_a_discard_executes_nothing(home: Path, outside: Path, where: str) -> None:
    folder = SpoolFolder(home / f"{RUN_ID}-1")
    run = run_of_text(f"open({str(outside / 'ran')!r}, 'w')")
    folder.prepare(wire.payload_to_json(run.spec.payload(run.id, run.attempt)), 0o711)
    runner = [sys.executable, "-I", "-S", str(RUNNER), "--sandbox", "none", "--spool"]
    command = ["sh", "-c", f"umask 022; {_HELD[where]}", str(folder.path), *runner]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as late:
        assert late.stdin is not None and late.stdout is not None
        if where == "inside":
            late.stdout.readline()
        assert folder.discard()
        late.stdin.write(b"go\n")
        late.stdin.close()
        assert late.wait(60) == EXIT_FOLDER_GONE
    assert list(outside.iterdir()) == []


def test_a_runner_between_its_lock_and_its_claim_is_turned_away(home: Path) -> None:
    folder = SpoolFolder(home / f"{RUN_ID}-1")
    folder.prepare("{}", 0o711)
    source = (
        "import os, sys\n"
        f"sys.path.insert(0, {str(RUNNER.parent)!r})\n"
        "from cluster_runner.spool import claim, take_lock\n"
        f"os.chdir({str(folder.path)!r})\n"
        "print(take_lock(), flush=True)\n"
        "sys.stdin.readline()\n"
        "print(claim('late'), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-I", "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as late:
        assert late.stdin is not None and late.stdout is not None
        assert late.stdout.readline() == b"True\n"
        assert folder.life() is Life.WAITING
        assert not folder.discard()
        assert folder.life() is Life.FORBIDDEN
        late.stdin.write(b"go\n")
        late.stdin.close()
        assert late.stdout.readline() == b"False\n"
        assert late.wait(60) == 0
    assert folder.discard()
    assert not folder.path.exists()


def test_an_artifact_is_a_plain_bounded_file(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path)
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "file").write_bytes(b"12345")
    (tmp_path / "artifacts" / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "artifacts" / "pipe")
    assert folder.artifact("file", 5) == b"12345"
    assert folder.artifact("file", 4) is None
    assert [folder.artifact(name, 100) for name in ("link", "pipe", "..", "../claim")] == [None] * 4


async def test_the_runner_is_told_no_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "hunter2-secret")
    launcher = LocalProcess(home / "local", python=sys.executable)
    news = asyncio.Event()
    launcher.on_news(lambda _run: news.set())
    run = run_of_text("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)")
    await launcher.start(run)
    folder = home / "local" / f"{RUN_ID}-1"
    await asyncio.wait_for(news.wait(), 60)
    # One, or two at the moment when its copy is about to become the program.
    runners = [
        entry
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and str(folder).encode() in _read(entry / "cmdline")
    ]
    assert runners
    assert not any(b"hunter2" in _read(entry / "environ") for entry in runners)
    (folder / "work" / "src" / "go").touch()
    assert stat.S_IMODE((folder / "payload.json").stat().st_mode) == 0o600
    while not any(event.kind == "outcome" for event in await launcher.fetch(run, 0)):
        await asyncio.wait_for(news.wait(), 60)
        news.clear()
    await launcher.discard(run)
    await launcher.close()
    assert not folder.exists()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@as_root
async def test_strangers_may_pass_but_not_look(home: Path) -> None:
    root = home / "local"
    assert stat.S_IMODE(LocalProcess(root)._root.stat().st_mode) == 0o711
    assert stat.S_IMODE(LocalProcess(root, same_user="always")._root.stat().st_mode) == 0o700


async def test_a_runner_that_does_not_start_is_no_mystery(home: Path) -> None:
    """A runner that ends before it claims (here: an option it does not know) ends in MISSING, not in waiting."""
    launcher = LocalProcess(home / "local", sandbox="none", memory_limit_mb=64)
    launcher._options.append("--no-such-option")
    run = run_of_text()
    handle = await launcher.start(run)
    pid = launcher._runners[f"{RUN_ID}-1"]
    await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    seen = (await launcher.poll([handle]))[handle]
    assert (seen.sighting, seen.never_ran) == (Sighting.MISSING, True)
    assert "--no-such-option" in (home / "local" / f"{RUN_ID}-1" / "runner.log").read_text()
    assert not Path(f"/proc/{pid}").exists()
    await launcher.close()


async def test_a_machine_out_of_something_may_be_asked_again(home: Path) -> None:
    launcher = LocalProcess(home / "local")
    (home / "local").rmdir()
    with pytest.raises(LaunchRefusedError) as refused:
        await launcher.start(run_of_text())
    assert refused.value.again
    assert "no such file" in refused.value.detail


async def test_a_folder_without_payload_waits_its_time(home: Path) -> None:
    launcher = LocalProcess(home / "local")
    folder = home / "local" / f"{RUN_ID}-1"
    folder.mkdir()
    handle = Handle(json.dumps({"folder": folder.name}))
    assert (await launcher.poll([handle]))[handle].sighting is Sighting.PENDING
    os.utime(folder, (0, 0))
    assert (await launcher.poll([handle]))[handle].never_ran


async def test_the_doorbell_hears_names_only_and_the_last_comer_has_it(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30)
    deep.mkdir()
    heard: list[str] = []
    ring = asyncio.Event()

    def hear(run: str) -> None:
        heard.append(run)
        ring.set()

    first, second = Doorbell(deep, lambda run: heard.append(f"first {run}")), Doorbell(deep, hear)
    first.close()
    folder = os.open(deep, os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        for name in (b"\xff", b"", b"../../etc", b"x" * 5000, f"{RUN_ID}-1".encode(), f"{RUN_ID}-1".encode()):
            bell.sendto(name, f"/proc/self/fd/{folder}/doorbell")
    os.close(folder)
    await asyncio.wait_for(ring.wait(), 60)
    assert heard == [RUN_ID]
    second.close()
    assert not (deep / "doorbell").exists()


def test_an_age_is_told_by_the_payload(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / f"{RUN_ID}-1")
    folder.prepare("{}", 0o700)
    assert folder.age_s(time.time()) < 60
    assert folder.age_s(time.time() + 3600) > 3000


async def hello_of(launcher: LocalProcess, run: Run) -> str:
    """What the runner says of the program's isolation."""
    news = asyncio.Event()
    launcher.on_news(lambda _run: news.set())
    await launcher.start(run)
    while not any(event.kind == "outcome" for event in await launcher.fetch(run, 0)):
        await asyncio.wait_for(news.wait(), 60)
        news.clear()
    hello = next(event for event in await launcher.fetch(run, 0) if event.kind == "hello")
    await launcher.discard(run)
    return str(hello.body["isolation"])


@needs_bubblewrap
async def test_a_machine_with_bubblewrap_is_tried_once_and_insisted_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = LocalProcess(home / "local", python=sys.executable)
    trial = await launcher.isolation()
    assert (trial.without, trial.works, trial.contained) == ("", True, True)
    assert trial.words.startswith("bubblewrap, no network; ")
    assert list((home / "local").iterdir()) == []
    assert (await hello_of(launcher, run_of_text())).startswith("bubblewrap, no network; ")
    # What was found once is not given up, whatever became of it.
    monkeypatch.setenv("PATH", str(home))
    assert await launcher.isolation() is trial
    assert launcher._sandbox_options() == ["--sandbox", "bubblewrap"]
    await launcher.close()


async def test_a_machine_without_bubblewrap_is_told_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = LocalProcess(home / "local", python=sys.executable, same_user="always")
    with monkeypatch.context() as poor:
        poor.setenv("PATH", str(home))
        trial = await launcher.isolation()
    assert (trial.without, trial.works, trial.contained) == ("not installed", True, False)
    told = await hello_of(launcher, run_of_text())
    assert told.startswith("NOT CONTAINED, ")
    assert "no bubblewrap (not installed)" in told
    await launcher.close()


async def test_a_machine_that_cannot_do_what_is_insisted_on_is_told_of(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    trial = await LocalProcess(home / "local", python=sys.executable, sandbox="bubblewrap").isolation()
    assert not trial.works
    assert "must run in bubblewrap" in trial.words


@pytest.mark.parametrize("sandbox", ["auto", "none"])
async def test_the_check_says_how_programs_are_kept_apart(home: Path, sandbox: str) -> None:
    line = await what_check_says(home, LOCAL_SANDBOX=sandbox, LOCAL_CXX="sh")
    contained = sandbox == "auto" and not bubblewrap_trouble()
    assert line[0].endswith("✓ " if contained else "! ")
    assert ("NOT CONTAINED" in line[2]) is not contained
    assert ("install bubblewrap" in line[2]) is not contained


async def test_the_check_warns_of_a_missing_compiler(home: Path) -> None:
    line = await what_check_says(home, LOCAL_CXX="no-such-compiler")
    assert line[0].endswith("! ")
    assert "no C++ programs: no-such-compiler was not found, install it or set LOCAL_CXX" in line[2]


async def what_check_says(home: Path, **settings: str) -> tuple[str, str, str]:
    """What comes before "Local launcher: ", and what after it."""
    settings |= {"LOCAL_ENABLED": "true", "LOCAL_SAME_USER": "always", "DATA_DIR": "data"}
    process = await asyncio.create_subprocess_exec(
        *(warm.python(), "-m", "cluster_bot", "check"),
        cwd=home,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ} | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    return " ".join(told.decode().split()).partition("Local launcher: ")


async def test_a_gpu_by_name_is_refused(home: Path) -> None:
    launcher = LocalProcess(home / "local")
    await launcher.check(RunSpec({"a.py": "print()"}, "a.py", "local", 60))
    with pytest.raises(UserError, match="no GPUs to choose from"):
        await launcher.check(RunSpec({"a.py": "print()"}, "a.py", "local", 60, gpu="[click](https://x.invalid)"))
    await launcher.close()
