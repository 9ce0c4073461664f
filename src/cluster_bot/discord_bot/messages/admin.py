"""What admins are answered, what the journal says of their orders, and the first steps on a new server.

An order is told in the past tense without its subject, so that the journal can put a name before it and the answer a
"Done".
"""

from collections.abc import Collection, Mapping, Sequence

from cluster_bot.discord_bot.messages.words import code, plain
from cluster_bot.runs.knobs import KNOBS, Knob
from cluster_bot.runs.orders import ANY, EVERYTHING, MOST_WHY, Decided, Entry, InForce, Orders
from cluster_bot.runs.shares import Share

DONE = "Done: {order}."
NO_JOURNAL = "Nothing was decided here yet."
JOURNAL_HEAD = "### Journal"
NOTHING_CANCELLED = "There is no such run under way, so nothing was cancelled."
DRAINED = "✅ Drained: no run is under way any more, so the bot can be stopped; `/admin resume` takes new ones again."
DRAIN_NOTE = " What is under way goes on ({live}); the journal says when the last of them has ended."
UNDER_WAY = " What is under way goes on ({live})."
ROLE_NOTE = (
    " Discord shows `/admin` to members who may manage the server; let the role see it too under *Server Settings*, "
    "*Integrations*, this bot."
)
# Of one scope each, with whether it is everywhere's.
Both = Sequence[tuple[Orders, bool]]

ALL_SERVERS = " for all servers"
LONGEST_ENTRY, LONGEST_BOX, CANCELLED_SHOWN = 1800, 3900, 20
# Of a kind of order, and of its text, so that a page of them has room for all kinds, and for the settings.
PAUSES_SHOWN, BANS_SHOWN, SHARES_SHOWN, ROLES_SHOWN, LONGEST_LIST = 15, 15, 10, 10, 700
FIRST_STEPS = """\
👋 **Hello, I run GPU programs for the members of this server.**
Members: type `/run` and choose where to run; the output comes in a thread. `/gpus` shows what there is.
Admins (who may *Manage Server*), to begin with:
- `/admin settings` shows what may be set here, `/admin set` changes it: runs at once, GPU minutes, time limits.
- `/admin channel` keeps runs to some channels, `/admin role` gives a role the rights of an admin here.
- `/admin log` names a channel for the journal of what admins decide, and for what I have to tell them.
- In channels where runs are asked for I need *Send Messages*, *Create Public Threads*, *Send Messages in Threads*, \
*Attach Files* and *Read Message History*."""
NOT_SERVED = """\
👋 **Hello, I run GPU programs, but not for this server yet.**
Whoever runs me must add this server's id, `{guild}`, to `DISCORD_GUILDS` and start me again; until then I \
answer nothing."""


def live_runs(count: int) -> str:
    """How many runs are under way."""
    return "1 run" if count == 1 else f"{count} runs"


def said_why(typed: str) -> str:
    """Why an admin decided something, as everybody reads it."""
    return plain(typed, MOST_WHY)


def subject(what: str) -> str:
    """What a pause is of, as `machine` names it."""
    launcher, _, gpu = what.partition(":")
    if what == EVERYTHING:
        return "everything"
    if gpu == ANY:
        return code(launcher)
    return code(gpu.upper()) + ("" if launcher == ANY else f" of {code(launcher)}")


def paused(what: str, pause: Decided, *, everywhere: bool) -> str:
    """That something was paused."""
    word = "drained" if pause.drain else "paused"
    return f"{word} {subject(what)}{_scope(everywhere)}{_terms(pause)}"


def resumed(whats: Collection[str], *, everywhere: bool) -> str:
    """That something goes on."""
    return f"resumed {', '.join(sorted(map(subject, whats)))}{_scope(everywhere)}"


def banned(member: str, ban: Decided, *, everywhere: bool) -> str:
    """That a member may run nothing."""
    return f"banned <@{member}>{_scope(everywhere)}{_terms(ban)}"


def unbanned(member: str, *, everywhere: bool) -> str:
    """That a member may run programs again."""
    return f"unbanned <@{member}>{_scope(everywhere)}"


def cancelled(numbers: Sequence[int], owner: str = "") -> str:
    """That runs of others were cancelled."""
    return f"cancelled {_numbers(numbers)}" + (f" of <@{owner}>" if owner else "")


def value_set(knob: Knob, value: object, *, usual: bool, everywhere: bool) -> str:
    """That a setting has another value."""
    to = f"what it usually is, {code(knob.shown(value))}" if usual else code(knob.shown(value))
    return f"set `{knob.name}` to {to}{_scope(everywhere)}"


def share_set(who: str, share: Share, *, everywhere: bool) -> str:
    """That a role or a member, by its mention, has other limits."""
    said = f"gave {who} {_share(share)}" if share else f"gave {who} the limits that everybody has"
    return said + _scope(everywhere)


