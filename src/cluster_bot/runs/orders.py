"""What admins decide while the bot works: who may not, where not, what is paused, which settings are others.

An order holds for a scope: one community of the front end's (on Discord: a server's id), or EVERYWHERE. The orders of
a scope are one document in the database; `InForce` is what two of them together mean for one submission. Pure: read and
written by `scheduling.desk`, kept by the store's `OrderBook`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from cluster_bot.runs.refusals import Refusal, ended, refuse
from cluster_bot.runs.rules import Limits, lower
from cluster_bot.runs.run import Member
from cluster_bot.runs.shares import Share, Shares
from cluster_bot.runs.spec import RunSpec, Where

EVERYWHERE = ""
ANY = "*"
# Of a reason that an admin gave, what members are shown.
MOST_WHY = 200


@dataclass(frozen=True, slots=True)
class Decided:
    """Who decided something, when (seconds since the epoch), until when (None: for good) and why, "" unsaid.

    `why` is ready for the front end to show.
    `drain`: a pause that waits for the last run, because the bot is to be stopped.
    """

    by: str
    at: float
    until: float | None = None
    why: str = ""
    drain: bool = False

    def holds(self, now: float) -> bool:
        """Whether it is still in force."""
        return self.until is None or now < self.until


def machine(launcher: str | None = None, gpu: str | None = None) -> str:
    """What a pause is of: a launcher, a GPU, one of one, or neither: everything."""
    return f"{(launcher or ANY).strip().lower()}:{_kind(gpu) or ANY}"


def _kind(gpu: str | None) -> str:
    # As in `H100:2`, and as in `H100@machine`.
    return (gpu or "").partition(":")[0].partition("@")[0].strip().lower()


EVERYTHING = machine()


def names_gpu(typed: str) -> bool:
    """Whether that is one GPU's name: no pattern of several, and not the count or the machine alone."""
    kind = _kind(typed)
    return bool(kind) and not set("*?[") & set(kind)


@dataclass(frozen=True, slots=True)
class Verified:
    """The last verification of the schedule: when it began, of what, whether it is over, and who `failed` in the last
    one that is.
    """

    name: str
    at: float
    targets: tuple[Where, ...]
    over: bool = False
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of one scope. Ids are the front end's, as text.

    `pauses` by what `machine` says, `bans` by member, `channels` where runs may be asked for (none: anywhere),
    `admin_roles` whose members are admins too, `log_channel` where the journal is shown, `values` by the names of
    `runs.knobs`, `roles` and `members` other limits than everybody's. `greeted`: the first
    steps were shown, `turned_away`: that it is not served was. `verified` is no order, but what the bot did last on
    its schedule.
    """

    pauses: Mapping[str, Decided] = field(default_factory=dict)
    bans: Mapping[str, Decided] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    admin_roles: tuple[str, ...] = ()
    log_channel: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, Share] = field(default_factory=dict)
    members: Mapping[str, Share] = field(default_factory=dict)
    greeted: bool = False
    turned_away: bool = False
    verified: Verified | None = None

    def paused(self, where: Where, now: float) -> Decided | None:
        """The pause that keeps a run from going there."""
        wider = (EVERYTHING, machine(where.launcher), machine(None, where.gpu), machine(where.launcher, where.gpu))
        found = (self.pauses.get(one) for one in wider)
        return next((one for one in found if one is not None and one.holds(now)), None)

    def at(self, now: float) -> "Orders":
        """Without the pauses and bans that are over."""
        over = any(not one.holds(now) for one in (*self.pauses.values(), *self.bans.values()))
        return replace(self, pauses=_holding(self.pauses, now), bans=_holding(self.bans, now)) if over else self

    def with_pause(self, what: str, pause: Decided | None) -> "Orders":
        """With a pause, or without it."""
        return replace(self, pauses=_with(self.pauses, what, pause))

    def with_ban(self, member: str, ban: Decided | None) -> "Orders":
        """With a ban, or without it."""
        return replace(self, bans=_with(self.bans, member, ban))

    def with_value(self, name: str, value: Any, *, usual: bool = False) -> "Orders":
        """With another value of a setting, or `usual`: with that of the environment again."""
        values = {key: one for key, one in self.values.items() if key != name}
        return replace(self, values=values if usual else {**values, name: value})

    def with_channels(self, channels: tuple[str, ...]) -> "Orders":
        """With other channels in which runs may be asked for."""
        return replace(self, channels=channels)

    def with_admin_role(self, role: str, *, may: bool) -> "Orders":
        """With a role whose members are admins, or without it."""
        return replace(self, admin_roles=(*(one for one in self.admin_roles if one != role), *([role] if may else [])))

    def with_log_channel(self, channel: str) -> "Orders":
        """With another channel for the journal, "" for none."""
        return replace(self, log_channel=channel)

    def with_greeting(self, *, served: bool) -> "Orders":
        """With the first steps shown, or, where it is not `served`, with that."""
        return replace(self, greeted=True) if served else replace(self, turned_away=True)

    def with_share(self, *, role: str | None = None, member: str | None = None, share: Share) -> "Orders":
        """With other limits of a role or a member; an empty share: everybody's again."""
        if role is not None:
            return replace(self, roles=_with(self.roles, role, share or None))
        return replace(self, members=_with(self.members, str(member), share or None))


