"""What front ends may ask for: submit a run, cancel one, see what is there.

Called by the commands; it writes wishes into the store and hints at them, and never talks to a launcher about a run:
moving runs forward is the follower's.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from cluster_bot.errors import StaleRunError, UserError
from cluster_bot.log import get_logger
from cluster_bot.meter import RUNS_ADMITTED, Meter
from cluster_bot.runs.advance import StopWished, advance
from cluster_bot.runs.health import Reachable
from cluster_bot.runs.knobs import MANY
from cluster_bot.runs.orders import InForce
from cluster_bot.runs.ports import Admission, Discerning, Gate, GpuOffer, Hints, Launcher, Store, Submission
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.rules import Limits, Usage
from cluster_bot.runs.run import Member, Reason, Run
from cluster_bot.runs.spec import Auto, RunSpec, Where
from cluster_bot.scheduling.choosing import Prefer, Waits, candidates, expected_s, listed, ranked, why
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.quiet import Endings
from cluster_bot.scheduling.reading import Reading

log = get_logger(__name__)

UNLIMITED = Limits(live_per_member=MANY, live_in_all=MANY)
# How long a launcher may take to say what it offers or could start, where others are asked beside it.
ANSWER_S = 2.0


def _nobody(run: Run) -> bool:
    return False


class Scheduler:
    """The face of the house for front ends. Raises UserError for whatever a member can mend."""

    def __init__(
        self,
        store: Store,
        launchers: Collection[Launcher],
        *,
        wishes: Hints,
        news: Hints,
        desk: Desk,
        clock: Callable[[], float] = time.time,
        meter: Meter | None = None,
        waits: Waits | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._store = store
        self._hints = (wishes, news)
        self._launchers = {launcher.name: launcher for launcher in launchers}
        self._gate = gate
        self._clock = clock
        self._meter = meter or Meter()
        self._waits = waits or Waits()
        self.desk = desk
        self.reading = Reading(store)
        self.endings = Endings(store, news)

    @property
    def launchers(self) -> Sequence[str]:
        """Names of the launchers that are switched on."""
        return tuple(self._launchers)

    async def submit(self, submission: Submission, *, trial: bool = False) -> Run:
        """Admit a run; from the return on it survives anything. The same request again returns the same run.

        A `trial` is the bot's own, to see whether a launcher works: no order, limit or gate is asked about it.
        """
        if submission.spec.launcher not in self._launchers:
            raise refuse(Refusal.UNKNOWN_LAUNCHER, launcher=submission.spec.launcher)
        launcher = self._launchers[submission.spec.launcher]
        if trial:
            if isinstance(launcher, Discerning):
                await launcher.check(submission.spec)
            admission = await self._store.admit(submission, UNLIMITED, self._clock())
        else:
            admission = await self._admit_member(submission, launcher)
        run = admission.run
        if admission.fresh:
            self._meter.count(RUNS_ADMITTED, run.launcher)
        log.info(
            "run admitted", extra={"action": "admit", "run": run.id, "number": run.number, "fresh": admission.fresh}
        )
        self._hint(run)
        return run

    async def _admit_member(self, submission: Submission, launcher: Launcher) -> Admission:
        """Admit what orders, limits and the gate let pass.

        The gate is asked last: who is refused in any case must not keep it busy.
        """
        orders = await self.desk.in_force(submission.scope)
        limits = self.desk.limits(orders, submission.owner.id, submission.groups)
        try:
            submission = self._within_orders(submission, orders)
            for where in submission.spec.order:
                limits.check_gpu(where.gpu)
            if isinstance(launcher, Discerning):
                await launcher.check(submission.spec)
            if self._gate is not None:
                limits.check(await self._store.usage(submission.owner.id, self._clock()), submission.spec)
        except UserError as refusal:
            try:
                # No run is allowed now, but a request that was admitted before still finds its own.
                return await self._store.admit(submission, replace(limits, live_per_member=0), self._clock())
            except UserError:
                raise refusal from None
        if self._gate is not None:
            await self._gate.check(submission)
            # A checker takes its time, and whoever paused, banned or drained meanwhile was told that nothing new comes.
            submission = self._within_orders(submission, await self.desk.in_force(submission.scope))
        return await self._store.admit(submission, limits, self._clock())

    def _within_orders(self, submission: Submission, orders: InForce) -> Submission:
        now = self._clock()
        orders.check_member(submission.owner.id, now)
        orders.check_open(now)
        return replace(submission, spec=orders.open_part(submission.spec, now))

    async def usage_of(self, member: Member) -> Usage:
        """What a member has of the bot at the moment."""
        return await self._store.usage(member.id, self._clock())

    async def cancel(self, number: int, by: Member, *, rules_over: Callable[[Run], bool] = _nobody) -> Run:
        """Wish run #number to end; returns it as it then stands.

        Only its owner may, and who rules over it: the front end knows its admins and how far their word goes.
        """
        run = await self._store.by_number(number)
        if run is None:
            raise refuse(Refusal.UNKNOWN_RUN, number=number)
        if run.owner.id != by.id and not rules_over(run):
            raise refuse(Refusal.NOT_YOURS, number=number)
        reason = Reason.CANCELLED_BY_USER if run.owner.id == by.id else Reason.CANCELLED_BY_ADMIN
        while True:
            if run.status.final:
                raise refuse(Refusal.ALREADY_OVER, number=number)
            wished = advance(run, StopWished(reason, by.name), self._clock(), self.desk.rules)
            if wished is run:
                return run
            try:
                run = await self._store.save(wished)
                break
            except StaleRunError:
                # The follower moved it meanwhile; wish again of the run as it is now.
                run = await self._store.load(run.id)
        log.info("stop wished", extra={"action": "cancel", "run": run.id, "reason": reason.value})
        self._hint(run)
        return run

    def _hint(self, run: Run) -> None:
        for hints in self._hints:
            hints.give(run.id)

    async def offers(self, launcher: str, orders: InForce | None = None) -> Sequence[GpuOffer]:
        """What a launcher has on offer now; nothing where there is no such launcher.

        Here and below, with `orders` what these pause is marked as paused.
        """
        one = self._launchers.get(launcher)
        return () if one is None else self._marked(launcher, await one.availability(), orders)

    async def all_offers(self, orders: InForce | None = None) -> Mapping[str, Sequence[GpuOffer]]:
        """What each launcher has on offer now, in the order they were given; without those that do not answer."""
        asked = [self._offers_in_time(one) for one in self._launchers.values()]
        answers = zip(self._launchers, await asyncio.gather(*asked), strict=True)
        return {name: self._marked(name, offers, orders) for name, offers in answers if offers is not None}

    def _marked(self, launcher: str, offers: Sequence[GpuOffer], orders: InForce | None) -> Sequence[GpuOffer]:
        if orders is None:
            return offers
        now = self._clock()
        return [
            replace(one, paused=one.paused or orders.paused(Where(launcher, one.gpu), now) is not None)
            for one in offers
        ]

    async def board(
        self, orders: InForce | None = None
    ) -> Mapping[str, Sequence[tuple[GpuOffer, float | None]] | None]:
        """What each launcher has on offer and how soon a run would begin; None for one that does not answer."""
        offers = await self.all_offers(orders)
        return {
            name: [(one, expected_s(Where(name, one.gpu), one, self._waits)) for one in offers[name]]
            if name in offers
            else None
            for name in self._launchers
        }

    async def troubles(self) -> Mapping[str, str]:
        """Why launchers' schedulers take no runs now; those that would are left out, and "" is said by silent ones."""
        asked = {name: one for name, one in self._launchers.items() if isinstance(one, Reachable)}
        said = await asyncio.gather(*(self._trouble_in_time(one) for one in asked.values()))
        return {name: trouble or "" for name, trouble in zip(asked, said, strict=True) if trouble != ""}

    async def _trouble_in_time(self, launcher: Reachable) -> str | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await launcher.trouble()
        except Exception:
            # A border, as below: a launcher that can't even say how it is must not keep the others from being shown.
            log.warning("health not known", exc_info=True, extra={"action": "health_unknown"})
            return None

    async def offers_in_time(self, launcher: str) -> Sequence[GpuOffer] | None:
        """What a launcher that is switched on has on offer; None where it does not answer soon enough."""
        one = self._launchers.get(launcher)
        return None if one is None else await self._offers_in_time(one)

    async def _offers_in_time(self, launcher: Launcher) -> Sequence[GpuOffer] | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await launcher.availability()
        except Exception:
            # One that cannot be asked must not keep the others from being chosen.
            log.warning("no offers", exc_info=True, extra={"action": "offers_failed", "launcher": launcher.name})
            return None

    async def names_gpus(self) -> bool:
        """Whether a launcher offers GPUs by name, so that there is something to choose; one that is silent may."""
        offers = await self.all_offers()
        return any(one not in offers or any(offer.gpu is not None for offer in offers[one]) for one in self._launchers)

    async def choose(
        self, spec: RunSpec, prefer: Prefer, limits: Limits | None = None, orders: InForce | None = None
    ) -> RunSpec:
        """`spec` with the launchers that offer its GPU, the best first, and why; raises UserError where none does.

        With `limits`, only GPUs that these allow.
        """
        offers = await self.all_offers(orders)
        offering = candidates(spec.gpu or "", offers, self._waits)
        found = [one for one in offering if limits is None or limits.allows(one.where.gpu)]
        if not found:
            if limits is not None and offering:
                limits.check_gpu(offering[0].where.gpu)
            if orders is not None:
                self._check_open(spec, offers, orders)
            offered = listed(offers)
            raise refuse(Refusal.GPU_NOT_ON_OFFER, offered=offered) if offered else refuse(Refusal.NOTHING_ON_OFFER)
        refusals = await asyncio.gather(*(self.refusal_at(one.where, spec) for one in found))
        order = ranked((one for one, refusal in zip(found, refusals, strict=True) if refusal is None), prefer)
        if not order:
            raise next(refusal for refusal in refusals if refusal is not None)
        first, *others = (one.where for one in order)
        auto = Auto(spec.gpu or "", prefer)
        reason = why(order, prefer)
        return replace(spec, launcher=first.launcher, gpu=first.gpu, others=tuple(others), why=reason, auto=auto)

    def _check_open(self, spec: RunSpec, offers: Mapping[str, Sequence[GpuOffer]], orders: InForce) -> None:
        """Refuse where the GPU is on offer, and an admin has paused it: "nobody has it" would send people away."""
        as_if_open = {name: [replace(one, paused=False) for one in offered] for name, offered in offers.items()}
        for one in candidates(spec.gpu or "", as_if_open, self._waits):
            orders.open_part(replace(spec, launcher=one.where.launcher, gpu=one.where.gpu, others=()), self._clock())

    async def refusal_at(self, where: Where, spec: RunSpec) -> UserError | None:
        """Why the launcher could never start it; None where it could, or does not say in time."""
        launcher = self._launchers[where.launcher]
        if not isinstance(launcher, Discerning):
            return None
        try:
            async with asyncio.timeout(ANSWER_S):
                await launcher.check(replace(spec, launcher=where.launcher, gpu=where.gpu))
        except UserError as refusal:
            return refusal
        except Exception:
            # What it could not say now it says when it is to start the run, which then goes on at the next.
            log.warning("not checked", exc_info=True, extra={"action": "check_failed", "launcher": launcher.name})
        return None