def channels_set(channels: Sequence[str]) -> str:
    """Where runs may be asked for."""
    if not channels:
        return "let runs be asked for in every channel"
    return f"let runs be asked for only in {_list([f'<#{one}>' for one in channels], 10)}"


def role_set(role: str, *, may: bool) -> str:
    """That a role's members are admins, or are no more."""
    return f"gave <@&{role}> the rights of an admin" if may else f"took the rights of an admin from <@&{role}>"


def log_set(channel: str, *, everywhere: bool) -> str:
    """Where the journal is shown."""
    where = f"in <#{channel}>" if channel else "nowhere"
    return f"let the journal be shown {where}{_scope(everywhere)}"


def entry(one: Entry) -> str:
    """An entry of the journal as its channel shows it; the last line tells it from all others."""
    return f"{_told(one)}\n{entry_mark(one.number)}"


def entry_mark(number: int) -> str:
    """The line by which a shown entry is known again."""
    return f"-# journal {number}"


def journal(entries: Sequence[Entry]) -> str:
    """The newest entries, newest first."""
    lines = [f"<t:{int(one.at)}:f> {_told(one)}" for one in entries]
    return _cut([JOURNAL_HEAD, *(lines or [NO_JOURNAL])])


def overview(orders: InForce, values: Sequence[tuple[Knob, object, str]], log_channel: str, *, several: bool) -> str:
    """All orders in force, then every setting with its value and where that comes from.

    `several`: there are other servers, so that it is said what holds for all of them.
    """
    here = orders.here
    both = ((orders.everywhere, several), (here, False))
    channels = _list([f"<#{one}>" for one in here.channels], 10) or "all"
    roles = _list(["", *(f"<@&{one}>" for one in here.admin_roles)], 1 + ROLES_SHOWN)
    return _cut(
        [
            "### Orders",
            f"**Paused**: {_pauses(both)}",
            f"**Banned**: {_bans(both)}",
            f"**Channels**: {channels}",
            f"**Admins**: who may *Manage Server*{roles}",
            f"**Journal**: {f'<#{log_channel}>' if log_channel else 'shown nowhere'}",
            *_shares(both),
            "### Settings",
            *(_setting(*one) for one in values),
        ]
    )


def _setting(knob: Knob, value: object, source: str) -> str:
    return f"`{knob.name}` {code(knob.shown(value))}" + (f" · {source}" if source else "")


def setting_choice(knob: Knob, value: object) -> str:
    """A setting among others to choose from, with its value."""
    return f"{knob.name} · now {knob.shown(value)}"


HERE_SOURCE, EVERYWHERE_SOURCE = "set here", "set for all servers"


def _pauses(both: Both) -> str:
    found = [
        f"{subject(what)}{_terms(pause)}{_scope(wide)}"
        for orders, wide in both
        for what, pause in sorted(orders.pauses.items())
    ]
    return _list(found, PAUSES_SHOWN, "; ") or "nothing"


def _bans(both: Both) -> str:
    found = [f"<@{member}>{_terms(ban)}{_scope(wide)}" for orders, wide in both for member, ban in orders.bans.items()]
    return _list(found, BANS_SHOWN) or "nobody"


def _shares(both: Both) -> list[str]:
    found = [
        f"{mention.format(key)} {_share(share)}{_scope(wide)}"
        for orders, wide in both
        for mention, shares in (("<@&{}>", orders.roles), ("<@{}>", orders.members))
        for key, share in shares.items()
    ]
    return ["### Other limits", _list(found, SHARES_SHOWN, "\n")] if found else []


def _share(share: Share) -> str:
    knobs: Mapping[str, Knob] = {one.field: one for one in KNOBS.values()}
    return ", ".join(f"`{knobs[name].name}` {code(knobs[name].shown(value))}" for name, value in share.items())


def _told(one: Entry) -> str:
    text = one.text if len(one.text) <= LONGEST_ENTRY else one.text[: LONGEST_ENTRY - 1] + "…"
    return text if one.by is None else f"**{plain(one.by.name, 60)}** {text}"


def _scope(everywhere: bool) -> str:
    return ALL_SERVERS if everywhere else ""


def _terms(decided: Decided) -> str:
    until = "" if decided.until is None else f" until <t:{int(decided.until)}:f>"
    return until + (f" ({decided.why})" if decided.why else "")


def _numbers(numbers: Sequence[int]) -> str:
    return _list([f"#{one}" for one in numbers], CANCELLED_SHOWN)


def _list(found: Sequence[str], most: int, between: str = ", ") -> str:
    """So many of them, or fewer where these are long, and how many more there are."""
    shown: list[str] = []
    for one in found[:most]:
        if shown and len(between.join([*shown, one])) > LONGEST_LIST:
            break
        shown.append(one)
    more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    return between.join(shown) + more


def _cut(lines: Sequence[str]) -> str:
    kept: list[str] = []
    for line in lines:
        if sum(len(one) + 1 for one in kept) + len(line) > LONGEST_BOX:
            return "\n".join([*kept, "…"])
        kept.append(line)
    return "\n".join(kept)
