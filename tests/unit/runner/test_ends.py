"""However a program ends, and whatever it leaves running: one true outcome, the last event, and nobody left."""

import fcntl
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import PATIENCE_S, Attempt, await_death, both_ways, is_gone, needs_mounts

_IGNORE = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready')\ntime.sleep(1000)\n"
_APPEND = "with open('{file}', 'a') as file: file.write('x')\n"


def pid_in(text: str) -> int:
    found = re.search(r"pid (\d+)", text)
    assert found, text
    return int(found[1])


@both_ways
@pytest.mark.parametrize(("text", "code"), [("pass", 0), ("raise SystemExit(3)", 3), ("1/0", 1), ("exit(255)", 255)])
def test_the_exit_code_is_told(attempt: Attempt, text: str, code: int) -> None:
    outcome = attempt.ask(text).run()
    assert (outcome.result, outcome.exit_code, outcome.signal) == ("exited", code, None)
    assert attempt.kinds()[:2] == ["hello", "run"]


@both_ways
def test_a_signal_is_told_by_its_name(attempt: Attempt) -> None:
    outcome = attempt.ask("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)").run()
    assert (outcome.result, outcome.exit_code, outcome.signal) == ("signalled", None, "SIGSEGV")


@both_ways
def test_a_kill_from_outside_is_explained(attempt: Attempt) -> None:
    outcome = attempt.ask("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)").run()
    assert (outcome.result, outcome.signal) == ("signalled", "SIGKILL")
    assert "memory" in outcome.detail


@both_ways
def test_time_and_memory_are_measured(attempt: Attempt) -> None:
    outcome = attempt.ask("import time\nblock = b'x' * (200 << 20)\ntime.sleep(0.5)").run()
    assert outcome.duration_s >= 0.5
    assert outcome.peak_memory_bytes is not None
    assert 200 << 20 <= outcome.peak_memory_bytes < 300 << 20


def test_a_daemon_dies_with_its_program(attempt: Attempt) -> None:
    attempt.ask(
        "import subprocess\n"
        "shell = 'setsid sh -c \"trap : TERM HUP; while :; do sleep 100; done\" >/dev/null 2>&1 & echo pid $!'\n"
        "print(subprocess.run(['setsid', 'sh', '-c', shell], capture_output=True, text=True).stdout)\n"
        "daemon = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print('pid', daemon.pid)"
    )
    assert attempt.run().exit_code == 0
    pids = [int(pid) for pid in re.findall(r"pid (\d+)", attempt.logs())]
    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


@both_ways
def test_a_child_that_holds_the_output_does_not_delay_the_end(attempt: Attempt) -> None:
    attempt.ask("import subprocess\nsubprocess.Popen(['sleep', '1000'])\nprint('done')")
    assert attempt.run().exit_code == 0
    assert attempt.logs() == "done\n"


@both_ways
def test_a_crowd_that_keeps_forking_is_ended(attempt: Attempt) -> None:
    attempt.ask(
        "import os, time\n"
        "for _ in range(20):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        while True:\n"
        "            if os.fork(): os._exit(0)\n"
        "            time.sleep(0.005)\n"
        "print('crowd')"
    )
    assert attempt.run().exit_code == 0


@both_ways
def test_the_time_limit_ends_it(attempt: Attempt) -> None:
    outcome = attempt.ask("import time\ntime.sleep(1000)", time_limit_s=0.5).run()
    assert outcome.result == "time_limit"
    assert 0.5 <= outcome.duration_s < 50


@both_ways
def test_a_program_that_ignores_the_wish_to_stop_is_killed_after_its_grace(attempt: Attempt) -> None:
    runner = attempt.ask(_IGNORE).start()
    attempt.wait_for(attempt.logs)
    attempt.wish_stop()
    assert runner.wait(PATIENCE_S) == 0
    assert (attempt.outcome().result, attempt.outcome().signal) == ("stopped", "SIGKILL")
    assert attempt.outcome().duration_s >= 2.0


@both_ways
def test_last_words_are_heard(attempt: Attempt) -> None:
    attempt.ask(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), exit(4)))\n"
        "print('ready')\n"
        "time.sleep(1000)"
    )
    runner = attempt.start()
    attempt.wait_for(attempt.logs)
    attempt.wish_stop()
    assert runner.wait(PATIENCE_S) == 0
    assert (attempt.outcome().result, attempt.outcome().exit_code) == ("stopped", 4)
    assert attempt.logs() == "ready\nbye\n"


