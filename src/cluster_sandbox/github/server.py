"""A GitHub on this machine: the public face of the stand-in.

`async with GitHubServer(repository=folder, owner="gpu-club", name="kernels", runners=[Runner("gpu-1")]) as github:`
listens on loopback; PyGithub is pointed at `api_url` with `token`. Workflow files of the folder are executed with `act`
as they are at the moment of a dispatch. Everything is in memory and gone with the object, running jobs included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from ..faults import Fault, Faults
from ..record import Request
from .access import App, Installation, at_level
from .door import Door
from .git_store import GitStore
from .model import EVENTS, Execution, Hook, Machine, Pull, Run, Runner, RunnerGroup
from .page import Pages
from .policy import Policy
from .rest.pipeline import PREFIX, PRIMARY, SECONDARY, Pipeline
from .rest.route import ApiError
from .service import Service
from .storage import Storage
from .webhooks import Webhooks
from .world import World

MOST_BYTES = 512 * 1024 * 1024
UPLOADS = "/sandbox/"


class GitHubServer:
    """One GitHub with one repository, an organization's or a person's.

    `environment`: what the runner machines have in their environment besides PATH, LANG and HOME. OSError from `start`
    if the port is taken.
    """

    def __init__(
        self,
        *,
        repository: Path,
        owner: str = "gpu-club",
        organization: bool = True,
        name: str = "kernels",
        runners: Iterable[Runner] = (Runner("runner"),),
        policy: Policy | None = None,
        environment: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.policy = policy or Policy()
        self.world = World(Path(repository), owner, name, runners, self.policy, environment or {})
        self.world.organization = organization
        self.service = Service(self.world)
        self._host, self._port = host, port
        self._runners: list[web.AppRunner] = []
        self.url = ""

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Listen: the API and the pages on one port, logs and artifacts on another, runners' programs on a third."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_route("*", PREFIX + "{path:/.*}", Pipeline(self.service).handle)
        door = Door(self.world, self.service.package)
        door.add_routes(app)
        Pages(self.world).add_routes(app)
        self.url = await self._listen(app, self._port)
        self.world.api_url = self.api_url
        await self.webhooks.start()
        other = web.Application()
        other.router.add_route("*", "/{path:.*}", self.storage.handle)
        self.storage.base = await self._listen(other, 0)
        self.service.package.door_url = await self._listen(door.application(), 0, hang_up=True)
        return self

    async def _listen(self, app: web.Application, port: int, *, hang_up: bool = False) -> str:
        """`hang_up`: a handler is cancelled when its caller is gone."""
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=hang_up)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self._host, port).start()
        return f"http://{self._host}:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End every job with all its processes, and stop listening."""
        await self.world.stop()
        await self.webhooks.stop()
        while self._runners:
            await self._runners.pop().cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- addresses and identity ---------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return self.url + PREFIX

    @property
    def storage_url(self) -> str:
        return self.storage.base

    @property
    def full_name(self) -> str:
        return self.world.full_name

    @property
    def token(self) -> str:
        """A token that may read and write."""
        return self.service.token

    def add_token(
        self,
        *,
        write: bool = True,
        permissions: Mapping[str, str] | None = None,
        login: str | None = None,
        expires_at: float | None = None,
    ) -> str:
        """Another fine-grained token, of a person of its own unless `login` names one whose rate limit it shares.

        Without `write` it may read everything and change nothing; `permissions`, such as `{"actions": "write"}`, are
        instead of that all it may. `expires_at` in unix seconds.
        """
        given = at_level("write" if write else "read") if permissions is None else permissions
        who = login or f"member-{len(self.service.tokens)}"
        return self.service.access.add_token(login=who, permissions=given, expires_at=expires_at)[0]

    def add_classic_token(self, *, scopes: Iterable[str] = ("repo", "workflow"), login: str | None = None) -> str:
        """Another token of the old kind, with scopes instead of permissions."""
        return self.service.access.add_classic(login=login or f"member-{len(self.service.tokens)}", scopes=scopes)[0]

    def expire_token(self, text: str) -> None:
        """Let a token be over now; KeyError for an unknown one."""
        self.service.tokens[text].expires_at = 0.0

    def add_app(
        self,
        *,
        slug: str = "cluster-bot",
        permissions: Mapping[str, str] | None = None,
        install: bool = True,
        webhook: str = "",
        secret: str = "",
        events: Iterable[str] = EVENTS,
    ) -> App:
        """A GitHub App with a key of its own (`private_key`, PEM), by default with all permissions and installed.

        `webhook`: where it hears of `events`; only while it is installed.
        """
        access = self.service.access
        app = access.add_app(slug, at_level("write") if permissions is None else permissions, install=install)
        installed = next((one.id for one in access.installations.values() if one.app is app), None)
        self.webhooks.add(
            webhook,
            secret=secret,
            events=events,
            content_type="json",
            active=install,
            app_id=app.id,
            installation_id=installed,
        )
        return app

    def install_app(self, app: App) -> Installation:
        """Put an App on the repository's owner, with all it asks for now."""
        made = self.service.access.install(app)
        if (hook := self.webhooks.of_app(app.id)) is not None:
            hook.active, hook.installation_id = True, made.id
        return made

    def uninstall_app(self, app: App) -> None:
        """Take it away again, its tokens with it."""
        for one in [one for one in self.service.access.installations.values() if one.app is app]:
            self.service.access.uninstall(one)
        if (hook := self.webhooks.of_app(app.id)) is not None:
            hook.active, hook.installation_id = False, None

    def installation_token(self, app: App) -> str:
        """A token of where the App is installed; StopIteration where it is not."""
        access = self.service.access
        return access.grant(next(one for one in access.installations.values() if one.app is app), None)[0]

    def add_hook(
        self, url: str, *, secret: str = "", events: Iterable[str] = EVENTS, content_type: str = "json"
    ) -> Hook:
        """A webhook of the repository, made as an admin would on its page; it is sent a ping."""
        return self.webhooks.add(url, secret=secret, events=events, content_type=content_type)

    @property
    def webhooks(self) -> Webhooks:
        """Hooks, their deliveries, and the troubles ordered for them."""
        return self.service.webhooks

    # --- the repository -----------------------------------------------------------------------------

    @property
    def git(self) -> GitStore:
        """Its branches and their files."""
        return self.world.git

    @property
    def pulls(self) -> list[Pull]:
        """All pull requests, oldest first."""
        return list(self.world.pulls.all.values())

    def merge(self, number: int) -> None:
        """Merge a pull request, as its button does; what it brings is there for the next dispatch. GitError."""
        self.world.pulls.merge(self.world.pulls.all[number])

    # --- what happened ------------------------------------------------------------------------------

    @property
    def runs(self) -> list[Run]:
        """All runs, oldest first, listed or not."""
        return list(self.world.runs.values())

    def run(self, run_id: int) -> Run:
        """A run by id; KeyError if unknown."""
        return self.world.runs[run_id]

    @property
    def requests(self) -> list[Request]:
        """Every request to the API, in order of arrival; payload and token of dispatches are masked.

        Without the uploads of jobs, which GitHub takes elsewhere; those are in `service.record`.
        """
        return [one for one in self.service.record.requests if not (one.route or "").startswith(UPLOADS)]

    @property
    def executions(self) -> list[Execution]:
        """Every job that was really executed, in order of start."""
        return self.world.executions

    @property
    def machines(self) -> list[Machine]:
        return self.world.fleet.machines

    async def wait_run(self, predicate: Callable[[Run], Any], timeout: float = 30.0) -> Run:
        """The first run that fits, now or after a change; TimeoutError says how the runs are."""
        return await self.world.wait_run(predicate, timeout)

    async def wait_machines(self, fits: Callable[[list[Machine]], Any], timeout: float = 30.0) -> list[Machine]:
        """The runners once they fit; TimeoutError where they do not within `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while True:
                version = self.world.pulse.version
                if fits(self.machines):
                    return self.machines
                await self.world.pulse.after(version)

    # --- means of a test ----------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        return self.service.faults

    @property
    def storage(self) -> Storage:
        return self.service.storage

    def limit_primary(
        self,
        *,
        method: str | None = None,
        route: str | None = None,
        status: int = 403,
        reset_s: int = 60,
        times: int = 1,
    ) -> Fault:
        """Answer the next matching requests as if the hour's limit were spent; `status` 403 or 429."""
        reset = str(int(self.world.now()) + reset_s)
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
        return self._limit(method, route, status, times, PRIMARY, headers)

    def limit_secondary(
        self,
        *,
        method: str | None = None,
        route: str | None = None,
        status: int = 403,
        retry_after_s: int | None = 60,
        times: int = 1,
    ) -> Fault:
        """Answer the next matching requests as if they were too many at a time; None: without Retry-After."""
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        return self._limit(method, route, status, times, SECONDARY, headers)

    def _limit(
        self, method: str | None, route: str | None, status: int, times: int, words: str, headers: dict[str, str]
    ) -> Fault:
        body = ApiError(status, words).body()
        return self.faults.add(
            Fault(method=method, route=route, times=times, status=status, headers=headers, body=body)
        )

    def hold_runners(self) -> None:
        """Let no runner take another job: a queue."""
        self.world.held = True

    def release_runners(self) -> None:
        self.world.held = False
        self.world.schedule()

    def add_runner(self, runner: Runner) -> None:
        """One more machine; it takes what is queued for it."""
        self.world.fleet.add(runner)
        self.world.schedule()

    def add_runner_group(self, name: str, *, allows_public: bool = False) -> RunnerGroup:
        """One more group of the organization's runners."""
        group = RunnerGroup(self.world.new_id(), name, allows_public)
        self.world.fleet.groups.append(group)
        return group

    def hold_listing(self) -> None:
        """Show new runs in no list until `release_listing`, though they run."""
        self.world.listing_held = True

    def release_listing(self) -> None:
        self.world.listing_held = False
        for run in self.runs:
            run.visible_at = min(run.visible_at, self.world.now())
        self.world.pulse.ring()

    def kill_runner(self, run_id: int) -> None:
        """Let the machine of a running job die with all its processes; GitHub notices after `policy.lost_s`."""
        self.world.kill(self.run(run_id))

    def lose(self, run_id: int) -> None:
        """The same, noticed at once: the run ends as failed, "lost communication"."""
        self.world.kill(self.run(run_id), at_once=True)

    def conclude(self, run_id: int, conclusion: str) -> None:
        """End a queued run by order: "action_required", "stale" and the like. ValueError for one in progress."""
        self.world.conclude(self.run(run_id), conclusion)
