"""docs/discord.md as text: what the bot has registered, who may use it, and the pictures that were taken of it.

Called by `test_handbook.py`, which compares the file with the real bot's commands or, when told, writes it. Nothing in
it is written by hand but the tables here: who may use what, and the buttons, which are not registered anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cluster_sandbox.discord.model import Json

COMMAND = ".venv/bin/python script/discord_docs.py"
SLASH, ON_USER, ON_MESSAGE = 1, 2, 3
GROUPS = (1, 2)
GUILD, BOT_DM, ELSEWHERE = 0, 1, 2
USER_INSTALL = 1
KINDS = {
    3: "a text",
    4: "a whole number",
    5: "true or false",
    6: "a member",
    7: "a channel",
    8: "a role",
    9: "a member or a role",
    10: "a number",
    11: "a file",
}


class Who(StrEnum):
    """Who may use something. `test_handbook.py` tries each on a run that is somebody else's."""

    EVERYONE = "everyone"
    OWNER = "the run's owner, and admins of the server where it was asked for"
    SEES = "the run's owner, admins of the server where it was asked for, and everyone in the run's thread and channel"
    ASKER = "whoever asked for the list"
    ADMINS = "members who may manage the server, and who has a role that these made admins"
    MANAGERS = "members who may manage the server"
    OPERATORS = "whoever runs the bot"


# Commands that name a run; what Discord itself keeps for admins says so by its default permissions.
OF_RUNS = {"cancel": Who.OWNER, "run-info": Who.SEES, "logs": Who.SEES, "rerun": Who.SEES}
# What not every admin may; tests/scenarios/discord/test_permission_matrix.py tries all of them.
WHO = {**OF_RUNS, "admin role": Who.MANAGERS, "admin drain": Who.OPERATORS, "verify": Who.OPERATORS}


@dataclass(frozen=True, slots=True)
class Button:
    """`word`: how the custom ids of all such buttons begin."""

    word: str
    labels: tuple[str, ...]
    where: str
    does: str
    who: Who


BUTTONS = (
    Button("cancel", ("Cancel",), "under a run that is not over", "Stops the run.", Who.OWNER),
    Button(
        "rerun", ("Run again",), "under a run that is over, and in `/runs`", "Runs the same program again.", Who.SEES
    ),
    Button("log", ("Log",), "under a run that is over, and in `/run-info`", "Hands over the whole output.", Who.SEES),
    Button("runs", ("Previous", "Next"), "under `/runs`", "Turns the page.", Who.ASKER),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One thing a member can use: a full name, and what Discord was told of it."""

    name: str
    kind: int
    says: str
    options: tuple[Json, ...]
    registered: Json

    @property
    def shown(self) -> str:
        """As members call it."""
        return f"/{self.name}" if self.kind == SLASH else self.name

    @property
    def who(self) -> Who:
        return Who.EVERYONE if self.registered.get("default_member_permissions") is None else Who.ADMINS

    @property
    def names_a_run(self) -> bool:
        return any(one["name"] == "run" and one.get("required") for one in self.options)


def commands(registered: list[Json]) -> list[Command]:
    """Everything that can be used, by full name; what stands in a menu after what is typed."""
    found = [one for top in registered for one in _leaves(top, top, top["name"])]
    return sorted(found, key=lambda one: (one.kind, one.name))


def _leaves(top: Json, node: Json, name: str) -> Iterator[Command]:
    inner = [one for one in node.get("options") or [] if one["type"] in GROUPS and node.get("type") != ON_MESSAGE]
    if not inner:
        kind = top.get("type") or SLASH
        yield Command(name, kind, node.get("description") or "", tuple(node.get("options") or ()), top)
    for one in inner:
        yield from _leaves(top, one, f"{name} {one['name']}")


def page(found: list[Command], pictures: Mapping[str, Json]) -> str:
    """The whole file. `pictures`: those of the manifest, by name."""
    parts = [
        "# The bot in Discord",
        f"Every command, form and button, as it looks when it is used. This page is made by `{COMMAND}` from the bot "
        "in the sandbox, and a test fails when the two differ. Where an admin lets only some members run programs, or "
        "run them on a GPU, that goes for every way to do it.",
        _contents(found),
        *(_command(one, pictures) for one in found),
        "## Buttons",
        _table(
            ("Button", "Where", "What it does", "Who may press it"),
            [
                (" · ".join(f"**{label}**" for label in one.labels), one.where, one.does, one.who.value)
                for one in BUTTONS
            ],
        ),
        *_shown("buttons", pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _contents(found: list[Command]) -> str:
    rows = [(f"[`{one.shown}`](#{_anchor(one)})", one.says or "in the menu of a message, under Apps") for one in found]
    return _table(("", "What it does"), rows)


def _anchor(one: Command) -> str:
    return one.shown.lower().replace("/", "").replace(" ", "-")


def _command(one: Command, pictures: Mapping[str, Json]) -> str:
    says = one.says or "Right click a message (on a phone, press it long), then Apps."
    who = WHO.get(one.name, one.who)
    facts = f"For {who.value}. {_where(one.registered)}"
    rows = [(_name(option), _takes(option), option["description"]) for option in one.options]
    table = _table(("Option", "Takes", ""), rows) if rows else ""
    parts = [f"## `{one.shown}`", says if says[-1] in ".?" else f"{says}.", facts, table, *_shown(one.name, pictures)]
    return "\n\n".join(part for part in parts if part)


def _where(registered: Json) -> str:
    """Where Discord offers it; what is registered without contexts is offered in servers and to the bot itself."""
    contexts = registered.get("contexts")
    places = [GUILD, BOT_DM] if contexts is None else contexts
    user = USER_INSTALL in (registered.get("integration_types") or [])
    words = {
        GUILD: "in servers",
        BOT_DM: "in direct messages with the bot",
        ELSEWHERE: "in other direct messages" if user else "",
    }
    named = [words[one] for one in (GUILD, BOT_DM, ELSEWHERE) if one in places and words[one]]
    listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    also = " Who adds the app to their account has it everywhere." if user else ""
    return f"Used {listed}.{also}"


def _name(option: Json) -> str:
    return f"`{option['name']}`" + (" (required)" if option.get("required") else "")


def _takes(option: Json) -> str:
    kind = KINDS[option["type"]]
    if option.get("choices"):
        return "one of " + ", ".join(f"`{one['name']}`" for one in option["choices"])
    names = ("min_value", "max_value") if option["type"] in (4, 10) else ("min_length", "max_length")
    low, high = (option.get(name) for name in names)
    unit = "" if option["type"] in (4, 10) else " characters"
    bounds = [f"from {low}" if low is not None else "", f"up to {high}{unit}" if high is not None else ""]
    said = " ".join([kind, *filter(None, bounds)])
    return f"{said}; the bot suggests" if option.get("autocomplete") else said


def _shown(of: str, pictures: Mapping[str, Json]) -> list[str]:
    return [f"![{one['alt']}](discord/{name}.png)" for name, one in pictures.items() if one["of"] == of]


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
