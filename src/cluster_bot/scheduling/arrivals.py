"""Machines that people lend: asked for, watched for until they are there, tried, and reported.

Made by the composition root; the commands invite, list and remove through it. What is expected is in the store, so a
restart goes on watching. One task a machine; GitHub is asked only while one is expected, every few seconds. Each thing
that is told may be told again after a crash: whoever tells makes it once.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from cluster_bot.errors import UserError
from cluster_bot.log import get_logger
from cluster_bot.runs.machines import Box, Boxes, Expected, ExpectedBook, on_machine
from cluster_bot.runs.ports import Submission
from cluster_bot.runs.refusals import Refusal
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.probe import probe
from cluster_bot.scheduling.quiet import quiet_origin
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.scheduling.workers import Bell, Workers

log = get_logger(__name__)

# How often one is looked for: soon after the donor was told how, when they are at it, and later.
SOON_S, LATER_S = 3.0, 10.0
AT_IT_S = 600.0
# How long one look at a run that is under way lasts at most.
A_LOOK_S = 600.0
MOST_OUTPUT = 3000


class Teller(Protocol):
    """Who tells people how it goes; each may be called again with the same."""

    async def online(self, one: Expected, box: Box) -> None:
        """It is there."""

    async def gone(self, one: Expected) -> None:
        """One for a single run is not listed any more: it came and went, or somebody removed it."""

    async def tested(self, one: Expected, run: Run, output: str) -> None:
        """The run that tried it is over."""

    async def not_tested(self, one: Expected, why: str) -> None:
        """It could not be tried, for the reason that the sentence says."""

    async def given_up(self, one: Expected) -> None:
        """It did not come in time."""


class Arrivals:
    """`boxes` are the machines of `launcher`; `soon_s` is between two looks while a donor is likely to be at it."""

    def __init__(
        self,
        scheduler: Scheduler,
        launcher: str,
        boxes: Boxes,
        book: ExpectedBook,
        *,
        soon_s: float = SOON_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._scheduler = scheduler
        self._launcher = launcher
        self._book = book
        self._soon_s = soon_s
        self._clock = clock
        self._workers = Workers("arrival", self._work)
        self._teller: Teller | None = None
        self.boxes = boxes

    async def run(self, teller: Teller) -> None:
        """Watch until cancelled, first of all for what was expected before."""
        self._teller = teller
        async with asyncio.TaskGroup() as group:
            self._workers.attach(group)
            bell = Bell()
            while True:
                try:
                    for one in await self._book.all():
                        self._workers.wake(one.id)
                    await bell.wait()
                except Exception:
                    # The border of the loop, as in the follower: a database that is away for a moment.
                    log.exception("look failed", extra={"action": "look_failed", "launcher": "arrivals"})
                    await bell.wait(LATER_S)

    # --- asked by commands --------------------------------------------------------------------------------------

    @property
    def launcher(self) -> str:
        """Whose machines they are."""
        return self._launcher

    async def expect(self, one: Expected) -> None:
        """Remember a machine, in the place of one with its name; `watch` begins to look for it."""
        for other in await self._book.all():
            if other.name.lower() == one.name.lower() and other.id != one.id:
                await self._book.drop(other.id)
        await self._book.put(one)

    def watch(self, one: Expected) -> None:
        """Begin to look for a machine that was remembered."""
        self._workers.wake(one.id)

    async def remove(self, name: str) -> Box | None:
        """Take a machine away, and look for it no more; None where it was expected alone. Raises UserError."""
        expected = [one for one in await self._book.all() if one.name.lower() == name.strip().lower()]
        try:
            box = await self.boxes.remove(name)
        except UserError as refusal:
            if not expected or refusal.reason != Refusal.NO_SUCH_MACHINE:
                raise
            box = None
        for one in expected:
            await self._book.drop(one.id)
        return box

    # --- one machine --------------------------------------------------------------------------------------------

    async def _work(self, id: str, bell: Bell) -> None:
        assert self._teller is not None, "workers begin with `run`"
        one = await self._kept(id)
        if one is not None and one.online_at is None:
            one = await self._appeared(one, bell, self._teller)
        if one is None:
            return
        if one.test and not await self._tested(one, self._teller):
            return
        await self._book.drop(id)

    async def _kept(self, id: str) -> Expected | None:
        return next((one for one in await self._book.all() if one.id == id), None)

    async def _appeared(self, one: Expected, bell: Bell, teller: Teller) -> Expected | None:
        """The machine once it is there; None where nothing more is to be done about it."""
        while (kept := await self._kept(one.id)) is not None:
            one, now = kept, self._clock()
            try:
                box = await self.boxes.sight(one.name)
                gone = box is None and one.once and one.listed
            except UserError as refusal:
                log.info("not seen: %s", refusal.message, extra={"action": "machine_unseen", "machine": one.name})
                box, gone = None, False
            if box is not None and box.online:
                there = replace(one, online_at=now, listed=True)
                await teller.online(there, box)
                await self._book.put(there)
                return there
            if box is not None and not one.listed:
                await self._book.put(replace(one, listed=True))
            if gone:
                await teller.gone(one)
                await self._book.drop(one.id)
                return None
            if now > one.until:
                await self._give_up(one, teller)
                return None
            await bell.wait(self._soon_s if one.until - now > 3600 - AT_IT_S else max(self._soon_s, LATER_S))
        return None

    async def _give_up(self, one: Expected, teller: Teller) -> None:
        if one.once:
            # Else what the donor was given could be used until GitHub forgets it, a day later.
            try:
                await self.boxes.remove(one.name)
            except UserError as refusal:
                log.warning("not removed: %s", refusal.message, extra={"action": "machine_left", "machine": one.name})
        await teller.given_up(one)
        await self._book.drop(one.id)

    async def _tested(self, one: Expected, teller: Teller) -> bool:
        """Run the program that tries it; False where somebody let go of the machine meanwhile."""
        if one.run_id is None:
            spec = probe(self._launcher, on_machine(one.gpu, one.name))
            origin = quiet_origin(f"machine:{one.id}", one.scope or None)
            try:
                run = await self._scheduler.submit(Submission(spec, one.by, origin, scope=one.scope), trial=True)
            except UserError as refusal:
                await teller.not_tested(one, refusal.message)
                return True
            one = replace(one, run_id=run.id)
            await self._book.put(one)
        assert one.run_id is not None
        while not (run := await self._scheduler.endings.over(one.run_id, A_LOOK_S)).status.final:
            if await self._kept(one.id) is None:
                return False
        async with self._scheduler.reading.log(run, MOST_OUTPUT) as output:
            await teller.tested(one, run, output.content.decode("utf-8", "replace"))
        return True
