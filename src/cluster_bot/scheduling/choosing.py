"""Where a run goes when its member leaves that to the bot: an order of launchers, and a sentence that says why.

Called by the scheduler with what the launchers offer. Pure but for `Waits`, which the followers feed and which is only
a better guess: it begins anew with each start. What is expected here is a guess throughout; the order that comes of it
decides where a run is tried first, and never whether it runs.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.spec import Where

# How many waits are remembered, and from how many on they are believed.
WAITS_KEPT, WAITS_ENOUGH = 20, 3
# What each run that waits before ours is thought to take.
TYPICAL_RUN_S = 60.0
# At how many a run is tried, and how many of these the reason names beside the first.
MOST_TRIED, MOST_NAMED = 8, 2


class Prefer(StrEnum):
    """What the member wants most."""

    SOONEST = "soonest"
    CHEAPEST = "cheapest"


class Waits:
    """How long runs of this bot waited for their machine, by launcher and GPU."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], deque[float]] = {}

    def saw(self, where: Where, wait_s: float) -> None:
        """A run that was launched there began after `wait_s` seconds."""
        if where.gpu is not None:
            self._seen.setdefault(_key(where), deque(maxlen=WAITS_KEPT)).append(max(0.0, wait_s))

    def usual(self, where: Where) -> float | None:
        """The median of the last waits, None where too few were seen."""
        seen = self._seen.get(_key(where), ())
        return median(seen) if len(seen) >= WAITS_ENOUGH else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a run could go, and what it would find there.

    `starts_in_s` is None where nobody knows; `absent` says that the launcher has no such machine at the moment; `price`
    is US dollars per second.
    """

    where: Where
    starts_in_s: float | None
    waiting: int
    absent: bool
    price: float


def candidates(wanted: str, offers: Mapping[str, Sequence[GpuOffer]], waits: Waits) -> list[Candidate]:
    """Everybody who offers the GPU `wanted`, by name or with a count as in `H100:2`, and is not paused."""
    name, _, count = (part.strip() for part in wanted.partition(":"))
    found = []
    for launcher, offered in offers.items():
        for one in offered:
            if one.gpu is not None and not one.paused and _fits(name, one.gpu):
                where = Where(launcher, f"{one.gpu}:{count}" if count else one.gpu)
                found.append(_candidate(where, one, count, waits))
    return found


def ranked(found: Iterable[Candidate], prefer: Prefer) -> list[Candidate]:
    """The best first; what is equally good stays in the order given, which is the launchers' own."""

    def soonest(one: Candidate) -> tuple[float, ...]:
        return (one.absent, one.starts_in_s is None, one.starts_in_s or 0.0, one.price)

    def cheapest(one: Candidate) -> tuple[float, ...]:
        return (one.absent, one.price, one.starts_in_s is None, one.starts_in_s or 0.0)

    return sorted(found, key=soonest if prefer is Prefer.SOONEST else cheapest)[:MOST_TRIED]


def why(order: Sequence[Candidate], prefer: Prefer) -> str:
    """The sentence that tells the member why the first of `order` is the first."""
    first, *others = order
    soonest = prefer is Prefer.SOONEST
    name, gpu = first.where.launcher, str(first.where.gpu)
    said = _when(first) if soonest else _cost(first)
    if not others:
        return f"auto chose {name}, the only one with {_a(gpu)}: it {said}."
    more = [f"{_at(one, first)} {_when_briefly(one) if soonest else _cost_briefly(one)}" for one in others[:MOST_NAMED]]
    return f"auto chose {name}: {_a(gpu)} there {', '.join([said, *more])}."


def listed(offers: Mapping[str, Sequence[GpuOffer]], most: int = 25) -> str:
    """The GPUs on offer, each with its launchers, for a sentence; "" where there are none."""
    words = [f"`{gpu}` ({', '.join(one for one, _ in there)})" for gpu, there in merged(offers).items()]
    return ", ".join(words[:most]) + (" …" if len(words) > most else "")


def merged(offers: Mapping[str, Sequence[GpuOffer]]) -> dict[str, list[tuple[str, GpuOffer]]]:
    """What is on offer and not paused, by GPU: the launchers that have it. Names that differ in case are one."""
    spelled: dict[str, str] = {}
    found: dict[str, list[tuple[str, GpuOffer]]] = {}
    for launcher, offered in offers.items():
        for one in offered:
            if one.gpu is not None and not one.paused:
                found.setdefault(spelled.setdefault(one.gpu.lower(), one.gpu), []).append((launcher, one))
    return found


def _fits(wanted: str, offered: str) -> bool:
    """Whether an offer is what was asked for: `A100` is also a wish for `A100-80GB`, and `A10` is none for `A100`."""
    low, there = wanted.lower(), offered.lower()
    return bool(low) and (there == low or there.startswith(f"{low}-"))


def expected_s(where: Where, one: GpuOffer, waits: Waits) -> float | None:
    """In about how many seconds a run would begin there; None where nobody knows, or there is no machine."""
    return _candidate(where, one, "", waits).starts_in_s


def _candidate(where: Where, one: GpuOffer, count: str, waits: Waits) -> Candidate:
    usual = waits.usual(where)
    absent = one.machines == 0 and usual is None
    alone = one.starts_in_s if usual is None else usual
    queue_s = one.waiting * TYPICAL_RUN_S / max(1, one.machines or 1)
    price = (one.price or 0.0) * (int(count) if count.isdecimal() and len(count) < 4 else 1)
    return Candidate(where, None if absent or alone is None else alone + queue_s, one.waiting, absent, price)


def _when(one: Candidate) -> str:
    if one.absent:
        return "has to wait for a machine to appear"
    return "starts nobody knows when" if one.starts_in_s is None else f"is expected {_when_briefly(one)}"


def _when_briefly(one: Candidate) -> str:
    if one.absent:
        return "there is no machine now"
    if one.starts_in_s is None:
        return "nobody knows when"
    return f"in about {_duration(one.starts_in_s)}" + (f" ({one.waiting} waiting)" if one.waiting else "")


def _cost(one: Candidate) -> str:
    cost = f"costs {_cost_briefly(one)}"
    return f"{cost}, but has to wait for a machine to appear" if one.absent else cost


def _cost_briefly(one: Candidate) -> str:
    return f"{dollars(one.price)} a second" if one.price else "nothing"


def _at(one: Candidate, first: Candidate) -> str:
    """Where another would be; with its GPU where that has another name."""
    there = f"at {one.where.launcher}"
    return there if one.where.gpu == first.where.gpu else f"{one.where.gpu} {there}"


def dollars(price: float) -> str:
    """A price per second: most are far below a cent."""
    return f"${price:.6f}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{round(minutes / 60)} h"


def _a(gpu: str) -> str:
    """With its article, as the letters are said."""
    return f"{'an' if gpu[:1].upper() in 'AEFHILMNORSX' else 'a'} {gpu}"


def _key(where: Where) -> tuple[str, str]:
    return where.launcher, (where.gpu or "").lower()
