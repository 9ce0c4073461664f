"""bubblewrap around a program: what it sees, what it can't do, what is said where there is none."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster_runner import disk

from .conftest import PATIENCE_S, Attempt, as_root, await_death, both_ways, in_every_mode, needs_bubblewrap
from .test_isolation import _TRY, isolation

contained = pytest.mark.parametrize("attempt", [pytest.param("here+bubblewrap", marks=needs_bubblewrap)], indirect=True)


@contained
def test_it_sees_the_system_its_work_and_nothing_else(attempt: Attempt) -> None:
    attempt.ask(
        "import os, socket\n"
        "print('root', sorted(os.listdir('/')))\n"
        "print('etc', sorted(os.listdir('/etc')))\n"
        "print('cwd', os.getcwd(), sorted(os.listdir('/run/work')))\n"
        "print('pids', [name for name in os.listdir('/proc') if name.isdigit()])\n"
        "print('host', socket.gethostname(), os.getuid(), os.path.expanduser('~'))\n"
        f"print('spool', os.path.exists({str(attempt.spool)!r}), os.path.exists('/root/.ssh'))\n"
        "import getpass, pwd; print('name', pwd.getpwuid(os.getuid()).pw_name)\n"
        "def fails(): raise ValueError\n"
        "fails()"
    )
    assert attempt.run().exit_code == 1
    lines = dict(line.partition(" ")[::2] for line in attempt.logs("stdout").splitlines())
    allowed = {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "nix", "proc", "run", "sbin", "sys"}
    tools = {Path(path).parts[1] for path in (os.path.realpath(os.sys.executable), os.sys.prefix)}
    assert set(re.findall(r"'(\w+)'", lines["root"])) <= allowed | {"tmp", "usr", "var"} | tools
    assert not {"shadow", "hostname", "ssh"} & set(re.findall(r"'([\w.-]+)'", lines["etc"]))
    assert lines["cwd"].startswith("/run/work/src ['artifacts', 'build', 'home', 'shm', 'src', 'tmp']")
    # The keeper and itself.
    assert len(re.findall(r"\d+", lines["pids"])) == 2
    assert lines["host"] == "sandbox 1000 /run/work/home"
    assert lines["spool"] == "False False"
    assert lines["name"] == "runner"
    assert 'File "/run/work/src/main.py"' in attempt.logs("stderr")
    assert str(attempt.home) not in attempt.logs()
    assert isolation(attempt).startswith("bubblewrap, no network; ")


@contained
def test_nothing_but_its_work_can_be_written(attempt: Attempt) -> None:
    attempt.ask(
        _TRY + "from multiprocessing import shared_memory, Semaphore\n"
        "for path in ('/x', '/dev/x', '/etc/x', '/usr/x', '/proc/sys/kernel/core_pattern', '/run/x',\n"
        "             '/run/keeper.py', '/var/x', '/sys/x', '/proc/sysrq-trigger', '/etc/passwd'):\n"
        "    attempt(open, path, 'w')\n"
        "for path in ('/tmp/x', '/dev/shm/x', '/var/tmp/y', '/run/work/z', '/run/work/artifacts/a'):\n"
        "    open(path, 'w').write('x')\n"
        "shared_memory.SharedMemory('block', True, 1 << 20).unlink()\n"
        "Semaphore()\n"
        "# A tool of the host's /tmp leaves its mount point there.\n"
        "print(sorted(name for name in os.listdir('/run/work/tmp') if len(name) == 1))"
    )
    assert attempt.run().exit_code == 0
    assert "ALLOWED" not in attempt.logs()
    assert attempt.logs().endswith("['x', 'y']\n")
    assert (attempt.spool / "work" / "tmp" / "x").read_text() == "x"


@contained
def test_its_keeper_is_out_of_reach_and_cannot_be_impersonated(attempt: Attempt) -> None:
    attempt.ask(
        _TRY + "import ctypes, signal\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def ptrace(pid):\n"
        "    if libc.ptrace(16, pid, None, None): raise OSError(ctypes.get_errno(), 'no')\n"
        "def unshare_user():\n"
        "    if libc.unshare(0x10000000): raise OSError(ctypes.get_errno(), 'no')\n"
        "for path in ('mem', 'environ', 'maps'):\n"
        "    attempt(open, '/proc/1/' + path)\n"
        "attempt(os.listdir, '/proc/1/fd')\n"
        "attempt(os.readlink, '/proc/1/root')\n"
        "attempt(ptrace, 1)\n"
        "attempt(unshare_user)\n"
        "for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):\n"
        "    os.kill(1, number)\n"
        "for fd in range(3, 1024):\n"
        "    try: os.write(fd, b'0 1\\n')\n"
        "    except OSError: pass\n"
        "print('still here')\n"
        "os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    outcome = attempt.run()
    assert "ALLOWED" not in attempt.logs()
    assert attempt.logs().endswith("still here\n")
    assert (outcome.result, outcome.signal) == ("signalled", "SIGSEGV")


@both_ways
def test_an_exit_code_is_no_signal(attempt: Attempt) -> None:
    outcome = attempt.ask("raise SystemExit(139)").run()
    assert (outcome.result, outcome.exit_code, outcome.signal) == ("exited", 139, None)


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contained
@pytest.mark.parametrize("network", [False, True], ids=["closed", "open"])
def test_the_network_is_closed_unless_it_is_opened(attempt: Attempt, listening: int, network: bool) -> None:
    attempt.ask(
        _TRY + "import socket\n"
        f"attempt(socket.create_connection, ('127.0.0.1', {listening}), 5)\n"
        "with socket.create_server(('127.0.0.1', 0)) as server:\n"
        "    socket.create_connection(server.getsockname()).close()\n"
        "print('own loopback works')"
    )
    assert attempt.run(*(["--network"] if network else [])).exit_code == 0
    assert ("create_connection ALLOWED" in attempt.logs()) is network
    assert "own loopback works" in attempt.logs()
    assert ("network open" in isolation(attempt)) is network


_FAMILY = """
import os, subprocess, sys, time
pid = os.fork()
if pid == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.setsid()
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)  # ' + sys.argv[1]], start_new_session=True)
print('family', flush=True)
time.sleep(1000)
"""


def family(mark: str) -> set[int]:
    """The processes whose command line bears the mark."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            # The program's own words, not those of bubblewrap and the runner, which repeat them.
            if words[0].rpartition(b"/")[2].startswith(b"python") and any(mark.encode() in word for word in words[1:]):
                found.add(int(entry.name))
    return found


