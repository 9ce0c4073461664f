"""The gate with real programs: yes, no, and all the ways in which a checker can fail."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import select
import sys
from pathlib import Path

import pytest

from cluster_bot.app import build_gate
from cluster_bot.errors import StartupError, UserError
from cluster_bot.gate import AdminsGate, Checker
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.refusals import Refusal
from cluster_bot.runs.run import Member, Origin
from cluster_bot.runs.spec import RunSpec
from cluster_bot.settings import Settings

FORBID = "[[forbid]]\npattern = 'evil'\nreason = 'It is evil.'\n"


def asked(text: str = "print('good')") -> Submission:
    spec = RunSpec({"a.py": text, "include/b.h": "int b;\n"}, "a.py", "modal", 60, gpu="T4", arguments=("-n", "1"))
    return Submission(spec, Member("7", "ada"), Origin("key", {}), ("1", "2"))


def checker(folder: Path, program: str, timeout_s: float = 30.0) -> Checker:
    path = folder / "checker.py"
    path.write_text(program)
    return Checker([sys.executable, str(path)], timeout_s)


async def refused(gate: AdminsGate, submission: Submission | None = None) -> UserError | None:
    try:
        await gate.check(submission or asked())
    except UserError as error:
        return error
    return None


async def test_a_changed_file_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("")
    gate = AdminsGate(rules, None)
    assert await refused(gate, asked("evil")) is None
    rules.write_text(FORBID)
    told = await refused(gate, asked("evil"))
    assert told is not None
    assert told.reason == Refusal.NOT_ALLOWED_CONTENT
    # What can't be used changes nothing, and is said once.
    rules.write_text(FORBID + "[nonsense]")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert await refused(gate, asked("evil")) is not None
        rules.unlink()
        assert await refused(gate, asked("evil")) is not None
    assert [one.message.partition(":")[0] for one in caplog.records] == ["rules kept as they were"] * 2
    rules.write_text("")
    assert await refused(gate, asked("evil")) is None


def test_a_file_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="it can't be read: no such file"):
        AdminsGate(tmp_path / "rules.toml", None)
    (tmp_path / "rules.toml").write_bytes(b"\xff")
    with pytest.raises(StartupError, match="not text in UTF-8"):
        AdminsGate(tmp_path / "rules.toml", None)


async def test_the_checker_is_told_everything_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    told = tmp_path / "told.json"
    program = (
        "import json, os, sys\n"
        "facts = json.load(sys.stdin)\n"
        "texts = {name: open('files/' + name).read() for name in facts['files']}\n"
        f"json.dump([facts, texts, sys.argv[1:], sorted(os.environ)], open({str(told)!r}, 'w'))\n"
    )
    gate = AdminsGate(None, checker(tmp_path, program))
    assert await refused(gate) is None
    facts, texts, arguments, environment = json.loads(told.read_text())
    assert facts == {
        "member": "7",
        "member_name": "ada",
        "groups": ["1", "2"],
        "main": "a.py",
        "files": ["a.py", "include/b.h"],
        "arguments": ["-n", "1"],
        "launcher": "modal",
        "gpu": "T4",
        "time_limit_s": 60,
    }
    assert texts == dict(asked().spec.files)
    assert arguments == ["files/a.py"]
    assert set(environment) <= {"PATH", "LANG", "LC_CTYPE"}


async def test_the_checkers_words_are_what_the_member_reads(tmp_path: Path) -> None:
    gate = AdminsGate(None, checker(tmp_path, "print('It is\\x1b[1m\\n too slow.'); raise SystemExit(1)"))
    told = await refused(gate)
    assert told is not None
    assert told.message == (
        "This may not be run here: It is [1m too slow. Change it and submit again, or ask an admin."
    )


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(2)",
        # As an exception ends it: with 1, and no word on its output.
        "raise ValueError('broken')",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import time; time.sleep(60)",
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
        "while True: print('flood')",
        # It gets away, and holds what it was given.
        "import subprocess; subprocess.Popen(['sleep', '5'], start_new_session=True)",
    ],
)
@pytest.mark.parametrize("fails_open", [False, True])
async def test_a_failing_checker_fails_as_the_admin_wants(tmp_path: Path, program: str, fails_open: bool) -> None:
    gate = AdminsGate(None, checker(tmp_path, program, timeout_s=0.5), fails_open=lambda: fails_open)
    told = await refused(gate)
    if fails_open:
        assert told is None
    else:
        assert told is not None
        assert told.reason == Refusal.NOT_CHECKED


async def test_a_checker_that_is_not_there_fails(tmp_path: Path) -> None:
    told = await refused(AdminsGate(None, Checker([str(tmp_path / "nowhere")], 1.0)))
    assert told is not None
    assert told.reason == Refusal.NOT_CHECKED


async def test_what_a_checker_leaves_behind_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], stdout=subprocess.DEVNULL)\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
    )
    assert await refused(AdminsGate(None, checker(tmp_path, program))) is None
    try:
        handle = os.pidfd_open(int(pid.read_text()))
    except ProcessLookupError:
        return
    try:
        # Readable as soon as it has ended, far sooner than it would by itself.
        assert select.select([handle], [], [], 30.0)[0]
    finally:
        os.close(handle)


async def test_the_rules_come_first(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(FORBID)
    asked_it = tmp_path / "asked"
    gate = AdminsGate(tmp_path / "rules.toml", checker(tmp_path, f"open({str(asked_it)!r}, 'w')"))
    assert await refused(gate, asked("evil")) is not None
    assert not asked_it.exists()


async def test_the_checker_is_the_admins_and_never_a_file_of_the_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is started among the files of the submission, one of which is called as the admin's own.
    (tmp_path / "a.py").write_text("print('No.'); raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    gate = build_gate(Settings.read(None, checker=f"{sys.executable} a.py"))
    assert gate is not None
    told = await refused(gate, asked("raise SystemExit(0)"))
    assert told is not None
    assert told.reason == Refusal.CHECKER_SAID_NO


async def test_a_flood_of_submissions_is_looked_at_a_few_at_a_time(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    ledger.touch()
    program = (
        f"import time\nledger = open({str(ledger)!r}, 'a', buffering=1)\n"
        "ledger.write('+'); ledger.flush(); time.sleep(0.05); ledger.write('-')\n"
    )
    gate = AdminsGate(None, checker(tmp_path, program))
    assert await asyncio.gather(*(refused(gate) for _ in range(20))) == [None] * 20
    under_way = list(itertools.accumulate({"+": 1, "-": -1}[one] for one in ledger.read_text()))
    assert len(under_way) == 40
    assert max(under_way) <= 4
