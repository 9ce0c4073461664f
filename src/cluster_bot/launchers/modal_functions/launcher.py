"""The launcher's verbs over Modal: a run is a call of one deployed function, with a GPU and a time of its own.

Made by the composition root. Who may execute an attempt is decided in the app's Dict, by the container that comes
first, so a call too many does no harm; its events lie in the app's Queue until the run is over, so a restart loses
none.
Handles name the call, the attempt and the GPU. ARCHITECTURE.md says why it is a Queue.
"""

import asyncio
import json
import math
import re
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import modal.exception

from cluster_bot.errors import UserError
from cluster_bot.launchers.modal_functions.connection import OUTAGES, ExpiredError, Modal
from cluster_bot.launchers.modal_functions.gpus import ModalGpu, wished
from cluster_bot.launchers.modal_functions.problems import REFUSALS, nothing_started, refusal, words
from cluster_bot.launchers.modal_functions.spooling import MOST_FILE_BYTES
from cluster_bot.launchers.modal_functions.watch import CallWatch, Receiver, Timing, call_in
from cluster_bot.launchers.spool_folder import SpoolFolder, SpoolReader, attempts_below
from cluster_bot.log import get_logger
from cluster_bot.runs.ports import GpuOffer, LaunchRefusedError, LaunchUncertainError, Unknowable
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.run import Handle, Observation, Run, Sighting
from cluster_bot.runs.spec import RunSpec
from cluster_runner import wire
from cluster_runner.wire import Event

log = get_logger(__name__)

ORDER_VERSION = 1
# What a run takes beside its program's own time: the compiler's two minutes, packages, the last events.
SETUP_S = 600
# So many attempts are remembered as over, for who asks of one a moment too late.
_REMEMBERED = 1000
# Calls of one GPU and one time share Modal's pool of containers, so times come in steps.
_TIMEOUT_STEP_S = 300
# Modal takes no more.
_LONGEST_TIMEOUT_S = 24 * 3600
# About how long a container takes to come, and how many with GPUs an account may have at once; both as Modal gives them
# to everybody. They only decide what `/run auto` chooses before this bot has seen waits of its own.
_STARTS_IN_S = 10.0
_AT_ONCE = 10
_FORBIDDEN = "forbidden"
_OVER = Observation(Sighting.MISSING, "it was let go")
_NO_RUN = Observation(Sighting.MISSING, "it is no run of this launcher")
_ATTEMPT = re.compile(r"[0-9a-f]{32}-[1-9][0-9]{0,8}")
_CALL = re.compile(r"fc-[A-Za-z0-9]{1,60}")
_GPU = re.compile(r"[A-Za-z0-9][A-Za-z0-9+!._:-]{0,49}")


@dataclass(frozen=True, slots=True)
class _Named:
    """What a handle names."""

    call: str
    attempt: str
    gpu: str

    @property
    def handle(self) -> Handle:
        return Handle(json.dumps({"call": self.call, "attempt": self.attempt, "gpu": self.gpu}))

    @classmethod
    def of(cls, handle: Handle) -> "_Named | None":
        try:
            fields = json.loads(handle.text)
            return cls.parsed(fields["call"], fields["attempt"], fields["gpu"])
        except (ValueError, KeyError, TypeError):
            return None

    @classmethod
    def parsed(cls, call: object, attempt: object, gpu: object) -> "_Named | None":
        texts = [(_CALL, call), (_ATTEMPT, attempt), (_GPU, gpu)]
        if not all(isinstance(text, str) and form.fullmatch(text) for form, text in texts):
            return None
        return cls(str(call), str(attempt), str(gpu))


