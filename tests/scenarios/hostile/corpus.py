"""The hostile programs: what each does, and the verdict it must get.

All are Python; each is bounded by the hall's limits (see there) and does its worst within them. A program that tries to
reach what is not its own prints `REACHED <what>` and never what it read. `WHOLE` runs through the whole product once,
where the machine contains it best; `REACH` in all four modes, and `reached` says what each mode lets through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster_bot.runs.run import Status

from .hall import MARK, Mode


@dataclass(frozen=True)
class Hostile:
    """One program; the verdict's status and words; output that must and must not be seen.

    `reached`: for each mode, what the program is known to reach there; nothing where the mode is not named. `spares`:
    modes in which it would do real harm, so that it is not run in them.
    """

    name: str
    text: str
    status: Status = Status.SUCCEEDED
    words: str = ""
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    arguments: str = ""
    time_limit_s: int | None = None
    attachments: int | None = None
    reached: Mapping[Mode, frozenset[str]] = field(default_factory=dict)
    spares: tuple[Mode, ...] = ()


# Of a program that ends by it only: long enough for an interpreter to start on a busy machine.
_SHORT_S = 4
# The same of those that take a whole processor or two meanwhile.
_BUSY_S = 3
_OUT = "import os, sys, time\nout = sys.stdout.buffer\n"

OUTPUT = (
    Hostile(
        "flood_of_100_mb",
        _OUT + "for number in range(100): out.write((b'%07d ' % number + b'x' * 92 + b'\\n') * 10_000)\nout.flush()",
        shows=("0000000 xxx", "0000099 xxx"),
    ),
    Hostile(
        "one_endless_line",
        _OUT + "while True: out.write(b'endless ' * 8192)",
        Status.TIMED_OUT,
        time_limit_s=_BUSY_S,
        shows=("endless endless",),
    ),
    Hostile(
        "invalid_utf8", _OUT + "out.write(os.urandom(30_000) + bytes(range(256)) * 20 + b'\\nend\\n')", shows=("end",)
    ),
    Hostile("nul", _OUT + "out.write(b'a\\0b' + b'\\0' * 100_000 + b'\\nend\\n')", shows=("end",), hides=("\0",)),
    Hostile(
        "terminal_escapes",
        _OUT + "for final in range(0x40, 0x7f): out.write(b'\\x1b[1;2%c\\x1b%c' % (final, final))\n"
        "out.write(bytes(range(0x80, 0xa0)) + ''.join(map(chr, range(0x80, 0xa0))).encode())\n"
        "for kind in b'PX]^_': out.write(b'\\x1b%c8;;http://example.invalid\\x07text\\x1b\\\\\\\\' % kind)\n"
        "out.write(b'\\x1b[3J\\x1bc\\x0e\\x0f\\x05\\x08\\x7f\\r\\x0b\\x0c' * 100 + b'\\nend\\n')",
        shows=("end",),
        hides=("\x9b", "\x07", "\x08", "\x7f", "\x0e"),
    ),
    Hostile("code_fences", _OUT + "out.write(b''.join(b'`' * n + b' ' + b'`' * n + b'\\n' for n in range(60)))"),
    Hostile(
        "mentions",
        _OUT + "out.write(('@everyone @here <@1> <@!1> <@&1> <#1> </run:1> <id:home>\\n'.encode() * 50))\n"
        "sys.stderr.write('@everyone <@1>\\n')\nsys.exit(9)",
        Status.FAILED,
        "exit code 9",
        shows=("@everyone @here",),
    ),
    Hostile(
        "links",
        _OUT + "out.write(b'[free nitro](http://example.invalid) <http://example.invalid> discord.gg/x\\n')",
        shows=("free nitro",),
    ),
    Hostile(
        "right_to_left",
        _OUT + "marks = 'safe\\u202etxt.exe\\u2066\\u2067\\u2068\\u2069\\u200e\\u200f\\u061c\\ufeff\\u200d'\n"
        "unseen = '\\u206a\\u206e\\u00ad\\ufff9' + ''.join(chr(0xe0000 + ord(one)) for one in 'unseen')\n"
        "out.write(f'{marks}{unseen}\\nend\\n'.encode())",
        shows=("safe", "end"),
        hides=("\u202e", "\u2066", "\u2067", "\u200f", "\ufeff", "\u206e", "\u00ad", "\U000e0075"),
    ),
    Hostile(
        "a_verdict_of_its_own",
        "print('-# Run #1 · verdict')\nprint('✅ **Succeeded**: the program ended with exit code 0.')\n"
        "raise SystemExit(3)",
        Status.FAILED,
        "exit code 3",
    ),
    Hostile("stdout_closed", "import os, time\nos.close(1)\nos.close(0)\ntime.sleep(0.3)"),
    Hostile(
        "both_closed",
        "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(0.3)\nos._exit(5)",
        Status.FAILED,
        "exit code 5",
    ),
    Hostile(
        "the_wire_on_every_descriptor",
        _OUT + "import json\n"
        "lines = b''.join(json.dumps(one).encode() + b'\\n' for one in (\n"
        "    {'n': n, 't': time.time(), 'kind': 'outcome', 'result': 'exited', 'exit_code': 0, 'signal': None,\n"
        "     'duration_s': 0.1, 'peak_memory_bytes': 1, 'detail': 'forged'} for n in range(1, 50)))\n"
        "lines += b'0 1\\n' * 50\n"
        "for fd in range(1024):\n"
        "    try: os.write(fd, lines)\n"
        "    except OSError: pass\n"
        "for folder in ('/proc/self/fd', '/proc/1/fd', f'/proc/{os.getppid()}/fd'):\n"
        "    try: names = os.listdir(folder)\n"
        "    except OSError: continue\n"
        "    for name in names:\n"
        "        try:\n"
        "            fd = os.open(f'{folder}/{name}', os.O_WRONLY | os.O_NONBLOCK)\n"
        "            os.write(fd, lines)\n"
        "        except OSError: pass\n"
        "time.sleep(0.3)\n"
        "sys.exit(7)",
        Status.FAILED,
        "exit code 7",
        shows=("outcome",),
        # Without a sandbox it may write to the descriptors of its keeper, where that is the same user.
    ),
)

PROCESSES = (
    Hostile(
        "children_that_outlive_it",
        "import subprocess\nfor _ in range(5): subprocess.Popen(['sleep', '1000'])\nprint('done')",
        shows=("done",),
    ),
    Hostile(
        "daemons_that_hide",
        "import os, signal, time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "            try: signal.signal(number, signal.SIG_IGN)\n"
        "            except (OSError, ValueError): pass\n"
        "        if os.fork(): os._exit(0)\n"
        "        os.setsid(); os.chdir('/'); os.environ.clear()\n"
        "        os.execve('/bin/sh', ['[kworker]', '-c', 'while :; do sleep 1000; done'], {})\n"
        "time.sleep(0.5)\nprint('done')",
        shows=("done",),
    ),
    Hostile(
        "deaf_to_sigterm",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\n"
        "while True: time.sleep(1000)",
        Status.TIMED_OUT,
        time_limit_s=_SHORT_S,
        shows=("deaf",),
    ),
    Hostile(
        "asleep_for_ever",
        "import os, signal\nprint('good night', flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)",
        Status.TIMED_OUT,
        time_limit_s=_SHORT_S,
        shows=("good night",),
    ),
    Hostile(
        "never_ending",
        "import threading\n"
        "def spin():\n"
        "    while True: pass\n"
        "for _ in range(8): threading.Thread(target=spin).start()\n",
        Status.TIMED_OUT,
        time_limit_s=_BUSY_S,
    ),
    Hostile("segv", "import ctypes\nctypes.string_at(0)", Status.FAILED, "SIGSEGV"),
    Hostile("kill_itself", "import os\nos.kill(os.getpid(), 9)", Status.FAILED, "SIGKILL"),
    Hostile("looks_like_a_signal", "raise SystemExit(139)", Status.FAILED, "exit code 139"),
    Hostile(
        "memory_exhausted",
        "import time\nblocks = []\nwhile len(blocks) < 40:\n    blocks.append(b'x' * (50 << 20)); time.sleep(0.1)",
        Status.FAILED,
        "memory",
    ),
    Hostile(
        "memory_of_many_children",
        "import os, time\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid(); block = b'x' * (60 << 20); time.sleep(1000)\n"
        "time.sleep(1000)",
        Status.FAILED,
        "memory",
    ),
    Hostile(
        "fork_bomb",
        "import os\nprint('bomb', flush=True)\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        Status.TIMED_OUT,
        time_limit_s=_BUSY_S,
        shows=("bomb",),
    ),
    Hostile(
        "kills_whom_it_can",
        "import os, signal\n"
        "for pid in [1, os.getppid(), *(int(name) for name in os.listdir('/proc') if name.isdigit())]:\n"
        "    for number in (signal.SIGSTOP, signal.SIGKILL):\n"
        "        try:\n"
        "            if pid != os.getpid(): os.kill(pid, number)\n"
        "        except OSError: pass\n"
        "try: os.kill(-1, signal.SIGKILL)\n"
        "except OSError: pass\n"
        "print('still here')\nraise SystemExit(6)",
        Status.FAILED,
        "exit code 6",
        shows=("still here",),
        # Where it is the bot's own user without a sandbox, it ends the bot: SECURITY.md says so.
        spares=(Mode.USER,),
    ),
)

_LEAVE = "import os, sys\nfolder = os.environ['CLUSTER_ARTIFACTS']\nos.chdir(folder)\n"

FILES = (
    Hostile(
        "sparse_gigabyte",
        _LEAVE + "with open('sparse', 'wb') as file:\n"
        "    try: file.truncate(1 << 30)\n"
        "    except OSError as error: print(error.strerror)\n"
        "    file.truncate(150 << 20)\n",
        shows=("File too large",),
        words="",
        attachments=0,
    ),
    Hostile(
        "written_gigabyte",
        _LEAVE + "import itertools, time\nblock = os.urandom(1 << 20)\n"
        "for number in itertools.count():\n"
        "    with open(f'part{number % 60}', 'ab') as file: file.write(block)\n"
        "    time.sleep(0.002)\n",
        Status.FAILED,
        "disk",
    ),
    Hostile(
        "500_artifacts",
        _LEAVE + "for number in range(500): open(f'{number:03}.txt', 'w').write(f'artifact {number}')",
        attachments=10,
    ),
    Hostile(
        "links_to_outside",
        _LEAVE + "paths = '/etc/passwd', '/etc/shadow', '/proc/self/environ', '/proc/1/environ', *sys.argv[1:]\n"
        "for number, path in enumerate(paths):\n"
        "    for make, name in ((os.symlink, 'soft'), (os.link, 'hard')):\n"
        "        try: make(path, f'{name}{number}')\n"
        "        except OSError: pass\n"
        "os.symlink('/etc', 'folder')\nos.symlink('.', 'loop')\nos.mkfifo('pipe')\n"
        "import socket\nsocket.socket(socket.AF_UNIX).bind('socket')\n",
        arguments="{data}/cluster-bot.sqlite3 {data}/canary",
        attachments=0,
    ),
    Hostile(
        "the_folder_is_a_link",
        _LEAVE + "os.rmdir(folder)\nos.symlink(sys.argv[1], folder)",
        arguments="{data}",
        attachments=0,
    ),
    Hostile(
        "odd_names",
        _LEAVE + "os.makedirs('a/b')\n"
        "for name in (b'a/b/c.txt', b'new\\nline', b'\\xff\\xfe.txt', b'...', b' ', b'@everyone.txt', b'[x](y).txt',\n"
        "             b'\\xe2\\x80\\xaetxt.exe', b'x' * 255):\n"
        "    open(os.fsencode(folder) + b'/' + name, 'w').write('odd')\n",
        attachments=9,
    ),
    Hostile(
        "deletes_its_own_folder",
        "import os, shutil\nwork = os.path.dirname(os.environ['HOME'])\nshutil.rmtree(work, ignore_errors=True)\n"
        "try: os.rename(work, work + '2')\nexcept OSError: pass\nprint('gone')",
        shows=("gone",),
    ),
    Hostile(
        "10000_files", "for number in range(10_000): open(f'file{number}', 'w').close()\nprint('made')", shows=("made",)
    ),
    Hostile(
        "closes_its_folders",
        "import os\nwork = os.path.dirname(os.environ['HOME'])\nopen('file', 'w').close()\n"
        "for folder, _, _ in os.walk(work, topdown=False): os.chmod(folder, 0)\nprint('closed')",
        shows=("closed",),
    ),
    Hostile(
        "a_deep_folder",
        # Deeper than anybody could look through while it goes on.
        "import os, time\nfor _ in range(3000):\n    os.mkdir('deep'); os.chdir('deep')\ntime.sleep(50)",
        Status.FAILED,
        "disk",
    ),
)

# The mark stands there in two pieces, or the program would find itself.
_REACH = f"""
import os, re, socket, sys
mark = re.compile(b"{MARK[:3]}" + b"{MARK[3:]}-[0-9a-f]{{16}}")
def seen(what, data):
    if mark.search(data): print("REACHED", what, flush=True)
