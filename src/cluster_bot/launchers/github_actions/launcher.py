"""The launcher's verbs over GitHub Actions.

Made by the composition root. What there is of a run is at GitHub, and in the bot's database: nothing here survives a
restart or needs to. With a public address (`reporting`) runners send their events to the web ingest and win a claim
there; without one everything comes from the artifact at the end, and a dispatch that nobody can vouch for is never
repeated.
"""

import asyncio
import json
import math
import re
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster_bot.errors import UserError
from cluster_bot.launchers.github_actions import last_words
from cluster_bot.launchers.github_actions.api import GithubApi, GithubError, GithubLimitError
from cluster_bot.launchers.github_actions.artifacts import MOST_FILE_BYTES, SpoolArchives
from cluster_bot.launchers.github_actions.dispatch import Accepted, Reporting, dispatch, inputs_of
from cluster_bot.launchers.github_actions.fleet import Fleet
from cluster_bot.launchers.github_actions.gpus import GpuSettings
from cluster_bot.launchers.github_actions.runners import Runners
from cluster_bot.launchers.github_actions.stopping import Cancels
from cluster_bot.launchers.github_actions.watch import Timing, Watch
from cluster_bot.launchers.github_actions.webhook import Redelivery, run_named
from cluster_bot.launchers.spool_folder import SpoolFolder, SpoolReader, attempts_below
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import GpuOffer, LaunchRefusedError, LaunchUncertainError, Unknowable
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Handle, Member, Observation, Origin, Run, Sighting, Status
from cluster_bot.runs.spec import RunSpec
from cluster_runner.wire import Event

log = get_logger(__name__)

_NO_RUN = Observation(Sighting.MISSING, "it is no run of this launcher")
# How many failed runs are explained in one look.
WHYS_A_LOOK = 2
# From a dispatch to the program's first line where a runner is free.
_STARTS_IN_S = 15.0
_ID = re.compile(r"[1-9][0-9]{0,18}")


