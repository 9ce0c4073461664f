"""What a program may know and reach: nothing of the bot's, nothing of the runner's."""

import os
import re
import signal
from pathlib import Path

import pytest

from cluster_runner import linux
from cluster_runner.mounts import View, closed_above, plan

from .conftest import RUN_ID, Attempt, as_root, needs_mounts

_SECRET = "hunter2-secret"
_TRY = """
import os
def attempt(what, *arguments):
    try:
        what(*arguments)
    except OSError as error:
        print(what.__name__, 'refused', error.strerror)
    else:
        print(what.__name__, 'ALLOWED')
"""


def isolation(attempt: Attempt) -> str:
    (hello,) = (event for event in attempt.events() if event.kind == "hello")
    return str(hello.body["isolation"])


def test_the_environment_is_made_from_nothing(attempt: Attempt) -> None:
    attempt.ask("import os\nfor name in sorted(os.environ): print(name)\nprint(os.environ['CLUSTER_RUN'])")
    secrets = {"DISCORD_TOKEN": _SECRET, "LD_PRELOAD_NOT": _SECRET, "PYTHONPATH": "/nowhere", "HOME": "/root"}
    secrets |= {"NVIDIA_API_KEY": _SECRET, "CUDA_TOKEN": _SECRET}
    attempt.run(env={**secrets, "CUDA_VISIBLE_DEVICES": "0", "NVIDIA_VISIBLE_DEVICES": "all"})
    *names, run = attempt.logs().split()
    assert run == RUN_ID
    assert set(names) == {
        *("PATH", "HOME", "TMPDIR", "PWD", "USER", "LOGNAME", "SHELL", "LANG", "TERM"),
        *("PYTHONUNBUFFERED", "MPLBACKEND", "MPLCONFIGDIR", "CLUSTER_ARTIFACTS", "CLUSTER_RUN"),
        *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
    }


def test_its_folders_are_its_own(attempt: Attempt) -> None:
    attempt.ask(
        "import os, tempfile\n"
        "for name in ('HOME', 'TMPDIR', 'CLUSTER_ARTIFACTS', 'PWD'):\n"
        "    open(os.path.join(os.environ[name], 'file'), 'w').close()\n"
        "print(os.getcwd() == os.environ['PWD'], sorted(os.listdir()))\n",
        files={"data.txt": "some data"},
    )
    assert attempt.run().exit_code == 0
    assert attempt.logs() == "True ['data.txt', 'file', 'main.py']\n"


def test_other_files_can_be_imported_and_arguments_arrive(attempt: Attempt) -> None:
    attempt.ask(
        "import sys, helper\nprint(sys.argv[1:], helper.VALUE)",
        files={"helper.py": "VALUE = 7"},
        arguments=("--size", "a b", "$HOME", "; rm -rf /"),
    )
    attempt.run()
    assert attempt.logs() == "['--size', 'a b', '$HOME', '; rm -rf /'] 7\n"


def test_a_name_that_looks_like_an_option_is_a_file(attempt: Attempt) -> None:
    attempt.ask("print('ran')", main="-c.py")
    assert attempt.run().exit_code == 0
    assert attempt.logs() == "ran\n"


def test_no_descriptor_but_the_three_is_open(attempt: Attempt) -> None:
    attempt.ask("import os\nprint([fd for fd in range(3, 256) if os.path.exists(f'/proc/self/fd/{fd}')])")
    read_end, write_end = os.pipe()
    try:
        assert attempt.start(pass_fds=(read_end, write_end)).wait(60) == 0
    finally:
        os.close(read_end)
        os.close(write_end)
    assert attempt.logs() == "[]\n"


def test_signals_are_as_a_program_expects_them(attempt: Attempt) -> None:
    attempt.ask("print(next(line for line in open('/proc/self/status') if line.startswith('SigIgn')))")
    # As a shell starts what it puts into the background, and nohup what it is given.
    names = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)
    before = [signal.signal(name, signal.SIG_IGN) for name in names]
    try:
        attempt.run()
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)
    ignored = int(attempt.logs().split()[1], 16)
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25) in its own process; SIGHUP (1) would be the runner's.
    assert ignored & ~(1 << 12 | 1 << 24) == 0