class ModalFunctions:
    """`Launcher`, `SpoolSource`, `SpoolKeeper`, `Telling`, `Discerning`, `Recognising` and `Reachable` for one app.

    `root` is a folder for spools on their way to the store, `gpus` what members may ask for.
    """

    name = "modal"
    claims = True

    def __init__(
        self, connection: Modal, root: Path, *, gpus: Sequence[ModalGpu], timing: Timing | None = None
    ) -> None:
        self._modal = connection
        self._root = root
        self._gpus = tuple(gpus)
        self._timing = timing or Timing()
        self._ring: Callable[[str], None] = lambda _: None
        self._look: Callable[[], None] = lambda: None
        self._receivers: dict[str, Receiver] = {}
        self._calls: dict[_Named, CallWatch] = {}
        self._readers: dict[str, SpoolReader] = {}
        self._stops: dict[str, float] = {}
        self._over: dict[str, None] = {}

    # --- before a run -------------------------------------------------------------------------------------------

    async def check(self, spec: RunSpec) -> None:
        """Refuse a GPU that is not offered, and none at all: each run has one here, and limits go by its name."""
        if spec.gpu is None:
            raise self._no_such_gpu()
        self._wished(spec.gpu)

    async def availability(self) -> Sequence[GpuOffer]:
        """The GPUs of the file, with the runs of this bot that wait for a container."""
        waiting = {gpu: self._waiting(gpu.name) for gpu in self._gpus}
        return [
            GpuOffer(gpu.name, count, price=gpu.price, starts_in_s=_STARTS_IN_S, machines=_AT_ONCE)
            for gpu, count in waiting.items()
        ]

    async def trouble(self) -> str:
        """Why Modal takes no run now: it can't be reached, or does not have the app."""
        try:
            await self._modal.find_function()
        except (*OUTAGES, *REFUSALS) as error:
            return words(error)
        return ""

    def _wished(self, gpu: str | None) -> str:
        found = wished(self._gpus, gpu)
        if found is None:
            raise self._no_such_gpu()
        return found[0]

    def _no_such_gpu(self) -> UserError:
        offered = ", ".join(f"`{gpu.name}`" for gpu in self._gpus[:25])
        return refuse(Refusal.UNKNOWN_GPU, launcher=self.name, offered=offered)

    def _waiting(self, gpu: str) -> int:
        kinds = [named.gpu.partition(":")[0] for named, watch in self._calls.items() if watch.waits]
        return kinds.count(gpu)

    # --- start, find, stop --------------------------------------------------------------------------------------

    async def start(self, run: Run) -> Handle:
        """Call the function; who executes the attempt is decided by the claim."""
        if _attempt(run) in self._over:
            # It was forbidden after a launch of which nothing was known; the next attempt is another.
            raise LaunchRefusedError("Modal did not take it", again=True)
        try:
            gpu = self._wished(run.gpu)
        except UserError as gone:
            raise nothing_started(gone.message) from gone
        steps = math.ceil((run.spec.time_limit_s + SETUP_S) / _TIMEOUT_STEP_S)
        timeout_s = min(_TIMEOUT_STEP_S * steps, _LONGEST_TIMEOUT_S)
        order = await asyncio.to_thread(self._order, run, gpu)
        try:
            function = await self._modal.function(gpu, timeout_s)
        except (modal.exception.Error, *OUTAGES) as error:
            raise refusal(error, again=isinstance(error, OUTAGES)) from error
        try:
            call = await self._modal.spawn(function, order)
        except REFUSALS as error:
            if isinstance(error, modal.exception.ResourceExhaustedError):
                # The client asks again by itself: the first time it may have been heard, and not been answered.
                await self._make_sure(run)
            raise refusal(error, again=False) from error
        except (modal.exception.Error, *OUTAGES) as error:
            detail = f"Modal did not say whether it took the call ({type(error).__name__})"
            raise LaunchUncertainError(detail) from error
        named = _Named(call, _attempt(run), gpu)
        self._watch(named)
        await self._remember(named)
        return named.handle

    async def _make_sure(self, run: Run) -> None:
        """See to it that nothing of an attempt will ever execute; raises LaunchUncertainError where it may have."""
        try:
            forbidden = await self._modal.put_once(_attempt(run), _FORBIDDEN)
        except (modal.exception.Error, *OUTAGES) as error:
            raise LaunchUncertainError("Modal refused, and may have taken it before") from error
        if not forbidden:
            raise LaunchUncertainError("Modal refused, and has it")

    def _order(self, run: Run, gpu: str) -> str:
        payload = wire.pack(run.spec.payload(run.id, run.attempt))
        places = {"claims": self._modal.claims, "events": self._modal.events}
        return json.dumps({"v": ORDER_VERSION, "payload": payload, "gpu": gpu, **places})

    async def _remember(self, named: _Named) -> None:
        """Leave word of the call, so that it is found while it waits; it runs all the same where that fails."""
        try:
            await self._modal.put_once(f"call/{named.attempt}", f"{named.call}/{named.gpu}")
        except (modal.exception.Error, *OUTAGES) as error:
            log.info("call not remembered: %s", type(error).__name__, extra={"action": "modal_call_not_remembered"})

    async def find(self, run: Run) -> Handle | Unknowable | None:
        """Who has won the attempt's claim, else who was called for it; EVER where neither is known.

        None where the attempt is forbidden, so that it never began.
        """
        attempt = _attempt(run)
        try:
            claimed = await self._modal.value(attempt)
            called = await self._modal.value(f"call/{attempt}")
        except (modal.exception.Error, *OUTAGES) as error:
            log.warning("could not look for a call: %s", type(error).__name__, extra={"action": "find_failed"})
            return Unknowable.NOW
        if claimed == _FORBIDDEN:
            self._forget(attempt)
            return None
        call, _, gpu = (called or "").partition("/")
        # Where it was called twice, the winner is the one.
        named = _Named.parsed(call_in(claimed) or call, attempt, gpu or run.gpu or "unknown")
        return Unknowable.EVER if named is None else named.handle

    async def stop(self, handle: Handle) -> None:
        """Leave the wish where the container looks every second; where that does not help, cancel, then terminate."""
        named = _Named.of(handle)
        if named is None:
            return
        now = time.monotonic()
        for_s = now - self._stops.setdefault(named.call, now)
        await self._modal.put_once(f"stop/{named.call}", "wished")
        watch = self._calls.get(named)
        try:
            if for_s >= self._timing.terminate_after_s:
                await self._modal.cancel(named.call, terminate=True)
            elif for_s >= self._timing.cancel_after_s or (watch is not None and watch.waits):
                await self._modal.cancel(named.call, terminate=False)
        except (modal.exception.NotFoundError, modal.exception.InvalidError):
            # It is gone, which is what was wished.
            return

    def handle_of(self, scheduler_run: str) -> Handle | None:
        """The handle of the call that a runner says it is: `CALL/ATTEMPT/GPU`."""
        call, attempt, gpu = (*scheduler_run.split("/"), "", "", "")[:3]
        named = _Named.parsed(call, attempt, gpu)
        return None if named is None else named.handle

    def link_of(self, handle: Handle) -> str | None:
        """Modal's page of a call."""
        named = _Named.of(handle)
        return None if named is None else f"https://modal.com/id/{named.call}"

    async def close(self) -> None:
        """Watch no more; calls go on."""
        calls, receivers = list(self._calls.values()), list(self._receivers.values())
        self._calls.clear()
        self._receivers.clear()
        await asyncio.gather(*(one.close() for one in calls), *(one.close() for one in receivers))
        await self._modal.close()

    # --- looking ------------------------------------------------------------------------------------------------

    async def poll(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """What was heard of each call; asked for where it is new here, or where nothing was heard for a while."""
        named = {handle: _Named.of(handle) for handle in handles}
        asked_before = time.monotonic() - self._timing.probe_s
        watches = {one: self._watch(one) for one in named.values() if one is not None and one.attempt not in self._over}
        due = [watch for watch in watches.values() if watch.ended is None and watch.asked_at <= asked_before]
        await asyncio.gather(*(watch.look() for watch in due))
        return {
            handle: _NO_RUN if one is None else self._observation(one, watches[one]) if one in watches else _OVER
            for handle, one in named.items()
        }

    def _watch(self, named: _Named) -> CallWatch:
        watch = self._calls.get(named)
        if watch is None:
            watch = CallWatch(self._modal, named.call, self._receiver(named.attempt), lambda: self._look())
            self._calls[named] = watch
        return watch

    def _receiver(self, attempt: str) -> Receiver:
        receiver = self._receivers.get(attempt)
        if receiver is None:
            run_id = attempt.partition("-")[0]
            folder = self._root / attempt
            receiver = Receiver(self._modal, attempt, folder, lambda: self._ring(run_id))
            self._receivers[attempt] = receiver
        return receiver

    def _observation(self, named: _Named, watch: CallWatch) -> Observation:
        url = self.link_of(named.handle)
        if watch.ended is not None:
            seen = watch.ended
        elif watch.trouble:
            seen = Observation(Sighting.UNKNOWN, "Modal can't be asked at the moment")
        elif watch.receiver.begun:
            seen = Observation(Sighting.RUNNING)
        else:
            others = self._waiting(named.gpu.partition(":")[0]) - 1
            before = f", {others} more of this bot's runs wait too" if others > 0 else ""
            seen = Observation(Sighting.PENDING, f"waits for a container with {named.gpu} at Modal{before}")
        return Observation(seen.sighting, seen.detail, url, seen.never_ran, seen.ending)

    # --- the spool ----------------------------------------------------------------------------------------------

    def on_news(self, ring: Callable[[str], None]) -> None:
        """Ring for each lot of items."""
        self._ring = ring

    def on_change(self, look: Callable[[], None]) -> None:
        """Look at the end of each call."""
        self._look = look

    async def fetch(self, run: Run, after: int) -> Sequence[Event]:
        """The next events that have come, at most 500."""
        attempt = _attempt(run)
        if attempt in self._over or (run.status.final and attempt not in self._receivers):
            return []
        if not self._receiver(attempt).begun:
            # What lies there is of an earlier life, and about to be written anew.
            return []
        reader = self._readers.setdefault(attempt, SpoolReader(self._root / attempt))
        return await asyncio.to_thread(reader.read, after)

    async def artifact(self, run: Run, stored: str) -> bytes | None:
        """A file that has come, at most 16 MiB."""
        return await asyncio.to_thread(SpoolFolder(self._root / _attempt(run)).artifact, stored, MOST_FILE_BYTES)

    async def discard(self, run: Run) -> bool:
        """Forget the attempt, here and at Modal, so that it never begins; False while its container lives."""
        attempt = _attempt(run)
        if not await self._modal.put_once(attempt, _FORBIDDEN):
            call = call_in(await self._modal.value(attempt))
            if call and await self._lives(call):
                return False
        self._forget(attempt)
        for named in [named for named in self._calls if named.attempt == attempt]:
            self._stops.pop(named.call, None)
            await self._calls.pop(named).close()
        receiver = self._receivers.pop(attempt, None)
        if receiver is not None:
            await receiver.close()
        await self._modal.clear(attempt)
        self._readers.pop(attempt, None)
        await asyncio.to_thread(shutil.rmtree, self._root / attempt, ignore_errors=True)
        return True

    def _forget(self, attempt: str) -> None:
        """Nothing of it is watched any more, whoever asks a moment too late."""
        self._over[attempt] = None
        while len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]

    async def _lives(self, call: str) -> bool:
        try:
            return await self._modal.output(call, 0.0) is None
        except (ExpiredError, modal.exception.NotFoundError, modal.exception.InvalidError):
            return False

    async def left(self) -> Collection[tuple[str, int]]:
        """Run and attempt of every spool that is here."""
        return await asyncio.to_thread(lambda: attempts_below(self._root) if self._root.is_dir() else [])


def _attempt(run: Run) -> str:
    return f"{run.id}-{run.attempt}"
