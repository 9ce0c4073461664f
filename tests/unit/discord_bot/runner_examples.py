"""What the messages about lent machines say, for `sentences`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cluster_bot.discord_bot import messages
from cluster_bot.runs.machines import Box, Expected, Invitation, Listed, Wanted
from cluster_bot.runs.run import Machine, Member, Origin, Reason, Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_runner.wire import Outcome

WANTED = Wanted("bobs-box", "H100", "nvidia")
ONCE = Wanted("bobs-box", "H100", "nvidia", once=True)
LABELS = ("nvidia", "H100", "cluster-bobs-box")
GIVEN = Invitation("#!/bin/bash", LABELS, "gpu-club", "Default", 1_700_003_600.0)
EXPECTED = Expected("id", "bobs-box", "H100", "github", Member("7", "ada"), "", 1_700_003_600.0)
EXPECTED_ONCE = replace(EXPECTED, once=True, test=False)
BOX = Box("bobs-box", ("self-hosted", "Linux", "X64", *LABELS), online=True, busy=False, whose="gpu-club")
OTHERS = [replace(BOX, name="*old*", online=False), replace(BOX, busy=True, whose="gpu-club/kernels")]
TRIED = Run(
    "r",
    12,
    RunSpec({"a.py": "print()"}, "a.py", "github", 30, gpu="H100@bobs-box"),
    EXPECTED.by,
    Origin("quiet:x", {"guild": None}),
    1_700_000_000.0,
    Status.SUCCEEDED,
    Reason.COMPLETED,
    machine=Machine("bobs-box", "NVIDIA H100 80GB HBM3"),
    outcome=Outcome("exited", exit_code=0, duration_s=1.25),
)

EXAMPLES: Mapping[str, Callable[[], Any]] = {
    "folder_of": lambda: messages.folder_of("bobs-box"),
    "invitation": lambda: [
        messages.invitation(WANTED, GIVEN),
        messages.invitation(ONCE, replace(GIVEN, public=True, shut_out=True, unnamed=True), asked_by="<@7>"),
    ],
    "watching": lambda: [messages.watching(one) for one in (EXPECTED, EXPECTED_ONCE, replace(EXPECTED, test=False))],
    "sent": lambda: messages.sent(EXPECTED, "<@8>"),
    "asked_for": lambda: [messages.asked_for(WANTED, GIVEN, ""), messages.asked_for(ONCE, GIVEN, "<@8>")],
    "came_online": lambda: [messages.came_online(one, testing=one.test) for one in (EXPECTED, EXPECTED_ONCE)],
    "came_and_went": lambda: messages.came_and_went(EXPECTED_ONCE),
    "given_up": lambda: messages.given_up(EXPECTED),
    "tested": lambda: [
        messages.tested(EXPECTED, TRIED, "bobs-box Linux\nGPU 0: NVIDIA H100 80GB HBM3\n"),
        messages.tested(EXPECTED, replace(TRIED, machine=Machine("bobs-box")), ""),
        messages.tested(EXPECTED, replace(TRIED, status=Status.FAILED, reason=Reason.EXIT_CODE), "```"),
    ],
    "not_tested": lambda: messages.not_tested(EXPECTED, "You may not use a GPU here; ask an admin for one."),
    "removed": lambda: [messages.removed("bobs-box", waited_only=one) for one in (False, True)],
    "removal": lambda: messages.removal("bobs-box"),
    "runner_choice": lambda: messages.runner_choice(BOX),
    "runner_board": lambda: [
        messages.runner_board(Listed([BOX, *OTHERS])),
        messages.runner_board(Listed([], "Those of gpu-club can't be seen.")),
    ],
}