@in_every_mode
def test_a_killed_runner_leaves_nobody(attempt: Attempt) -> None:
    mark = os.urandom(8).hex()
    runner = attempt.ask(_FAMILY, arguments=(mark,)).start()
    attempt.wait_for(lambda: attempt.logs().count("family") == 2)
    everybody = family(mark)
    assert len(everybody) >= 4
    runner.kill()
    runner.wait(PATIENCE_S)
    for pid in everybody:
        await_death(pid)
    assert not family(mark)


@in_every_mode
def test_what_a_program_can_reach_depends_on_the_mode(attempt: Attempt, outside: Path, listening: int) -> None:
    """The table in SECURITY.md: each row an attempt, each mode a column."""
    owner = attempt.user if attempt.user is not None else os.geteuid()
    (outside / "readable").write_text("x")
    key = int.from_bytes(os.urandom(3), "big") + 1
    secret = attempt.home / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    os.chown(secret, owner, owner)
    attempt.ask(
        _TRY + "import socket, signal\n"
        "def secret(): open(sys.argv[1]).read()\n"
        "def events(): open(sys.argv[2] + '/events.ndjson').read()\n"
        "def forge(): open(sys.argv[2] + '/events.ndjson', 'a').close()\n"
        "def stop(): open(sys.argv[2] + '/stop', 'w').close(); os.unlink(sys.argv[2] + '/stop')\n"
        "def leave(): open(sys.argv[3] + '/left', 'w').close()\n"
        "def loopback(): socket.create_connection(('127.0.0.1', int(sys.argv[4])), 5)\n"
        "def signal_others(): os.kill(int(sys.argv[5]), 0)\n"
        "def memory(): open(f'/proc/{sys.argv[5]}/mem', 'rb')\n"
        "def environ(): open(f'/proc/{sys.argv[5]}/environ', 'rb').read()\n"
        "def passwords(): open('/etc/shadow').read()\n"
        "def others(): open(f'/proc/{sys.argv[5]}/cmdline').read()\n"
        "def everybodys(): open(sys.argv[3] + '/readable').read()\n"
        "import ctypes, sys\n"
        "assert ctypes.CDLL(None).shmget(int(sys.argv[6]), 4096, 0o1600) >= 0\n"
        "for what in (secret, events, forge, stop, leave, loopback, signal_others, others, memory, environ,\n"
        "             everybodys, passwords):\n"
        "    attempt(what)\n",
        # Another process of the runner's user: the runner itself gives nothing away, but it can be signalled.
        arguments=(str(secret), str(attempt.spool), str(outside), str(listening), "PID", str(key)),
    )
    payload = attempt.spool / "payload.json"
    neighbour = os.fork()
    if neighbour == 0:
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)
        os.execv(shutil.which("sleep") or "sleep", ["sleep", "1000"])
    try:
        payload.write_text(payload.read_text().replace('"PID"', f'"{neighbour}"'))
        assert attempt.run().exit_code == 0
    finally:
        os.kill(neighbour, signal.SIGKILL)
        os.waitpid(neighbour, 0)
    # Left where there is no namespace that ends with the program.
    assert _remove_segment(key) is not attempt.contained
    allowed = set(re.findall(r"(\w+) ALLOWED", attempt.logs()))
    if attempt.contained:
        assert allowed == set()
        assert isolation(attempt).startswith("bubblewrap, no network; ")
    elif attempt.demoted:
        assert allowed == {"leave", "loopback", "others", "everybodys"}
        assert isolation(attempt).startswith("no bubblewrap (switched off), network open: ")
    else:
        everything = {
            "secret",
            "events",
            "forge",
            "stop",
            "leave",
            "loopback",
            "signal_others",
            "others",
            "environ",
            "everybodys",
        }
        # Whether memory may be opened is for the system's own ptrace rules to say.
        assert allowed - {"memory"} == everything
        assert isolation(attempt).startswith("NOT CONTAINED, ")


