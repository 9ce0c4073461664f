"""What is heard of runs at Modal: a long request for each call's end, and one for each attempt's items.

Called by `launcher`. Both requests return at the moment there is something, so that a line is here as soon as Modal has
it, and an end is known at once. Nothing here survives a restart or needs to: Modal has it all, nothing is taken out
before a run is over, and it is asked again from the first item on. Limits: two requests lie open at Modal for each run
under way.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modal.exception

from cluster_bot.launchers.modal_functions.connection import OUTAGES, ExpiredError, Modal, Output
from cluster_bot.launchers.modal_functions.spooling import SpoolWriter
from cluster_bot.log import get_logger
from cluster_bot.runs.run import Observation, Reason, Sighting

log = get_logger(__name__)

# How long a request lies open; what is in between may cut what is silent for longer.
_WAIT_S = 30.0
_PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
# How long a look may take before it counts as an outage.
_LOOK_S = 5.0

_NOT_KNOWN = Observation(Sighting.MISSING, "Modal does not know this call any more")
_EXPIRED = Observation(Sighting.MISSING, "Modal keeps the result of this call no longer")
# What a process ends with that the kernel killed, as it does with who takes too much memory.
_KILLED = 137
_EVICTED = "Modal ended the container because it took more memory than the machine has"
_ENDS = {
    "success": Observation(Sighting.FINISHED, "its container ended and said nothing of the program's end"),
    "terminated": Observation(Sighting.FINISHED, "the call was cancelled at Modal", ending=Reason.CANCELLED_OUTSIDE),
    "timeout": Observation(Sighting.FINISHED, "Modal's own limit for the container was over", ending=Reason.TIME_LIMIT),
    "internal_failure": Observation(Sighting.FINISHED, "Modal lost the container, or ended it"),
    "kernel_oom_kill": Observation(Sighting.FINISHED, _EVICTED, ending=Reason.OUT_OF_MEMORY),
    "memory_manager_eviction": Observation(Sighting.FINISHED, _EVICTED, ending=Reason.OUT_OF_MEMORY),
    "memory_thrashing_eviction": Observation(Sighting.FINISHED, _EVICTED, ending=Reason.OUT_OF_MEMORY),
}


def call_in(claim: str | None) -> str:
    """The call that won a claim, "" where none did: nobody has, or the launcher has forbidden the attempt."""
    call, slash, _ = (claim or "").partition("/")
    return call if slash else ""


def meaning(output: Output) -> Observation:
    """What a call's end means for a run whose outcome never arrives."""
    known = _ENDS.get("kernel_oom_kill" if output.exit_code == _KILLED else output.status)
    if known is not None:
        return known
    said = output.exception.strip()
    detail = f"the container could not do the job: {said}" if said else "the container could not do the job"
    return Observation(Sighting.FINISHED, detail, ending=Reason.SETUP_ERROR)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: how old the last word from Modal may be before `poll` asks whether anybody is there; how long after the
    wish a container that does not stop is cancelled, and then ended."""

    probe_s: float = 10.0
    cancel_after_s: float = 4.0
    terminate_after_s: float = 12.0


class Receiver:
    """One attempt's items, written to `folder` as they come; `heard()` is called for each lot."""

    def __init__(self, modal: Modal, partition: str, folder: Path, heard: Callable[[], None]) -> None:
        self._modal, self.partition = modal, partition
        self._folder, self._heard = folder, heard
        self._writer: SpoolWriter | None = None
        self._writing = asyncio.Lock()
        self._entry = ""
        self._closing = asyncio.Event()
        self.begun = False
        self._task = asyncio.create_task(self._receive(), name=f"modal-items-{partition}")

    async def drain(self) -> None:
        """Take what is there; raises what `Modal` raises."""
        while await self._take(0.0):
            pass

    async def close(self) -> None:
        """Listen no more."""
        self._closing.set()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _receive(self) -> None:
        failures = 0
        while True:
            try:
                await self._take(_WAIT_S)
                failures = 0
            except Exception as error:
                # Whatever it is, asking again is all there is to do, and the call's end says when it is over.
                level = log.info if isinstance(error, OUTAGES) else log.exception
                level("items not read: %s", type(error).__name__, extra={"action": "modal_items_failed"})
                await pause(self._closing, failures)
                failures += 1

    async def _take(self, wait_s: float) -> bool:
        after = self._entry
        items = await self._modal.items(self.partition, after, wait_s)
        async with self._writing:
            if self._closing.is_set() or not items:
                return False
            if after != self._entry:
                # Somebody else took them meanwhile.
                return True
            for item in items:
                await to_its_end(asyncio.to_thread(self._add, item.content))
                self._entry = item.entry
        self.begun = True
        self._heard()
        return True

    def _add(self, content: bytes) -> None:
        if self._writer is None:
            self._writer = SpoolWriter(self._folder)
        self._writer.add(content)


class CallWatch:
    """One call, until it has ended and all its attempt's items are here; `changed()` is called then.

    `ended` is what that means, None before; `trouble` whether Modal could not be asked the last time.
    """

    def __init__(self, modal: Modal, call: str, receiver: Receiver, changed: Callable[[], None]) -> None:
        self._modal, self._call, self.receiver, self._changed = modal, call, receiver, changed
        self._closing = asyncio.Event()
        self.ended: Observation | None = None
        self.trouble = False
        self.asked_at = 0.0
        self._task = asyncio.create_task(self._follow(), name=f"modal-call-{call}")

    @property
    def waits(self) -> bool:
        """Whether nothing was heard of it yet, so that it has no container."""
        return self.ended is None and not self.receiver.begun

    async def look(self) -> None:
        """Ask now, without waiting for anything to happen; what is there of its items is taken, too."""
        if self.ended is not None:
            return
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._ask(0.0)
                if self.ended is None and not self.trouble:
                    await self.receiver.drain()
        except OUTAGES:
            self.trouble = True

    async def close(self) -> None:
        """Watch no more."""
        self._closing.set()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        failures = 0
        while self.ended is None:
            await self._ask(_WAIT_S)
            if self.trouble:
                await pause(self._closing, failures)
                failures += 1
            else:
                failures = 0
        self._changed()

    async def _ask(self, wait_s: float) -> None:
        try:
            ended = await self._end(wait_s)
            if ended is not None:
                # In this order: whoever hears of the end finds everything that was said before it.
                await self.receiver.drain()
                self.ended = ended
            self.trouble = False
        except Exception as error:
            # A border: what keeps Modal from being asked, or from being understood, says nothing of the run.
            level = log.info if isinstance(error, OUTAGES) else log.exception
            level("call not looked at: %s", type(error).__name__, extra={"action": "modal_look_failed"})
            self.trouble = True
        self.asked_at = time.monotonic()

    async def _end(self, wait_s: float) -> Observation | None:
        # Two may be asking at once, and one of them may find that it is another call.
        call = self._call
        try:
            output = await self._modal.output(call, wait_s)
        except ExpiredError:
            return _EXPIRED
        except (modal.exception.NotFoundError, modal.exception.InvalidError):
            return _NOT_KNOWN
        if output is not None and output.status == "success":
            winner = call_in(await self._modal.value(self.receiver.partition))
            if winner not in ("", call):
                # It was called twice, and the other one has the program.
                self._call = winner
                return None
        return None if output is None else meaning(output)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do it wholly, even if nobody waits for it any more: a thread can't be stopped, and must not be overtaken."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def pause(closing: asyncio.Event, failures: int) -> None:
    """Wait the longer the more failures there were in a row, or until it is closed."""
    try:
        async with asyncio.timeout(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)]):
            await closing.wait()
    except TimeoutError:
        return
