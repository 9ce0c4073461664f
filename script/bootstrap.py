"""Sets up the virtual environments in the repository: `bootstrap.py demo|test`.

Called by every script through common.sh, so it must be quick when nothing changed (one stamp is read) and must work
on a bare Linux machine: Python 3.11 with its standard library and a package index, but perhaps no ensurepip, no pip, no
git and no compiler. Everything is installed from the locked requirement files with their hashes, wheels only.

An environment is rebuilt from nothing when a set-up of it was cut short, when the repository moved or when its Python
is another one; it is updated in place when only the requirements changed. What somebody else installed into it stays.
Environments are set up side by side, each by a process. Set-up talks on stderr, one line for all; pip's own words go to
a log each, `.cache/set-up*.log`.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # -I leaves the script's own folder out

from pip_wheel import SetupError, clean_environment, fetch_pip

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
STAMP = "cluster-bot.json"
UNFINISHED = "cluster-bot.unfinished"
BASE: str = getattr(sys, "_base_executable", sys.executable)  # the Python below, when a venv's runs this


@dataclass(frozen=True)
class Environment:
    """One virtual environment: its folder, the lock file that fills it, whether the project itself goes in, and the
    lock file of what tests want from npm."""

    folder: Path
    lock: Path
    holds_project: bool
    npm_lock: Path | None = None

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def log(self) -> Path:
        """What the steps of its set-up said: of `.venv` it is `set-up.log`, of `.venv-x` `set-up-x.log`."""
        return CACHE / f"set-up{self.folder.name.removeprefix('.venv')}.log"

    def wanted(self, interpreter: str) -> dict[str, str]:
        """What the stamp of a finished environment says; `place` and `python` changing means building it anew."""
        digest = hashlib.sha256(self.lock.read_bytes())
        if self.holds_project:
            digest.update(_installed_part(ROOT / "pyproject.toml"))
        if self.npm_lock is not None:
            digest.update(self.npm_lock.read_bytes())
        return {"place": str(self.folder), "python": interpreter, self.lock.name: digest.hexdigest()}

    def stamp(self) -> dict[str, str]:
        """What the stamp says, nothing if there is none that can be believed."""
        try:
            found = json.loads((self.folder / STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict) or (self.folder / UNFINISHED).exists() or not self.python.exists():
            return {}
        return {str(key): str(value) for key, value in found.items()}

    def ready(self, interpreter: str) -> bool:
        """Whether nothing is to do."""
        return self.wanted(interpreter).items() <= self.stamp().items()


BOT = Environment(ROOT / ".venv", ROOT / "requirements.txt", True)
TOOLS = Environment(ROOT / ".venv", ROOT / "requirements-dev.txt", True, ROOT / "script" / "npm.lock.json")
PROGRAMS = Environment(ROOT / ".venv-programs", ROOT / "requirements-programs.txt", False)
NEEDS = {"demo": (BOT, PROGRAMS), "test": (TOOLS, PROGRAMS)}


def _installed_part(pyproject: Path) -> bytes:
    """The tables that an installation depends on; a changed linter rule is no reason to install again."""
    tables = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    parts = [tables.get("project"), tables.get("build-system"), tables.get("tool", {}).get("hatch")]
    return json.dumps(parts, sort_keys=True).encode()


def _interpreter() -> str:
    """The Python that environments are built on, by version and place."""
    return f"{sys.version_info.major}.{sys.version_info.minor} {Path(BASE).resolve()}"


@contextmanager
def _alone() -> Iterator[None]:
    """Holds the set-up lock; a second set-up waits here and then usually finds everything done."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "set-up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _say("Another set-up is under way, waiting for it ...\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        yield


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _run(log: Path, *command: str | Path) -> None:
    """Runs a step with its words in the log; SetupError with the last of them if it fails."""
    with log.open("a", encoding="utf-8") as words:
        words.write(f"\n$ {' '.join(map(str, command))}\n")
        words.flush()
        result = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            env=clean_environment(),
            cwd=ROOT,
            close_fds=False,  # it holds the lock too: no second set-up beside a pip whose parent was killed
            check=False,
        )
    if result.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SetupError(f"This step of the set-up failed (all of it is in {log}):\n{tail}")


def _works(*command: str | Path) -> bool:
    try:
        result = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=clean_environment(),
            check=False,
        )
    except OSError:
        return False
    return result.returncode == 0


def _create(environment: Environment) -> None:
    """An empty environment with pip in it where the interpreter brings pip along, without where not."""
    aside = environment.folder.with_name(environment.folder.name + "-old")
    shutil.rmtree(aside, ignore_errors=True)
    if environment.folder.is_symlink():
        environment.folder.unlink()
    elif environment.folder.exists():
        # First out of the way, then away: a half-deleted environment must not look like one made by hand.
        environment.folder.rename(aside)
        shutil.rmtree(aside)
    environment.folder.mkdir()
    (environment.folder / UNFINISHED).touch()
    # Debian splits ensurepip off into python3-venv, and may leave the module without the wheel that it needs.
    if importlib.util.find_spec("ensurepip") and _works(BASE, "-I", "-m", "venv", environment.folder):
        return
    _run(environment.log, BASE, "-I", "-m", "venv", "--without-pip", environment.folder)