def _remove_segment(key: int) -> bool:
    """Remove a segment of shared memory; False where there is none of that key here."""
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    numbers = [int(row[1]) for row in rows if int(row[0]) == key]
    return any(ctypes.CDLL(None).shmctl(number, 0, None) == 0 for number in numbers)


@in_every_mode
def test_a_fork_bomb_ends_with_its_time(attempt: Attempt) -> None:
    attempt.ask(
        "import os\nprint('bomb', flush=True)\nwhile True:\n    try: os.fork()\n    except OSError: pass\n",
        time_limit_s=1,
    )
    assert attempt.run("--task-limit", "150").result == "time_limit"
    assert attempt.logs() == "bomb\n"


@both_ways
@pytest.mark.parametrize("way", ["file", "many", "nameless", "names", "deep"])
def test_too_much_disk_ends_it(attempt: Attempt, way: str) -> None:
    attempt.ask(
        "import os, sys, time\n"
        "block, way = os.urandom(1 << 20), sys.argv[1]\n"
        "def write(name):\n"
        "    with open(name, 'wb') as file:\n"
        "        for _ in range(30): file.write(block)\n"
        "    return name\n"
        "files = []\n"
        "if way == 'file':\n"
        "    try:\n"
        "        with open('big', 'wb') as file:\n"
        "            while True: file.write(block)\n"
        "    except OSError as error: print(error.strerror)\n"
        "    write('more'), write('and')\n"
        "if way == 'many':\n"
        "    for number in range(4): write(f'file{number}')\n"
        "if way == 'nameless':\n"
        "    for number in range(4):\n"
        "        files.append(open(write('file'), 'rb')); os.unlink('file')\n"
        "if way == 'names':\n"
        "    open('one', 'w').close()\n"
        # All of one file, which is the tenth part of making as many.
        f"    for number in range({disk.MOST_NAMES}): os.link('one', str(number))\n"
        "if way == 'deep':\n"
        "    for _ in range(300): os.mkdir('deep'); os.chdir('deep')\n"
        "time.sleep(1000)",
        arguments=(way,),
        # So many names take a busy machine a while; the program would sleep longer yet.
        time_limit_s=100.0,
    )
    outcome = attempt.run("--disk-limit-mb", "70")
    assert outcome.result == "disk_limit"
    if way == "file":
        assert attempt.logs("stdout") == "File too large\n"