def test_no_privilege_can_be_gained_and_no_core_is_left(attempt: Attempt) -> None:
    attempt.ask(
        "import resource\n"
        "print(*(line for line in open('/proc/self/status') if line.startswith('NoNewPrivs')))\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    attempt.run()
    assert attempt.logs().split() == ["NoNewPrivs:", "1", "(0,", "0)"]
    assert "no new privileges" in isolation(attempt)


@as_root
def test_started_by_root_the_program_is_a_stranger(attempt: Attempt) -> None:
    attempt.ask(
        "import os\n"
        "print('ids', os.getresuid(), os.getresgid(), os.getgroups())\n"
        "print(*(line for line in open('/proc/self/status') if line.startswith('CapEff')))"
    )
    attempt.run()
    (uid,) = set(re.findall(r"\d{5,}", attempt.logs().splitlines()[0]))
    assert int(uid) >= 700_000_000 or int(uid) == 65534
    assert "[]" in attempt.logs()
    assert "CapEff:\t0000000000000000" in attempt.logs()
    assert uid in isolation(attempt)


@as_root
def test_attempts_are_strangers_to_each_other(home: Path) -> None:
    users = set()
    for number in (1, 2):
        (home / "doorbell").unlink(missing_ok=True)
        attempt = Attempt(home, f"{RUN_ID}-{number}").ask("import os\nprint(os.getuid())", attempt=number)
        attempt.run()
        attempt.close()
        users.add(attempt.logs())
    assert len(users) == 2 or users == {"65534\n"}


@as_root
def test_the_runner_and_the_spool_are_out_of_reach(attempt: Attempt) -> None:
    attempt.ask(
        _TRY + f"spool = {str(attempt.spool)!r}\n"
        "for name in ('payload.json', 'events.ndjson', 'claim', 'lock', 'runner.log', '../doorbell'):\n"
        "    attempt(open, os.path.join(spool, name))\n"
        "attempt(os.listdir, spool)\n"
        "attempt(os.mkdir, os.path.join(spool, 'stop'))\n"
        "attempt(os.rename, os.path.join(spool, 'work'), os.path.join(spool, 'play'))\n"
        "attempt(os.kill, os.getppid(), 9)\n"
        "attempt(open, f'/proc/{os.getppid()}/environ')\n"
        "attempt(open, f'/proc/{os.getppid()}/mem')\n"
        "attempt(os.listdir, f'/proc/{os.getppid()}/fd')\n"
        "attempt(os.setuid, 0)\n"
    )
    assert attempt.run().exit_code == 0
    assert "ALLOWED" not in attempt.logs()
    assert attempt.logs().count("refused") == 14


@as_root
def test_same_user_is_a_choice_and_is_said(attempt: Attempt) -> None:
    attempt.ask("import os\nprint(os.getuid())")
    attempt.run("--same-user", "always")
    assert attempt.logs() == "0\n"
    assert isolation(attempt).startswith("NOT CONTAINED, ")
    assert "same user as the runner (root" in isolation(attempt)


@needs_mounts
def test_a_work_folder_below_a_closed_one_is_reached_and_nothing_beside_it(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    (closed / "secret").write_text(_SECRET)
    attempt = Attempt(closed, f"{RUN_ID}-1")
    attempt.ask(
        _TRY + f"closed = {str(closed)!r}\n"
        "print(os.listdir(closed), open('data.txt').read())\n"
        "attempt(open, os.path.join(closed, 'secret'))\n"
        "attempt(os.mkdir, os.path.join(closed, 'mine'))\n"
        "open(os.path.join(os.environ['CLUSTER_ARTIFACTS'], 'kept'), 'w').write('kept')\n",
        files={"data.txt": "data"},
    )
    assert attempt.run().exit_code == 0
    attempt.close()
    assert attempt.logs().splitlines()[0] == f"['{RUN_ID}-1'] data"
    assert "ALLOWED" not in attempt.logs()
    assert (attempt.spool / "artifacts" / "01-kept").read_text() == "kept"
    assert "sees only what it needs of" in isolation(attempt)
    assert (closed / "secret").read_text() == _SECRET


@needs_mounts
def test_a_tool_whose_own_folder_is_closed_is_refused_in_words(home: Path) -> None:
    closed = home / "tools"
    (closed / "bin").mkdir(parents=True)
    closed.chmod(0o700)
    compiler = closed / "bin" / "c++"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    attempt = Attempt(home, f"{RUN_ID}-1").ask("int main(){}", main="main.cpp")
    outcome = attempt.run("--cxx", str(compiler))
    attempt.close()
    assert outcome.result == "setup_error"
    assert str(closed) in outcome.detail
    assert attempt.kinds() == ["hello", "outcome"]


def test_closed_folders_are_found(home: Path) -> None:
    inner = home / "a" / "b"
    inner.mkdir(parents=True)
    assert closed_above(str(inner)) is None
    inner.parent.chmod(0o700)
    assert closed_above(str(inner)) == str(inner.parent)
    assert closed_above(str(inner.parent)) is None


def test_a_view_of_what_is_open_is_no_view() -> None:
    assert plan(["/usr"], "/tmp") == View()


@needs_mounts
def test_a_view_shows_each_needed_folder_once_and_outer_ones_first(home: Path) -> None:
    closed = home / "closed"
    (closed / "work").mkdir(parents=True)
    (closed / "python" / "venv").mkdir(parents=True)
    closed.chmod(0o700)
    python, venv, work = (str(closed / name) for name in ("python", "python/venv", "work"))
    view = plan([venv, python, venv], work)
    assert view == View((str(closed),), ((python, False), (venv, False), (work, True)))


def test_descendants_are_found_without_the_kernels_list(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    try:
        assert pid in linux.descendants(os.getpid())
        monkeypatch.setattr(linux, "_children", lambda _pid: None)
        assert pid in linux.descendants(os.getpid())
    finally:
        os.close(write_end)
        os.close(read_end)
        os.waitpid(pid, 0)