@both_ways
def test_sigterm_to_the_runner_is_a_wish_to_stop(attempt: Attempt) -> None:
    runner = attempt.ask("import time\nprint('ready')\ntime.sleep(1000)").start()
    attempt.wait_for(attempt.logs)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(PATIENCE_S) == 0
    assert (attempt.outcome().result, attempt.outcome().signal) == ("stopped", "SIGTERM")


def test_the_runner_outlives_a_hang_up(attempt: Attempt, outside: Path) -> None:
    runner = attempt.ask(
        f"import os, time\nprint('ready')\nwhile not os.path.exists('{outside}/go'): time.sleep(0.01)"
    ).start()
    attempt.wait_for(attempt.logs)
    runner.send_signal(signal.SIGHUP)
    (outside / "go").touch()
    assert runner.wait(PATIENCE_S) == 0
    assert attempt.outcome().exit_code == 0


def test_a_wish_before_the_start_runs_nothing(attempt: Attempt, outside: Path) -> None:
    attempt.ask(_APPEND.format(file=outside / "ran"))
    attempt.wish_stop()
    assert attempt.run().result == "stopped"
    assert not (outside / "ran").exists()
    assert (attempt.spool / "claim").exists()


@both_ways
def test_too_much_memory_ends_it_children_counted(attempt: Attempt) -> None:
    attempt.ask(
        "import os, time\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0: break\n"
        "block = b'x' * (120 << 20)\n"
        "time.sleep(1000)"
    )
    outcome = attempt.run("--memory-limit-mb", "300")
    assert outcome.result == "memory_limit"


def test_many_starts_execute_once(attempt: Attempt, outside: Path) -> None:
    attempt.ask(_APPEND.format(file=outside / "ran") + "import time\ntime.sleep(0.2)")
    runners = [attempt.start() for _ in range(6)]
    assert sorted(runner.wait(PATIENCE_S) for runner in runners) == [0, 3, 3, 3, 3, 3]
    before = (attempt.spool / "events.ndjson").read_bytes()
    assert attempt.start().wait(PATIENCE_S) == 3
    assert (attempt.spool / "events.ndjson").read_bytes() == before
    assert (outside / "ran").read_text() == "x"
    assert attempt.outcome().exit_code == 0


def test_a_folder_that_is_gone_is_left_alone(attempt: Attempt) -> None:
    attempt.spool.rmdir()
    assert attempt.start().wait(PATIENCE_S) == 4
    assert not attempt.spool.exists()


def test_a_killed_runner_leaves_its_claim_a_free_lock_and_no_program(attempt: Attempt, outside: Path) -> None:
    attempt.ask(
        _APPEND.format(file=outside / "ran")
        + "import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(1000)"
    )
    runner = attempt.start()
    attempt.wait_for(attempt.logs)
    runner.kill()
    runner.wait(PATIENCE_S)
    await_death(pid_in(attempt.logs()))
    assert (attempt.spool / "claim").read_text()
    with (attempt.spool / "lock").open("r+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert attempt.start().wait(PATIENCE_S) == 3
    assert (outside / "ran").read_text() == "x"
    assert "outcome" not in attempt.kinds()


@pytest.mark.parametrize("payload", ["", "{}", "nonsense", '{"v": 2}', '{"v": 1, "run": "x"}'])
def test_an_odd_payload_is_an_outcome(attempt: Attempt, payload: str) -> None:
    (attempt.spool / "payload.json").write_text(payload)
    assert attempt.run().result == "setup_error"


def test_a_missing_payload_is_an_outcome(attempt: Attempt) -> None:
    assert attempt.run().result == "setup_error"


def test_a_missing_interpreter_is_named(attempt: Attempt) -> None:
    outcome = attempt.ask("pass").run("--python", "/nowhere/python")
    assert outcome.result == "tool_missing"
    assert "/nowhere/python" in outcome.detail


def test_an_interpreter_that_does_not_start_is_a_setup_error(attempt: Attempt) -> None:
    fake = attempt.home / "python"
    fake.write_bytes(b"\x7fELF no program at all")
    fake.chmod(0o755)
    outcome = attempt.ask("pass").run("--python", str(fake))
    assert outcome.result == "setup_error"
    assert "Exec format error" in outcome.detail


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0711", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@needs_mounts
def test_a_full_disk_loses_lines_but_not_the_outcome(attempt: Attempt) -> None:
    with small_disk(attempt.spool):
        attempt.ask("print(('x' * 99 + '\\n') * 30_000, end='')")
        outcome = attempt.run()
        assert outcome.exit_code == 0
        assert "disk was full" in outcome.detail
        (gap,) = (event for event in attempt.events() if event.kind == "gap")
        assert gap.body["bytes"] + len(attempt.logs()) == 3_000_000
