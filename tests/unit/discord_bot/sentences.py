"""Every sentence that a member can read, written out with examples, as `sentences.txt` beside it keeps them.

`python tests/unit/discord_bot/sentences.py --write`, with the repository's interpreter, brings that file up to date; a
change of words is then seen in a review like any other. `test_sentences_kept` compares the two, and refuses a function
of the messages for which there is no example here.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from runner_examples import EXAMPLES as RUNNER_EXAMPLES

from cluster_bot.discord_bot import messages
from cluster_bot.runs.knobs import KNOBS
from cluster_bot.runs.orders import EVERYTHING, Decided, Entry, InForce, Orders, machine
from cluster_bot.runs.ports import Attachment, Gap, GpuOffer, Trouble, Turn
from cluster_bot.runs.refusals import SENTENCES, Refusal
from cluster_bot.runs.rules import Limits, Usage
from cluster_bot.runs.run import Machine, Member, Origin, Reason, Run, Status
from cluster_bot.runs.spec import Language, RunSpec, Where
from cluster_bot.runs.summary import Summary
from cluster_bot.scheduling.reading import LeftFile, Page
from cluster_bot.scheduling.verifying import Row, State, Table
from cluster_runner.wire import Outcome

KEPT = Path(__file__).with_name("sentences.txt")

FILES = {"kernel.cu": "int main() {}\n", "include/tile.cuh": "#pragma once\n"}
SPEC = RunSpec(FILES, "kernel.cu", "modal", 300, gpu="H100", arguments=("--size", "4096"))
RUN = Run("r", 128, SPEC, Member("7", "ada"), Origin("k", {}), 1_700_000_000.0, launched_at=1_700_000_001.0)
URL = "https://modal.example.invalid/fc-1"
RUNNING = replace(
    RUN,
    status=Status.RUNNING,
    attempt=1,
    started_at=1_700_000_012.5,
    program_at=1_700_000_014.0,
    machine=Machine("ta-01", "NVIDIA H100 80GB HBM3", "a container of its own"),
    url=URL,
)
OUTCOME = Outcome("exited", exit_code=3, duration_s=12.34, peak_memory_bytes=1_234_567_890)
ENDED = replace(RUNNING, status=Status.FAILED, reason=Reason.EXIT_CODE, finished_at=1_700_000_030.0, outcome=OUTCOME)
RAISED = Trouble("ValueError: no", file="train.py", line=12, source="step(batch)")
REFUSED = Trouble(excerpt=('kernel.cu(3): error: identifier "y" is undefined', "    x = y;", "        ^"))
LEFT_OUT = [Attachment("plot.png", None, "it is too large")] * 7
WENT_ON = replace(
    RUN,
    spec=replace(SPEC, launcher="github", others=(Where("modal", "H100"),), why="auto chose github: it is free."),
    declined=("no runner is free",),
)
OFFER = GpuOffer("H100", 2, price=0.001097, machines=9)
SUMMARY = Summary(128, "kernel.cu", "modal", "H100", RUN.owner, RUN.origin, Status.RUNNING, None, RUN.created_at)
OVER = replace(SUMMARY, status=Status.SUCCEEDED, finished_at=1_700_000_030.0, ran_s=12.3, gpu=None, launcher="local")
DECIDED = Decided("ada", RUN.created_at, RUN.created_at + 3600, messages.said_why("the *fan* is broken"))
PAUSES = [EVERYTHING, machine("github"), machine("github", "H100"), machine(None, "T4")]
SHARE = {"live_per_member": 10, "runs_per_hour": None, "gpus": ("T4", "H*")}
ENTRIES = [
    Entry("8", "banned <@7>", RUN.created_at, Member("1", "ada"), number=12),
    Entry("8", messages.DRAINED, RUN.created_at, number=13),
]
ORDERS = InForce(
    Orders({EVERYTHING: DECIDED}, {"7": DECIDED}),
    Orders(channels=("9",), admin_roles=("5",), roles={"5": SHARE}, members={"7": {"gpus": ()}}),
)
OVER_RUN = replace(ENDED, status=Status.SUCCEEDED)
WAITED = replace(RUN, status=Status.CANCELLED, detail="waits for a machine")
TABLE = Table(
    [
        Row(Where("local"), State.WORKS, replace(OVER_RUN, reason=Reason.COMPLETED), 0.11),
        Row(Where("modal", "H100"), State.FAILS, ENDED, 4.2),
        Row(Where("modal", "T4"), State.FAILS, OVER_RUN, silent=True),
        Row(Where("github", "NVIDIA"), State.STILL_WAITS, WAITED),
        Row(Where("github", "AMD"), State.STILL_WAITS, WAITED, busy=True),
        Row(Where("slurm"), State.FAILS, refusal=SENTENCES[Refusal.LAUNCHER_SILENT].format(launcher="slurm")),
        Row(Where("other"), State.FAILS),
    ],
    RUN.created_at,
    left_out=3,
)

# What each function of the messages says, by its name; `Recogniser`s say nothing.
EXAMPLES: Mapping[str, Callable[[], Any]] = {
    "marker": lambda: messages.marker(RUN),
    "part_marker": lambda: messages.part_marker(RUN, "output 1"),
    "anchor": lambda: [*(messages.anchor(one) for one in (RUN, ENDED, WENT_ON)), messages.anchor(ENDED, alone=True)],
    "thread_name": lambda: messages.thread_name(RUN),
    "status": lambda: (
        [
            messages.status(one)
            for one in (
                *(replace(RUN, status=status) for status in Status),
                RUNNING,
                replace(RUNNING, phase="compile"),
                replace(RUN, detail="waits for a machine"),
                WENT_ON,
            )
        ]
        + [messages.status(RUN, Turn(2, 3))]
    ),
    "verdict": lambda: [
        messages.verdict(replace(ENDED, status=status, reason=why), trouble=trouble, left_out=LEFT_OUT[:files])
        for status, why, trouble, files in (
            (Status.SUCCEEDED, Reason.COMPLETED, Trouble(), 7),
            (Status.FAILED, Reason.EXIT_CODE, RAISED, 1),
            (Status.FAILED, Reason.COMPILE_ERROR, REFUSED, 0),
            (Status.CANCELLED, Reason.CANCELLED_BY_USER, Trouble(), 0),
            (Status.TIMED_OUT, Reason.TIME_LIMIT, Trouble(), 0),
        )
    ],
    "job_link": lambda: messages.job_link(RUNNING),
    "machine_of": lambda: messages.machine_of(RUNNING),
    "reason": lambda: [messages.reason(replace(ENDED, reason=one)) for one in (*Reason, None)],
    "gap": lambda: messages.gap(Gap(12_345, 67_890_123)),
    "cannot_write_here": lambda: messages.cannot_write_here(["view_channel", "send_messages"]),
    "offer": lambda: [messages.offer(one) for one in (OFFER, GpuOffer("T4", paused=True), GpuOffer("T4", machines=0))],
    "offers": lambda: messages.offers("H100", [("modal", OFFER), ("github", GpuOffer("H100"))]),
    "runs_head": lambda: [messages.runs_head(Page([], 0, pages, 1, 17)) for pages in (1, 3)],
    "share": lambda: [messages.share(Usage(1, 9, 12, 0.0, 840.0), one) for one in (Limits(), Limits(5, 200, 30, 60.0))],
    "run_line": lambda: [messages.run_line(one, "<#9>") for one in (SUMMARY, OVER)],
    "run_choice": lambda: messages.run_choice(OVER),
    "details": lambda: [
        messages.details(one, link="<#9>", log_size=size, files=files)
        for one, size, files in (
            (RUN, 0, []),
            (WENT_ON, 0, []),
            (replace(ENDED, attempt=2), 4567, [LeftFile("plot.png", 8910, True), LeftFile("all.bin", 10**9, False)]),
        )
    ],
    "board": lambda: [
        messages.board({"modal": [(OFFER, 10.0), (GpuOffer("T4", paused=True), None)], "github": None, "local": []}),
        messages.board({}),
    ],
    "verification": lambda: [
        messages.verification(one)
        for one in (
            TABLE,
            Table([*TABLE.rows[:1], Row(Where("modal", "T4"), State.RUNS, RUNNING)], RUN.created_at),
            Table(TABLE.rows[:1], RUN.created_at),
            Table([], RUN.created_at),
        )
    ],
    "verification_note": lambda: [
        messages.verification_note(Table(TABLE.rows[:most], RUN.created_at), most > 1) for most in (2, 1)
    ],
    "log_says": lambda: [messages.log_says(one, cut, 10**7) for one, cut in ((RUN, 0), (ENDED, 0), (ENDED, 12345))],
    "live_runs": lambda: [messages.live_runs(one) for one in (0, 1, 2)],
    "said_why": lambda: messages.said_why("the *fan* is\nbroken"),
    "subject": lambda: [messages.subject(one) for one in PAUSES],
    "paused": lambda: [
        messages.paused(machine("github", "H100"), DECIDED, everywhere=True),
        messages.paused(EVERYTHING, replace(DECIDED, until=None, why="", drain=True), everywhere=False),
    ],
    "resumed": lambda: messages.resumed(PAUSES, everywhere=True),
    "banned": lambda: messages.banned("7", DECIDED, everywhere=False),
    "unbanned": lambda: messages.unbanned("7", everywhere=True),
    "cancelled": lambda: [messages.cancelled(range(1, 30)), messages.cancelled([12], "7")],
    "value_set": lambda: [
        messages.value_set(KNOBS["runs_per_hour"], None, usual=usual, everywhere=usual) for usual in (False, True)
    ],
    "share_set": lambda: [messages.share_set("<@&5>", one, everywhere=False) for one in (SHARE, {})],
    "channels_set": lambda: [messages.channels_set(one) for one in ([], ["8", "9"])],
    "role_set": lambda: [messages.role_set("5", may=one) for one in (True, False)],
    "log_set": lambda: [messages.log_set("9", everywhere=True), messages.log_set("", everywhere=False)],
    "entry": lambda: [messages.entry(one) for one in ENTRIES],
    "entry_mark": lambda: messages.entry_mark(12),
    "journal": lambda: [messages.journal(one) for one in (ENTRIES, [])],
    "overview": lambda: [
        messages.overview(
            ORDERS, [(KNOBS["gpus"], ("*",), ""), (KNOBS["runs_at_once"], 3, "set here")], "9", several=True
        ),
        messages.overview(InForce(), [], "", several=False),
    ],
    "setting_choice": lambda: messages.setting_choice(KNOBS["queue_limit_s"], 3600),
    "cannot_log_there": lambda: messages.cannot_log_there("9", ["view_channel", "send_messages"]),
    "place_name": lambda: [messages.place_name("modal", gpu) for gpu in ("H100", None)],
    "place_terms": lambda: messages.place_terms(OFFER),
    "places_of": lambda: messages.places_of([("modal", OFFER), ("github", OFFER)]),
    "block_name": lambda: messages.block_name(2, Language.CUDA, "#include <cstdio>\nint main() {}\n"),
    "file_name": lambda: [messages.file_name("kernel.cu", others) for others in (0, 2)],
    "your_code": lambda: messages.your_code("`paste.py` is empty; attach the program you want to run."),
    "fenced": lambda: messages.fenced("```"),
    "ordinal": lambda: [messages.ordinal(one) for one in (1, 2, 3, 4, 11)],
    "plain": lambda: messages.plain("*not bold* <@1>"),
    "code": lambda: messages.code("a`b"),
    "seconds": lambda: [messages.seconds(one) for one in (0.4, 12.34, 185, 7800)],
    "size": lambda: [messages.size(one) for one in (12, 3456, 78_900_000, 10**10)],
    **RUNNER_EXAMPLES,
}
# They tell texts apart, and have none of their own.
RECOGNISERS = {
    "is_part",
    "is_anchor",
    "is_status",
    "verdict_status",
    "is_our_failure",
    "is_opened",
    "units",
    "told_status",
    "hidden_lines",
}


def rooms() -> list[ModuleType]:
    """The modules of the messages."""
    names = sorted(one.name for one in pkgutil.iter_modules(messages.__path__))
    return [importlib.import_module(f"{messages.__name__}.{name}") for name in names]


def functions() -> set[str]:
    """The names of all that makes a text."""
    own = [(name, one, room) for room in rooms() for name, one in vars(room).items() if not name.startswith("_")]
    found = {name for name, one, room in own if inspect.isfunction(one) and one.__module__ == room.__name__}
    return found - RECOGNISERS


def written() -> str:
    """The whole text."""
    parts = ["What members read. Made by sentences.py; see there.\n"]
    seen: set[str] = set()
    for room in rooms():
        parts.append(f"\n== {room.__name__.rpartition('.')[2]}\n")
        parts += _constants(room, seen)
        mine = [name for name, one in vars(room).items() if getattr(one, "__module__", "") == room.__name__]
        parts += [_shown(f"{name}()", EXAMPLES[name]()) for name in sorted(mine) if name in EXAMPLES]
    parts.append("\n== refusals\n")
    parts += [_shown(reason.value, text) for reason, text in SENTENCES.items()]
    return "".join(parts)


def _constants(room: ModuleType, seen: set[str]) -> Iterator[str]:
    """The fixed texts of a room, but for those that another one lent it."""
    names = sorted(name for name in vars(room) if name.isupper() and not name.startswith("_") and name not in seen)
    seen.update(names)
    for name in names:
        value = vars(room)[name]
        if isinstance(value, str):
            yield _shown(name, value)
        elif isinstance(value, Mapping):
            yield from (_shown(f"{name}[{key}]", text) for key, text in value.items() if isinstance(text, str))


def _shown(name: str, value: str | list[str]) -> str:
    texts = [value] if isinstance(value, str) else value
    return "".join(f"{name}\n{textwrap.indent(text, '    ', lambda line: True).rstrip(' ')}\n" for text in texts)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        KEPT.write_text(written(), "utf-8")
    else:
        sys.stdout.write(written())
