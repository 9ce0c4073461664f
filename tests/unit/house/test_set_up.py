"""script/bootstrap.py on a small repository of its own, and pip fetched from an index on this machine.

The small repository has the real scripts, a lock file with one wheel made here, and a project with a build backend of
its own, so nothing is downloaded. What the real lock files install is seen by every run of script/test itself.
"""

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
VERSION = "99.1"
NAME = f"pip-{VERSION}-py3-none-any.whl"

BACKEND = """
import zipfile
def get_requires_for_build_editable(config_settings=None):
    return []
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "small-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel_directory + "/" + name, "w") as wheel:
        wheel.writestr("small-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n")
        wheel.writestr("small-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("small-1.dist-info/RECORD", "")
    return name
"""


def make_wheel(folder: Path, version: str) -> str:
    """A wheel of the package `tiny`; returns its line in a lock file."""
    path = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return f"tiny=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


class Repository:
    """A small repository with the real set-up scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "script", root / "script", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "wheels").mkdir()
        (root / "backend.py").write_text(BACKEND)
        build = 'requires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        (root / "pyproject.toml").write_text(f'[build-system]\n{build}\n[project]\nname = "small"\nversion = "1"\n')
        line = make_wheel(root / "wheels", "1")
        for kind in ("", "-dev", "-programs"):
            (root / f"requirements{kind}.txt").write_text(line)

    def begin(self) -> subprocess.Popen[str]:
        """A set-up under way."""
        environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.root / "wheels")}
        command = [sys.executable, "-I", str(self.root / "script" / "bootstrap.py"), "demo"]
        # Whoever runs the tests in the background of a shell has it ignored, and so would the set-up.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        finally:
            signal.signal(signal.SIGINT, before)

    def set_up(self) -> tuple[int, str]:
        """Exit code and stderr of a set-up; stdout must stay empty."""
        under_way = self.begin()
        said, complaints = under_way.communicate(timeout=100)
        assert said == ""
        return under_way.returncode, complaints

    def installed(self, folder: str = ".venv") -> str:
        command = [str(self.root / folder / "bin" / "python"), "-I", "-c", "import tiny; print(tiny.version)"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ensurepip") is None, reason="this Python has no ensurepip")
def test_a_set_up_is_made_kept_updated_and_healed(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    code, said = repository.set_up()
    assert code == 0, said
    assert [line.split(" ... ")[0] for line in said.splitlines()] == ["Setting up .venv, setting up .venv-programs"]
    assert repository.installed() == repository.installed(".venv-programs") == "1"

    assert repository.set_up() == (0, "")

    (tmp_path / "requirements.txt").write_text(make_wheel(tmp_path / "wheels", "2"))
    code, said = repository.set_up()
    assert (code, said.split(" ... ")[0]) == (0, "Updating .venv")
    assert repository.installed() == "2"

    (tmp_path / ".venv" / "cluster-bot.unfinished").touch()
    (tmp_path / ".venv" / "half").touch()
    code, said = repository.set_up()
    assert (code, said.split(" ... ")[0]) == (0, "Setting up .venv")
    assert not (tmp_path / ".venv" / "half").exists()
    assert json.loads((tmp_path / ".venv" / "cluster-bot.json").read_text())["place"] == str(tmp_path / ".venv")

    (tmp_path / "requirements-programs.txt").write_text("tiny==3 --hash=sha256:" + "0" * 64 + "\n")
    code, said = repository.set_up()
    assert code == 2
    assert "This step of the set-up failed" in said
    assert repository.set_up()[0] == 2, "a failure is not taken for a finished set-up"


@pytest.mark.skipif(importlib.util.find_spec("ensurepip") is None, reason="this Python has no ensurepip")
def test_an_interrupt_ends_it_and_all_it_began(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    with repository.begin() as under_way:
        assert under_way.stderr is not None
        assert under_way.stderr.read(len("Setting up")) == "Setting up"
        under_way.send_signal(signal.SIGINT)
        # Its own processes hold its stderr, so that this also waits for their ends.
        _, said = under_way.communicate(timeout=100)
    assert (under_way.returncode, said.splitlines()[-1]) == (130, "Set-up interrupted; the next call starts it again.")
    assert not (tmp_path / ".venv" / "cluster-bot.json").exists()


def load_pip_wheel() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pip_wheel", ROOT / "script" / "pip_wheel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pip_wheel = load_pip_wheel()


class Index(SimpleHTTPRequestHandler):
    """An index as folders, behind a password."""

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(b"user:pass word").decode()
        if self.headers["Authorization"] != wanted:
            self.send_error(401)
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: stderr belongs to the tests."""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock file that pins the pip of `index`."""
    digest = hashlib.sha256(b"pip's bytes").hexdigest()
    path = tmp_path / "requirements.txt"
    path.write_text(
        f"a==1 \\\n    --hash=sha256:{'1' * 64}\npip=={VERSION} \\\n    --hash=sha256:{'0' * 64} \\\n"
        f"    --hash=sha256:{digest}\n    # via nothing\n"
    )
    return path


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The folder of an index that holds pip."""
    page = tmp_path / "simple" / "pip"
    page.mkdir(parents=True)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / NAME).write_bytes(b"pip's bytes")
    (page / "index.html").write_text(
        f'<a href="../../files/pip-1.whl">old</a><a>none</a><a href="../../files/{NAME}#sha256=00">{NAME}</a>'
    )
    return tmp_path


@pytest.fixture
def address(index: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, directory=str(index))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://user:pass%20word@127.0.0.1:{server.server_address[1]}/simple/"
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the wheel goes, with no configuration of pip in reach."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def test_pip_comes_from_an_index_with_a_password(
    lock: Path, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    assert pip_wheel.fetch_pip(lock, folder).read_bytes() == b"pip's bytes"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert pip_wheel.fetch_pip(lock, folder).name == NAME, "what was fetched once is not fetched again"


def test_pip_comes_from_a_further_index_that_is_a_folder(
    lock: Path, index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = index / "pip.conf"
    config.write_text(
        f"[global]\nindex-url = {(index / 'nothing').as_uri()}\nextra_index_url =\n  {(index / 'simple').as_uri()}\n"
    )
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(index))
    assert pip_wheel.fetch_pip(lock, folder).read_bytes() == b"pip's bytes"


def test_pip_comes_from_a_folder_of_wheels(
    lock: Path, index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(index / "files"))
    assert pip_wheel.fetch_pip(lock, folder).read_bytes() == b"pip's bytes"


def test_a_pip_with_another_hash_is_refused_and_no_password_is_told(
    lock: Path, index: Path, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (index / "files" / NAME).write_bytes(b"somebody else's bytes")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    with pytest.raises(pip_wheel.SetupError, match="none of the hashes") as caught:
        pip_wheel.fetch_pip(lock, folder)
    assert "pass" not in str(caught.value)
    assert list(folder.iterdir()) == []


def test_without_any_index_one_sentence_says_what_to_do(lock: Path, folder: Path) -> None:
    with pytest.raises(pip_wheel.SetupError, match=r"no index is configured\): install it"):
        pip_wheel.fetch_pip(lock, folder)


def test_the_real_lock_pins_pip() -> None:
    version, hashes = pip_wheel._pinned(ROOT / "requirements.txt")
    assert version
    assert hashes