class GithubActions:
    """A `Launcher`, `SpoolSource`, `SpoolKeeper`, `Telling`, `Discerning`, `Recognising`, `Reachable` and `Lent`.

    It serves one repository. `ref` is the branch whose workflow files run; `gpus` what members may ask for, empty: what
    its runners offer; `root` a folder for spools on their way to the store; `container` an image for all jobs, "" for
    none; `webhook` the address of this bot's webhook, where GitHub may be asked to send again what it could not.
    """

    name = "github"

    def __init__(
        self,
        api: GithubApi,
        root: Path,
        *,
        ref: str,
        gpus: Sequence[GpuSettings] = (),
        reporting: Reporting | None = None,
        container: str = "",
        timing: Timing | None = None,
        webhook: str | None = None,
    ) -> None:
        timing = timing or Timing()
        self._timing = timing if reporting is None else timing.with_reports()
        self._api = api
        self._root = root
        self._ref = ref
        self._fleet = Fleet(api, configured=gpus, pause_s=self._timing.runners_s)
        self.boxes = Runners(api, self._fleet)
        """The machines, for `runs.machines.Lent`."""
        self._repository_etag: str | None = None
        self._reporting = reporting
        self._container = container
        self._watch = Watch(api, self._timing, None if webhook is None else Redelivery(api, webhook))
        self._ring: Callable[[str], None] = _nobody
        self._look: Callable[[], None] = _nowhere
        self._archives = SpoolArchives(api, root, pause_s=self._timing.artifacts_s)
        self._readers: dict[str, SpoolReader] = {}
        self._fetched: dict[str, int] = {}
        self._none_at: dict[str, float] = {}
        self._failing_since: dict[str, float] = {}
        self._details_known = True
        self._cancels = Cancels(api, again_s=self._timing.cancel_again_s, force_s=self._timing.force_after_s)
        self._last_words: dict[int, str] = {}
        self._unheard_since: dict[int, float] = {}

    @property
    def claims(self) -> bool:
        """Runners claim at the bot's public address; without one they cannot."""
        return self._reporting is not None

    # --- before a run -------------------------------------------------------------------------------------------

    async def check(self, spec: RunSpec) -> None:
        """Refuse an unknown GPU, and a program too large to travel where it can't be fetched."""
        await self._gpu_named(spec.gpu)
        if self._reporting is None:
            probe = await asyncio.to_thread(self._fits, spec)
            if not probe:
                raise refuse(Refusal.TOO_LARGE_TO_TRAVEL, name=spec.main)

    def _fits(self, spec: RunSpec) -> bool:
        try:
            inputs_of(_probe(spec), self._fleet.gpus[0], None, time.time(), self._container)
        except LaunchRefusedError:
            return False
        return True

    async def availability(self) -> Sequence[GpuOffer]:
        """The GPUs that may be asked for, with the runs that wait for their workflow."""
        if not self._fleet.configured:
            await self._fleet.refresh()
        waiting = {gpu.name: self._watch.listing.waiting(gpu.workflow) for gpu in self._fleet.gpus}
        return [
            GpuOffer(name, count, starts_in_s=_STARTS_IN_S, machines=self._fleet.online.get(name))
            for name, count in waiting.items()
        ]

    async def trouble(self) -> str:
        """Why GitHub takes no run now. One request, free of its budget where the repository has not changed."""
        try:
            answer = await self._api.get("", etag=self._repository_etag)
        except (GithubError, GithubLimitError) as error:
            return error.words
        self._repository_etag = answer.headers.get("etag", self._repository_etag)
        return "" if answer.status in (200, 304) else f"GitHub does not show this bot its repository ({answer.status})"

    async def _gpu_named(self, name: str | None) -> GpuSettings:
        wanted = (name or "").strip()
        found = self._fleet.gpu(wanted)
        if found is None and not (self._fleet.configured and "@" not in wanted):
            await self._fleet.refresh()
            found = self._fleet.gpu(wanted)
        if found is None:
            raise refuse(Refusal.UNKNOWN_GPU, launcher=self.name, offered=self._offered())
        return found

    def _offered(self) -> str:
        """The names, as many as a sentence bears."""
        names = [f"`{gpu.name}`" for gpu in self._fleet.gpus]
        return ", ".join(names[:25]) + (" …" if len(names) > 25 else "")

    # --- start, find, stop --------------------------------------------------------------------------------------

    async def start(self, run: Run) -> Handle:
        """Dispatch the workflow of the run's GPU."""
        try:
            gpu = await self._gpu_named(run.gpu)
        except UserError as gone:
            raise LaunchRefusedError(gone.message, again=False) from gone
        inputs = await asyncio.to_thread(inputs_of, run, gpu, self._reporting, time.time(), self._container)
        wished_at = None if self.claims else run.launched_at
        try:
            accepted = await self._dispatch(gpu, inputs, wished_at)
        except LaunchRefusedError as refusal:
            if not (self._details_known and "return_run_details" in refusal.detail):
                raise
            # A GitHub Enterprise Server too old for the field; it refused the whole request, so nothing was started.
            self._details_known = False
            accepted = await self._dispatch(gpu, inputs, wished_at)
        if accepted is None:
            raise LaunchUncertainError("GitHub accepted and did not name the run")
        self._watch.link(accepted.number, accepted.url)
        self._watch.hurry()
        return _handle(accepted.number)

    async def _dispatch(self, gpu: GpuSettings, inputs: Mapping[str, str], wished_at: float | None) -> Accepted | None:
        return await dispatch(
            self._api, gpu.workflow, self._ref, inputs, details=self._details_known, wished_at=wished_at
        )

    async def find(self, run: Run) -> Handle | Unknowable | None:
        """Look for the attempt's name among the runs GitHub lists; where there are several, the oldest is the one."""
        try:
            await self._watch.listing.look((), not_before=max(0.0, time.monotonic() - self._timing.fast_s))
        except (GithubError, GithubLimitError) as error:
            log.warning("could not look for a run: %s", error, extra={"action": "find_failed", "run": run.id})
            return Unknowable.NOW
        found = self._watch.listing.titled(_title(run))
        if found:
            if not self.claims:
                for second in found[1:]:
                    await self.stop(_handle(second.id))
            return _handle(found[0].id)
        if time.time() - (run.launched_at or 0.0) < self._timing.listed_s:
            return Unknowable.NOW
        return None if self.claims else Unknowable.EVER

    async def stop(self, handle: Handle) -> None:
        """Ask GitHub to cancel, again only after a while, and then by force."""
        number = _number_in(handle)
        if number is not None and await self._cancels.ask(number):
            self._watch.hurry()

    def handle_of(self, scheduler_run: str) -> Handle | None:
        """The handle of the workflow run that a runner says it is."""
        return _handle(int(scheduler_run)) if _ID.fullmatch(scheduler_run) else None

    def link_of(self, handle: Handle) -> str | None:
        """The page of a workflow run."""
        number = _number_in(handle)
        return None if number is None else f"{self._api.page}/actions/runs/{number}"

    async def close(self) -> None:
        """Let go of the connections."""
        self._api.close()

    # --- looking ------------------------------------------------------------------------------------------------

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """One look at all, or none where it is too early for the next: then what the last one saw."""
        numbers = {handle: _number_in(handle) for handle in handles}
        wanted = {number for number in numbers.values() if number is not None}
        self._cancels.keep(wanted)
        self._last_words = {one: words for one, words in self._last_words.items() if one in wanted}
        self._unheard_since = {one: at for one, at in self._unheard_since.items() if one in wanted}
        await self._watch.look(wanted)
        await self._ask_why(wanted)
        return {handle: _NO_RUN if number is None else self._observation(number) for handle, number in numbers.items()}

    async def _ask_why(self, wanted: Collection[int]) -> None:
        """Look up why runs failed that nobody heard of, and that left no artifact; a few each time."""
        due = [number for number in wanted if self._unheard(number) and self._last_words.get(number) is None]
        for number in [one for one in due if self._unheard(one) in self._none_at][:WHYS_A_LOOK]:
            self._last_words[number] = await last_words.last_words(self._api, number)

    def _unheard(self, number: int) -> str | None:
        """The title of a workflow run that failed and whose runner has not said anything; None for any other."""
        seen = self._watch.listing.get(number)
        if seen is None or seen.conclusion not in last_words.CONCLUSIONS or run_named(seen.title) is None:
            return None
        return None if seen.title in self._watch.heard or seen.title in self._fetched else seen.title

    def _observation(self, number: int) -> Observation:
        """What was seen of a workflow run; of one that failed unheard not before it is known why, or can't be."""
        observed = self._watch.observation(number)
        if self._unheard(number) is None:
            return observed
        words = self._last_words.get(number)
        since = self._unheard_since.setdefault(number, time.monotonic())
        if words is None and time.monotonic() - since < self._timing.last_words_s:
            return Observation(Sighting.UNKNOWN, url=observed.url)
        return replace(observed, detail=f"{observed.detail} {words or ''}".strip())

    # --- the spool ----------------------------------------------------------------------------------------------

    def on_news(self, ring: Callable[[str], None]) -> None:
        """Spools come whole, at a run's end: rung for what the webhook tells, as a look wakes the follower anyway."""
        self._ring = ring

    def on_change(self, look: Callable[[], None]) -> None:
        """What the webhook tells, and what is found out of a run that ended unheard, is said by the next `poll`."""
        self._look = look

    def hear(self, event: str, payload: Mapping[str, Any]) -> None:
        """What GitHub's webhook tells: a hint, from the loop. A payload of another form raises."""
        run_id = self._watch.hear(event, payload)
        if run_id is not None:
            self._ring(run_id)
            self._look()

    async def fetch(self, run: Run, after: int) -> Sequence[Event]:
        """Nothing before the end; then, where the outcome did not come another way, the artifact's events."""
        name = _title(run)
        if after > 0:
            self._watch.heard.add(name)
        number = None if run.handle is None else _number_in(run.handle)
        seen = None if number is None else self._watch.listing.get(number)
        if number is None or seen is None or not seen.over or run.status.final:
            return []
        if self._fetched.get(name) != number:
            # Also where another workflow run turned out to have won the claim: each has an artifact of this name.
            if time.monotonic() - self._none_at.get(name, -math.inf) < self._timing.artifact_again_s:
                return []
            await self._remove(name)
            if not await self._bring(number, name):
                if name not in self._none_at and self._unheard(number) is not None:
                    # Why it failed can be asked now.
                    self._look()
                self._none_at[name] = time.monotonic()
                return []
            self._fetched[name] = number
            self._readers[name] = SpoolReader(self._root / name)
        return await asyncio.to_thread(self._readers[name].read, after)

    async def _bring(self, number: int, name: str) -> bool:
        """Fetch an artifact; False where there is none, or has been none to be had for so long that the run must end.

        Raises GithubError where asking again may help.
        """
        try:
            found = await self._archives.fetch(number, name)
        except GithubError as error:
            since = self._failing_since.setdefault(name, time.monotonic())
            if time.monotonic() - since < self._timing.artifact_patience_s:
                raise
            log.warning("a spool was given up: %s", error, extra={"action": "spool_given_up", "attempt": name})
            return False
        self._failing_since.pop(name, None)
        return found

    async def artifact(self, run: Run, stored: str) -> bytes | None:
        """A file of the artifact, at most 16 MiB."""
        return await asyncio.to_thread(SpoolFolder(self._root / _title(run)).artifact, stored, MOST_FILE_BYTES)

    async def discard(self, run: Run) -> bool:
        """Remove what was fetched."""
        name = _title(run)
        self._none_at.pop(name, None)
        self._failing_since.pop(name, None)
        self._watch.heard.discard(name)
        await self._remove(name)
        return True

    async def _remove(self, name: str) -> None:
        self._readers.pop(name, None)
        self._fetched.pop(name, None)
        await asyncio.to_thread(shutil.rmtree, self._root / name, ignore_errors=True)

    async def left(self) -> Collection[tuple[str, int]]:
        """Run and attempt of every spool that was fetched and not discarded."""
        return await asyncio.to_thread(lambda: attempts_below(self._root) if self._root.is_dir() else [])


def _nobody(run_id: str) -> None:
    """Rung until the follower listens."""


def _nowhere() -> None:
    """Asked to look until the follower does."""


def _title(run: Run) -> str:
    return f"{run.id}-{run.attempt}"


def _handle(number: int) -> Handle:
    return Handle(json.dumps({"run": number}))


def _number_in(handle: Handle) -> int | None:
    try:
        number = json.loads(handle.text)["run"]
    except (ValueError, KeyError, TypeError):
        return None
    return number if type(number) is int and number > 0 else None


def _probe(spec: RunSpec) -> Run:
    """A run as large as any of that spec will be."""
    return Run("0" * 32, 1, spec, Member("", ""), Origin("", {}), 0.0, Status.STARTING, attempt=1)