def _holding(decided: Mapping[str, Decided], now: float) -> dict[str, Decided]:
    return {key: one for key, one in decided.items() if one.holds(now)}


def _with(known: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    rest = {name: one for name, one in known.items() if name != key}
    return rest if value is None else {**rest, key: value}


@dataclass(frozen=True, slots=True)
class InForce:
    """What holds where somebody asks: the orders everywhere, and those of the community that they ask in."""

    everywhere: Orders = field(default_factory=Orders)
    here: Orders = field(default_factory=Orders)

    def check_member(self, member: str, now: float) -> None:
        """Refuse, with UserError, who is banned."""
        for orders in (self.everywhere, self.here):
            ban = orders.bans.get(member)
            if ban is not None and ban.holds(now):
                raise refuse(Refusal.BANNED, until=_until(ban), why=_because(ban))

    def check_open(self, now: float) -> None:
        """Refuse where everything is paused."""
        for orders in (self.everywhere, self.here):
            pause = orders.pauses.get(EVERYTHING)
            if pause is not None and pause.holds(now):
                raise refuse(Refusal.PAUSED, until=_until(pause), why=_because(pause))

    def check_channel(self, channels: Collection[str]) -> None:
        """Refuse a channel in which no runs may be asked for; `channels` are it and what it is part of."""
        if self.here.channels and not set(self.here.channels) & set(channels):
            raise refuse(Refusal.WRONG_CHANNEL, channels=_mentions(self.here.channels))

    def paused(self, where: Where, now: float) -> Decided | None:
        """The pause that keeps a run from going there."""
        return self.everywhere.paused(where, now) or self.here.paused(where, now)

    def open_part(self, spec: RunSpec, now: float) -> RunSpec:
        """The spec without the launchers at which it may not go on; refuses where the first of them is paused."""
        pause = self.paused(spec.order[0], now)
        if pause is not None:
            what = f"`{spec.launcher}`" if spec.gpu is None else f"that GPU of `{spec.launcher}`"
            raise refuse(Refusal.PAUSED_THERE, what=what, until=_until(pause), why=_because(pause))
        others = tuple(one for one in spec.others if self.paused(one, now) is None)
        return spec if len(others) == len(spec.others) else replace(spec, others=others)

    def limits(self, usual: Limits, shares: Shares, member: str, groups: Collection[str]) -> Limits:
        """The limits of a member: orders everywhere come before settings and files, those here can only lower them."""
        own = self.everywhere
        all_of = Shares(
            {**shares.default, **_limits_in(own.values)},
            _merged(shares.groups, own.roles),
            _merged(shares.members, own.members),
        ).of(usual, member, groups)
        there = Shares(_limits_in(self.here.values), self.here.roles, self.here.members)
        return lower(all_of, there.of(all_of, member, groups))


_LIMITS = frozenset(one.name for one in fields(Limits))


def _limits_in(values: Mapping[str, Any]) -> Share:
    return {name: value for name, value in values.items() if name in _LIMITS}


def _merged(below: Mapping[str, Share], above: Mapping[str, Share]) -> dict[str, Share]:
    return {key: {**below.get(key, {}), **above.get(key, {})} for key in (*below, *above)}


def _until(decided: Decided) -> str:
    return "" if decided.until is None else f" until <t:{int(decided.until)}:f>"


def _because(decided: Decided) -> str:
    return f" ({ended(decided.why).rstrip('.')})" if decided.why else ""


def _mentions(channels: Collection[str]) -> str:
    return ", ".join(f"<#{one}>" for one in list(channels)[:10]) + (" …" if len(channels) > 10 else "")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a scope's journal: a decision, or what the bot tells its admins. `text` is ready to be shown.

    `by` is None where nobody decided. `key`, where it is not "", tells it from every other that says the same.
    """

    scope: str
    text: str
    at: float
    by: Member | None = None
    key: str = ""
    number: int = 0


class OrderBook(Protocol):
    """The store's room for orders and their journal. Every write is durable when it returns."""

    async def orders(self, *scopes: str) -> Mapping[str, Orders]:
        """The orders of each scope; empty ones where there are none."""

    async def change(self, scope: str, change: Callable[[Orders], Orders], entry: Entry | None) -> Orders:
        """Put what `change` makes of a scope's orders in their place, serialised over all processes, with its entry.

        `change` may be called in a thread, and again; what it raises is raised, and nothing is changed.
        """

    async def note(self, entry: Entry) -> bool:
        """Keep an entry of the journal; False where one with its key is there."""

    async def journal(self, scope: str, limit: int) -> list[Entry]:
        """The newest entries of a scope, newest first."""

    async def unshown(self, limit: int) -> list[Entry]:
        """Entries that no log channel has been shown, oldest first."""

    async def shown(self, numbers: Collection[int]) -> None:
        """They were shown, or are not to be."""