@both_ways
def test_memory_without_a_process_counts_too(attempt: Attempt) -> None:
    attempt.ask(
        "import os, time\n"
        "fd = os.memfd_create('hidden')\n"
        "for _ in range(150): os.write(fd, b'x' * (1 << 20))\n"
        "print('written', flush=True)\n"
        "time.sleep(1000)"
    )
    assert attempt.run("--memory-limit-mb", "120").result == "memory_limit"


def test_where_bubblewrap_is_missing_it_is_said_or_refused(attempt: Attempt, tmp_path: Path) -> None:
    attempt.sandbox = "auto"
    attempt.ask("print('ran')")
    assert attempt.run(env={"PATH": str(tmp_path)}).exit_code == 0
    assert "no bubblewrap (not installed)" in isolation(attempt)


def test_who_insists_on_bubblewrap_gets_no_run_without(attempt: Attempt, tmp_path: Path) -> None:
    attempt.sandbox = "bubblewrap"
    outcome = attempt.ask("print('ran')").run(env={"PATH": str(tmp_path)})
    assert outcome.result == "setup_error"
    assert "bubblewrap" in outcome.detail
    assert attempt.logs() == ""


def test_a_bubblewrap_that_fails_is_quoted(attempt: Attempt, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    fake = attempt.home / "bwrap"
    fake.write_text('#!/bin/sh\necho bwrap: no namespaces for you >&2\n[ "$1" = --help ]\n')
    fake.chmod(0o755)
    for choice, result in (("auto", "exited"), ("bubblewrap", "setup_error")):
        attempt.close()
        (attempt.home / "doorbell").unlink()
        other = Attempt(attempt.home, f"{'a' * 32}-{len(choice)}")
        other.sandbox = choice
        outcome = other.ask("print('ran')").run(env={"PATH": f"{attempt.home}:{os.environ['PATH']}"})
        other.close()
        assert outcome.result == result
        told = isolation(other) if choice == "auto" else outcome.detail
        assert "no namespaces for you" in told
        attempt = other


@as_root
def test_tools_beside_the_runs_are_not_shown(attempt: Attempt) -> None:
    tools = attempt.home / "bin"
    tools.mkdir()
    compiler = tools / "g++"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    attempt.sandbox = "auto"
    attempt.ask("int main(){}", main="main.cpp").run("--cxx", str(compiler))
    assert "which holds the runs too" in isolation(attempt)


@contained
def test_an_interpreter_may_stand_behind_a_link_that_is_not_shown(attempt: Attempt) -> None:
    with tempfile.TemporaryDirectory(prefix="cluster-links-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        link = Path(folder, "python3")
        link.symlink_to(Path(sys.executable).resolve())
        attempt.ask("import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True)")
        assert attempt.run("--python", str(link)).exit_code == 0


@contained
def test_a_tool_may_lie_below_the_hosts_temporary_folder(attempt: Attempt) -> None:
    with tempfile.TemporaryDirectory(prefix="cluster-tools-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", f"{folder}/env"], check=True)
        attempt.ask("import sys; print(sys.prefix); open('/tmp/mine', 'w').close()")
        assert attempt.run("--python", f"{folder}/env/bin/python").exit_code == 0
        assert f"{folder}/env" in attempt.logs("stdout")
