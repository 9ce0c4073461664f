"""The named borders: every point between a wish and its effect, or an effect and our memory of it, where a kill hurts.

Borders of the store and the launcher are trip wires inside the bot's process (`zygote.py`). Borders of Discord are
faults of the server: a request has come and nothing has happened yet ("before"), or the effect has happened and the
answer never arrives ("after").
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from cluster_bot.discord_bot.messages import STATUS_WORDS
from cluster_sandbox.discord.faults import Fault
from cluster_sandbox.discord.record import Request

from .programs import BROAD, LASTING, LEAVES_A_FILE, SHORT, STAYS, Program
from .stage import Stage

When = Literal["before", "after"]
Concerns = Callable[[Stage, Request], str]

_LAST_WORDS = tuple(words for status, words in STATUS_WORDS.items() if status.final)
MESSAGES = "/channels/{channel_id}/messages"


@dataclass(frozen=True)
class Border:
    """One border: `arm` makes the next life of the bot die there. `nths`: at which of a run's occurrences, by kill."""

    name: str
    program: Program = SHORT
    nths: tuple[int, int, int] = (1, 1, 1)
    verb: str = ""
    step: str | None = None
    method: str = ""
    route: str = ""
    concerns: Concerns = lambda stage, request: ""

    async def arm(self, stage: Stage, when: When, file: str, kill: int) -> None:
        """Start a life that dies here on account of the run of `file`."""
        nth = self.nths[kill]
        if self.verb:
            await stage.start({"verb": self.verb, "step": self.step, "when": when, "nth": nth, "victim": file})
            return
        life = await stage.start()
        stage.server.faults.add(
            Fault(
                method=self.method,
                route=self.route,
                when=when,
                skip=nth - 1,
                match=lambda request: self.concerns(stage, request) == file,
                action=lambda request: life.kill(),
                drop_connection=True,
            )
        )


def _store() -> list[Border]:
    steps = (("wish", SHORT), ("handle", SHORT), ("running", LASTING), ("final", SHORT), ("stopping", STAYS))
    saves = [Border(f"save-{step}", program, verb="save", step=step) for step, program in steps]
    places = [
        Border(f"save_place-{first}to{first + 2}", BROAD, (first, first + 1, first + 2), verb="save_place")
        for first in (1, 4, 7, 10, 13)
    ]
    return [
        Border("admit", verb="admit"),
        *saves,
        Border("append", LASTING, (1, 2, 3), verb="append"),
        Border("put_blob", LEAVES_A_FILE, verb="put_blob"),
        *places,
    ]


def _launcher() -> list[Border]:
    return [
        Border("remote-start", verb="start"),
        Border("remote-stop", STAYS, verb="stop"),
        Border("discard-spool", verb="discard"),
    ]


def _discord() -> list[Border]:
    parts = [("anchor", SHORT), ("status", SHORT), ("log1", SHORT), ("log2", BROAD), ("log3", BROAD), ("log4", BROAD)]
    creates = [
        Border(f"create-{part}", program, method="POST", route=MESSAGES, concerns=_creates(part))
        for part, program in [*parts, ("verdict", LEAVES_A_FILE)]
    ]
    edits = [
        Border(f"edit-{what}", program, nths, method="PATCH", route=MESSAGES + "/{message_id}", concerns=_edits(what))
        for what, program, nths in (
            ("log", LASTING, (1, 2, 3)),
            ("status", SHORT, (1, 1, 1)),
            ("final-status", SHORT, (1, 1, 1)),
            ("anchor", SHORT, (1, 1, 1)),
        )
    ]
    members = "/channels/{channel_id}/thread-members/{user_id}"
    hook = "/webhooks/{application_id}/{interaction_token}/messages/@original"
    callback = "/interactions/{interaction_id}/{interaction_token}/callback"
    return [
        *creates,
        *edits,
        Border("create-thread", method="POST", route=MESSAGES + "/{message_id}/threads", concerns=_thread),
        Border("invite-owner", method="PUT", route=members, concerns=_in_room),
        Border("callback", method="POST", route=callback, concerns=_callback),
        Border("answer", method="PATCH", route=hook, concerns=_answer),
    ]


def _ids(request: Request) -> list[int]:
    return [int(one) for one in re.findall(r"/(\d+)(?=/|$)", request.path)]


def _body(request: Request) -> dict[str, Any]:
    return request.body if isinstance(request.body, dict) else {}


def _named(text: str) -> str:
    found = re.search(r"`([^`]+)`", text)
    return found.group(1) if found else ""


def _creates(part: str) -> Concerns:
    def concerns(stage: Stage, request: Request) -> str:
        body = _body(request)
        if str(body.get("nonce")).rpartition(":")[2] != part:
            return ""
        return _named(str(body["content"])) if part == "anchor" else stage.file_of(_ids(request)[0])

    return concerns


def _edits(what: str) -> Concerns:
    def concerns(stage: Stage, request: Request) -> str:
        channel, text = _ids(request)[0], str(_body(request).get("content"))
        if channel == stage.channel:
            kinds = {"anchor"}
        elif text.startswith("```"):
            kinds = {"log"}
        else:
            kinds = {"status", "final-status"} if text.startswith(_LAST_WORDS) else {"status"}
        if what not in kinds:
            return ""
        return _named(text) if what == "anchor" else stage.file_of(channel)

    return concerns


def _thread(stage: Stage, request: Request) -> str:
    return _named(stage.server.message(_ids(request)[1]).content)


def _in_room(stage: Stage, request: Request) -> str:
    return stage.file_of(_ids(request)[0])


def _callback(stage: Stage, request: Request) -> str:
    interaction = _ids(request)[0]
    return next((one.file for one in stage.submissions if any(it.id == interaction for it in one.asked)), "")


def _answer(stage: Stage, request: Request) -> str:
    room = re.search(r"<#(\d+)>", str(_body(request).get("content")))
    return stage.file_of(int(room.group(1))) if room else ""


LOOK_BACK = Border("look-back", method="GET", route=MESSAGES, concerns=_in_room)
"""A restarted bot asks whether what it was making exists: a border of the healing itself."""

RENEWAL = Border("create-status2", method="POST", route=MESSAGES, concerns=_creates("status2"))
"""A status too old to be edited is posted anew, where messages are older than an hour."""

BORDERS = {border.name: border for border in (*_store(), *_launcher(), *_discord())}