def read(what, path):
    try:
        with open(path, "rb") as file: seen(what, file.read(1 << 20))
    except OSError: pass
"""

REACH = (
    Hostile(
        "reads_the_environment",
        _REACH + "seen('own environment', repr(os.environ).encode())\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')): read('environ', f'/proc/{pid}/environ')\n",
        reached={Mode.USER: frozenset({"environ"})},
    ),
    Hostile(
        "reads_the_bots_files",
        _REACH + "above = f'/proc/{os.getppid()}'\n"
        "for top in (*sys.argv[1:], '/etc', '/root', '/home', '/proc/1/root/root', above + '/cwd', '/run'):\n"
        "    for folder, _, files in os.walk(top):\n"
        "        for name in files: read('data', os.path.join(folder, name))\n"
        "for path in sys.argv[1:]:\n"
        "    for name in ('cluster-bot.sqlite3', 'canary', '../bot.log'): read('data', f'{path}/{name}')\n",
        arguments="{data}",
        reached={Mode.USER: frozenset({"data"})},
    ),
    Hostile(
        "reads_other_runs",
        _REACH + "for folder, _, files in os.walk(sys.argv[1] + '/local'):\n"
        "    for name in files: read('other run', os.path.join(folder, name))\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    read('arguments', f'/proc/{pid}/cmdline')\n"
        "    for name in ('cwd/program.py', 'root/etc/passwd'): read('other run', f'/proc/{pid}/{name}')\n",
        arguments="{data}",
        reached={Mode.ROOT: frozenset({"arguments"}), Mode.USER: frozenset({"arguments", "other run"})},
    ),
    Hostile(
        "asks_the_network",
        _REACH + "host, port = sys.argv[1].split(':')\n"
        "try:\n"
        "    with socket.create_connection((host, int(port)), 5) as one:\n"
        "        one.sendall(b'GET /sandbox HTTP/1.0\\r\\n\\r\\n')\n"
        "        if one.recv(100): print('REACHED', 'loopback')\n"
        "except OSError as error: print(error.strerror)\n",
        arguments="{address}",
        reached={Mode.ROOT: frozenset({"loopback"}), Mode.USER: frozenset({"loopback"})},
    ),
    Hostile(
        "meddles_with_other_processes",
        # The first process of a sandbox is its keeper, which hears no signal from inside.
        _REACH + "for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):\n"
        "    if pid in (1, os.getpid()): continue\n"
        "    for what in (lambda: os.kill(pid, 0), lambda: open(f'/proc/{pid}/mem', 'r+b').close()):\n"
        "        try: what()\n"
        "        except OSError: continue\n"
        "        print('REACHED', 'processes')\n",
        reached={Mode.USER: frozenset({"processes"})},
    ),
)
