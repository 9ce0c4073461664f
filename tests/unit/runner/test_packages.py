"""Packages that a program names itself: read strictly, installed by the real uv from a small index on loopback."""

import base64
import hashlib
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cluster_runner import wire
from cluster_runner.identity import SetupError
from cluster_runner.packages import _plain_list, named

from .conftest import RUN_ID, Attempt, both_ways

_HEAD = "# /// script\n# requires-python = '>=3.9'\n"
_ASKS = _HEAD + '# dependencies = ["greet==1.0"]\n# ///\nimport greet\nprint(greet.WORDS)\n'
_SPOILS = _ASKS + "open(greet.__file__, 'w').write('WORDS = 1')\n"

needs_uv = pytest.mark.skipif(
    shutil.which("uv", path=f"{os.environ['PATH']}:{Path(sys.executable).parent}") is None,
    reason="NOT TESTED: there is no uv on this machine",
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What uv must be told to find an index with one wheel, and one package that must be built."""
    for name in ("greet", "built"):
        (tmp_path / "simple" / name).mkdir(parents=True)
    wheel = tmp_path / "simple" / "greet" / "greet-1.0-py3-none-any.whl"
    files = {
        "greet.py": b"WORDS = 'hello from a package'\n",
        "greet-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n",
        "greet-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        name: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=") for name, data in files.items()
    }
    record = "".join(f"{name},sha256={digests[name].decode()},{len(data)}\n" for name, data in files.items())
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in {**files, "greet-1.0.dist-info/RECORD": record.encode()}.items():
            archive.writestr(name, data)
    (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    (tmp_path / "simple/built/index.html").write_text('<a href="built-1.0.tar.gz">built-1.0.tar.gz</a>')
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="index")
        thread.start()
        yield {"UV_DEFAULT_INDEX": f"http://127.0.0.1:{server.server_address[1]}/simple"}
        server.shutdown()
        thread.join()


@needs_uv
@both_ways
def test_they_are_there_before_the_clock_starts(attempt: Attempt, index: dict[str, str]) -> None:
    assert attempt.ask(_ASKS).run("--packages", env=index).exit_code == 0
    assert attempt.kinds()[:2] == ["hello", "compile"]
    assert attempt.logs("stdout") == "hello from a package\n"
    assert "greet==1.0" in attempt.logs("stderr")


@needs_uv
@both_ways
def test_a_kept_one_serves_the_next_run_and_cannot_be_spoiled(
    home: Path, attempt: Attempt, index: dict[str, str]
) -> None:
    cache = ("--package-cache", str(home / "cache"))
    outcome = attempt.ask(_SPOILS).run("--packages", *cache, env=index)
    if not (attempt.demoted or attempt.contained):
        # The same user outside of a sandbox: then nothing is kept.
        assert not list((home / "cache").iterdir())
        return
    assert outcome.exit_code == 1
    assert "greet.py" in attempt.logs("stderr")
    (home / "doorbell").unlink()
    again = Attempt(home, f"{RUN_ID}-2", "here+bubblewrap" if attempt.contained else "here")
    try:
        # Without an index: it is not asked.
        assert again.ask(_ASKS, attempt=2).run("--packages", *cache).exit_code == 0
        assert again.logs() == "hello from a package\n"
        assert again.kinds()[:2] == ["hello", "run"]
    finally:
        again.close()


@needs_uv
def test_what_would_have_to_be_built_is_not_installed(attempt: Attempt, index: dict[str, str]) -> None:
    outcome = attempt.ask(_ASKS.replace("greet==1.0", "built")).run("--packages", env=index)
    assert (outcome.result, attempt.kinds()[-1]) == ("setup_error", "outcome")
    assert "could not be installed" in outcome.detail
    assert "run" not in attempt.kinds()


def test_without_leave_nothing_is_installed(attempt: Attempt) -> None:
    outcome = attempt.ask(_ASKS).run()
    assert outcome.result == "setup_error"
    assert "does not install" in outcome.detail


def test_a_machine_without_uv_says_so(attempt: Attempt, home: Path) -> None:
    python = home / "bin" / "python"
    python.parent.mkdir(mode=0o755)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    outcome = attempt.ask(_ASKS).run("--packages", "--python", str(python), env={"PATH": "/nowhere"})
    assert (outcome.result, "no uv" in outcome.detail) == ("tool_missing", True)


def payload(text: str, language: str = "python") -> wire.Payload:
    return wire.Payload(RUN_ID, 1, {"a.py": text}, "a.py", language, 1.0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("print()", ()),
        (_ASKS, ("greet==1.0",)),
        (_ASKS.replace("\n", "\r\n"), ("greet==1.0",)),
        (_HEAD + "# ///\n", ()),
        (_HEAD + "# dependencies = []\n# ///\n", ()),
        ("# /// other\n# dependencies = ['x']\n# ///\n", ()),
        ("# /// script\n# dependencies = ['x']\n", ()),
        (
            _HEAD + "# dependencies = [\n#   'torch>=2,<3',  # a ] comment\n"
            "#   \"a-b.c [x, y] ~= 1.0; sys_platform=='linux'\",\n"
            "# ]\n#\n# [tool.uv]\n# exclude-newer = '2026-01-01T00:00:00Z'\n# ///",
            ("torch>=2,<3", "a-b.c [x, y] ~= 1.0; sys_platform=='linux'"),
        ),
    ],
)
def test_the_block_is_read(text: str, found: tuple[str, ...]) -> None:
    assert named(payload(text)) == found
    assert named(payload(text, "cpp")) == ()


@pytest.mark.parametrize(
    "listed",
    [
        *(
            "--index-url=http://x",
            "-r /etc/passwd",
            "x @ file:///etc",
            "git+https://x/y",
            "./x",
            "/x",
            "x\\n--pre",
            "",
            "x$(y)",
        ),
        *("x; y @ z", "x" * 300, "a b/c"),
    ],
)
def test_only_names_of_the_index_are_taken(listed: str) -> None:
    with pytest.raises(SetupError, match="packages of the index"):
        named(payload(f'# /// script\n# dependencies = ["{listed}"]\n# ///\n'))


@pytest.mark.parametrize(
    "block",
    [
        "# dependencies = 1\n",
        "# dependencies = [1]\n",
        "# dependencies = [\n",
        "# = x\n",
        f"# dependencies = {['x'] * 51}\n",
    ],
)
def test_an_odd_block_is_one_sentence(block: str) -> None:
    with pytest.raises(SetupError):
        named(payload(f"# /// script\n{block}# ///\n"))


def test_two_blocks_are_one_too_many() -> None:
    with pytest.raises(SetupError, match="more than one"):
        named(payload("# /// script\n# x = 1\n# ///\n\n" * 2))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("requires-python = '>=3.9'\n[tool.dependencies]\nx = 1\n", []),
        ("dependencies = []\n", []),
        ("dependencies=['a']", ["a"]),
        ("dependencies = [ # one ]\n 'a', # two, ]\n\n \"b>=1\"\n, 'c',\n]\n[tool.x]\ny = ['z']\n", ["a", "b>=1", "c"]),
    ],
)
def test_a_machine_without_tomllib_reads_plain_lists(text: str, found: list[str]) -> None:
    assert _plain_list(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("dependencies = ['a' 'b']", "dependencies = [,]", "dependencies = ['a'", "dependencies = ['''a''']"),
        *("dependencies = ['a',, 'b']", 'dependencies = ["\\u0041"]', "'dependencies' = ['a']", "dependencies = x"),
    ],
)
def test_a_machine_without_tomllib_guesses_nothing(text: str) -> None:
    with pytest.raises(SetupError, match="plain list"):
        _plain_list(text)
