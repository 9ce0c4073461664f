"""A follower that is stopped between its save and its dispatch, overtaken by another on the same database, then woken.

A stopped process cannot be told from a dead one, so the other goes on with its run; and when it wakes, it does what it
was about to do. The two share a PostgreSQL and GitHub, and nothing else.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import warm
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.run import Handle, Member, Origin, Reason, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.store import SqlStore
from cluster_sandbox.faults import Fault
from cluster_sandbox.github import GitHubServer, Runner
from workflow_folder import machine_environment, workflow_folder

from .github_borders import LIST
from .github_stage import free_port
from .programs import SHORT, Noted, read_ledger
from .stage import PASSED_ON, PATIENCE_S
from .test_github import CLAIMED

# The same server as the store's contract has.
sys.path.append(str(Path(__file__).parents[2] / "contracts"))
from stores_postgres import NoPostgresError, Postgres

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOT = Path(__file__).with_name("overtaken_bot.py")
SOON_S, LATE_S = 2.0, 12.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for all tests of this file."""
    try:
        server = Postgres()
    except NoPostgresError as error:
        pytest.skip(f"no PostgreSQL to test with: {error}")
    with server:
        yield server


class Race:
    """One GitHub, one database, one run, and the followers that are after it."""

    def __init__(self, github: GitHubServer, store: SqlStore, folder: Path, url: str, public: bool) -> None:
        self.github, self.store, self.folder = github, store, folder
        self._port = free_port() if public else None
        self._settings = {name: value for name, value in os.environ.items() if name in PASSED_ON} | {
            "DATABASE_URL": url,
            "GITHUB_TOKEN": github.token,
            "GITHUB_REPOSITORY": github.full_name,
            "GITHUB_API_URL": github.api_url,
            "OUTCOME_GRACE_S": "0.5",
        }
        if public:
            address = f"http://127.0.0.1:{self._port}"
            self._settings |= {"PUBLIC_URL": address, "WEB_KEY": secrets.token_hex(32)}
        (folder / "ledger").touch()

    async def submit(self) -> str:
        """One program for everybody; its run's id."""
        text = SHORT.source("run1", self.folder / "ledger")
        spec = RunSpec({"run1.py": text}, "run1.py", "github", 60, gpu="NVIDIA")
        asked = Submission(spec, Member("1", "ada"), Origin("key", {}))
        return (await self.store.admit(asked, Limits(), time.time())).run.id

    @asynccontextmanager
    async def follower(
        self, name: str, *, listed_s: float, stops: str = "", listens: bool = False
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A follower with a data folder of its own."""
        folder = self.folder / name
        folder.mkdir()
        settings = self._settings | {"DATA_DIR": str(folder / "data")}
        if listens and self._port is not None:
            settings["WEB_PORT"] = str(self._port)
        timing = json.dumps({"fast_s": 0.1, "slow_s": 0.2, "listed_s": listed_s, "artifact_again_s": 0.2})
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(warm.python(), str(BOT), timing, stops),
                env=settings,
                cwd=folder,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
            # Reads what nobody wanted to hear, so that the pipe is closed.
            await process.communicate()

    async def over(self, run_id: str, *followers: asyncio.subprocess.Process) -> Run:
        """The run, once one of the followers has brought it to its end."""
        while True:
            run = await self.store.load(run_id)
            if run.status.final:
                return run
            waits = [asyncio.create_task(heard(one, lambda line: line == "moved"), name="heard") for one in followers]
            done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for other in others:
                other.cancel()
            await asyncio.gather(*done)
            await asyncio.wait(waits)

    @property
    def noted(self) -> Noted:
        return read_ledger(self.folder / "ledger").get("run1", Noted())

    @property
    def winners(self) -> list[int]:
        """The jobs that claimed the attempt."""
        return [one.id for one in self.github.runs if one.job is not None and CLAIMED in one.job.log_text]


async def heard(follower: asyncio.subprocess.Process, wanted: Callable[[str], bool]) -> None:
    """Wait for a line."""
    assert follower.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while line := await follower.stdout.readline():
            if wanted(line.decode().strip()):
                return
    raise AssertionError("the follower ended")


async def stopped(process: asyncio.subprocess.Process) -> None:
    """Wait until the process has been stopped; it is not collected by that."""
    state = await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert state is not None and state.si_code == os.CLD_STOPPED


@asynccontextmanager
async def race(postgres: Postgres, folder: Path, public: bool) -> AsyncIterator[Race]:
    """The start of one."""
    url = postgres.new_database()
    repository = workflow_folder(folder / "repository", same_user="always")
    machines = [Runner("box", ("self-hosted", "nvidia"), count=2)]
    store = await SqlStore.open(url)
    try:
        async with GitHubServer(repository=repository, runners=machines, environment=machine_environment()) as github:
            yield Race(github, store, folder, url, public)
    finally:
        await store.close()


@pytest.mark.parametrize("public", [True, False], ids=["public", "alone"])
@pytest.mark.parametrize("stops", ["before", "after"], ids=["before-its-last-check", "after-its-last-check"])
async def test_woken_when_all_is_over(postgres: Postgres, tmp_path: Path, stops: str, public: bool) -> None:
    async with race(postgres, tmp_path, public) as it, it.follower("first", listed_s=SOON_S, stops=stops) as first:
        run_id = await it.submit()
        await stopped(first)
        assert (await it.store.load(run_id)).status is Status.STARTING
        assert it.github.runs == []
        async with it.follower("second", listed_s=SOON_S, listens=True) as second:
            told = await it.over(run_id, second)
            first.send_signal(signal.SIGCONT)
            await heard(first, lambda line: line == "dispatched")
            # What was asked for too late comes to an end by itself, or is cancelled.
            await it.github.wait_run(lambda _: all(one.completed for one in it.github.runs), PATIENCE_S)
        after = await it.store.load(run_id)
    assert (after.status, after.reason, after.handle) == (told.status, told.reason, told.handle)
    if public:
        assert (told.status, it.noted.begun, it.noted.ended) == (Status.SUCCEEDED, 1, 1)
        assert len(it.github.runs) == 2
        assert [told.handle] == [Handle(json.dumps({"run": one})) for one in it.winners]
    else:
        assert (told.status, told.reason) == (Status.LOST, Reason.DISPATCH_UNKNOWN)
        assert len(it.github.runs) == 1
        assert it.noted.begun <= 1


@pytest.mark.parametrize("public", [True, False], ids=["public", "alone"])
async def test_woken_while_the_other_looks(postgres: Postgres, tmp_path: Path, public: bool) -> None:
    async with race(postgres, tmp_path, public) as it, it.follower("first", listed_s=LATE_S, stops="before") as first:
        run_id = await it.submit()
        await stopped(first)
        looked = asyncio.Event()
        it.github.faults.add(Fault(method="GET", route=LIST, status=None, action=lambda request: looked.set()))
        async with it.follower("second", listed_s=LATE_S, listens=True) as second:
            async with asyncio.timeout(PATIENCE_S):
                await looked.wait()
            first.send_signal(signal.SIGCONT)
            # Either may be the one that sees the end.
            told = await it.over(run_id, first, second)
            if not public and not it.github.runs:
                # A machine so slow that the ten seconds passed after which nobody sends any more what was wished.
                assert (told.status, told.reason) == (Status.LOST, Reason.DISPATCH_UNKNOWN)
                return
            await it.github.wait_run(lambda _: all(one.completed for one in it.github.runs), PATIENCE_S)
    assert (told.status, it.noted.begun, it.noted.ended) == (Status.SUCCEEDED, 1, 1)
    if public:
        assert [told.handle] == [Handle(json.dumps({"run": one})) for one in it.winners]
    else:
        assert len(it.github.runs) == 1