def _pip(environment: Environment) -> list[str | Path]:
    """A pip that installs into `environment`: its own, the system's, or one fetched from the index."""
    python = environment.python
    if _works(python, "-I", "-m", "pip", "--version"):
        return [python, "-I", "-m", "pip"]
    if _works(BASE, "-m", "pip", "--python", python, "--version"):
        return [BASE, "-m", "pip", "--python", python]
    wheel = fetch_pip(ROOT / "requirements.txt", CACHE)
    return [python, wheel / "pip"]


def _install(environment: Environment) -> None:
    options: list[str | Path] = ["install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    locked = [*options, "--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", environment.lock]
    # pip would compile on one core, after everything else.
    _run(environment.log, *_pip(environment), *locked, "--no-compile")
    if environment.holds_project:
        # hatchling is in the lock, so nothing has to be fetched for building either.
        editable = [*options, "--no-build-isolation", "--no-deps", "--no-index", "--editable", ROOT]
        _run(environment.log, *_pip(environment), *editable)
    # Some packages carry files of another Python on purpose, so its exit code says nothing.
    _works(environment.python, "-I", "-m", "compileall", "-q", "-j", "0", environment.folder / "lib")


def _bring_about(environment: Environment, interpreter: str) -> None:
    """Makes one environment ready."""
    environment.log.write_text("", encoding="utf-8")
    wanted = environment.wanted(interpreter)
    if _is_afresh(environment, interpreter):
        _create(environment)
    (environment.folder / UNFINISHED).touch()
    _install(environment)
    if environment.npm_lock is not None:
        _run(environment.log, environment.python, "-I", ROOT / "script" / "fetch_npm.py")
    if environment == TOOLS:
        wanted |= BOT.wanted(interpreter)  # the tools' lock holds all of the bot's
    (environment.folder / STAMP).write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
    (environment.folder / UNFINISHED).unlink()


def _is_afresh(environment: Environment, interpreter: str) -> bool:
    """Whether it is to be built from nothing."""
    wanted, stamp = environment.wanted(interpreter), environment.stamp()
    by_hand = not stamp and not (environment.folder / UNFINISHED).exists() and _usable_by_hand(environment)
    return not by_hand and any(stamp.get(key) != wanted[key] for key in ("place", "python"))


def _bring_all_about(environments: list[Environment], interpreter: str) -> int:
    """Makes environments ready, side by side, saying in one line what takes how long; 0, or 2 where one can't be."""
    started = time.monotonic()
    afresh = {one.folder.name: _is_afresh(one, interpreter) for one in environments}
    said = ", ".join(f"{'setting up' if fresh else 'updating'} {name}" for name, fresh in afresh.items())
    _say(f"{said[0].upper()}{said[1:]} ...")
    # No interrupt may come between a process's begin and our knowing of it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    left = [_begin(one, interpreter) for one in environments]
    codes = []
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while left:
            codes.append(os.waitstatus_to_exitcode(os.waitpid(left[0], 0)[1]))
            left.pop(0)
    except BaseException:
        # Of a terminal's Ctrl+C they have heard themselves.
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        for pid in left:
            os.waitpid(pid, 0)
        _say("\n")
        raise
    if any(codes):
        return 2
    _say(f" done in {time.monotonic() - started:.0f} s\n")
    return 0


def _begin(environment: Environment, interpreter: str) -> int:
    """Starts a process that makes one environment ready, or says why it can't be; its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 130
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        _bring_about(environment, interpreter)
        code = 0
    except SetupError as error:
        _say(f"\n{error}\n")
        code = 2
    except Exception as error:  # a border: nothing may escape into the parent's code, which this copy holds too
        _say(f"\n{environment.folder.name} can't be set up: {type(error).__name__}: {error}\n")
        code = 2
    finally:
        os._exit(code)


def _usable_by_hand(environment: Environment) -> bool:
    """Whether somebody made this environment without us, from a Python that will do."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    return _works(environment.python, "-I", "-c", check)


def main(arguments: list[str]) -> int:
    """Sets up what the command named in `arguments` needs; 0 when it is ready, 2 with a sentence when it can't be."""
    if len(arguments) != 1 or arguments[0] not in NEEDS:
        _say(f"usage: bootstrap.py {'|'.join(NEEDS)}\n")
        return 2
    environments = NEEDS[arguments[0]]
    os.umask(0o022)  # programs run as a user of their own and must be able to read their environment
    interpreter = _interpreter()
    if all(environment.ready(interpreter) for environment in environments):
        return 0
    try:
        with _alone():
            missing = [one for one in environments if not one.ready(interpreter)]
            if missing:
                return _bring_all_about(missing, interpreter)
    except SetupError as error:
        _say(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        _say("Set-up interrupted; the next call starts it again.\n")
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
