"""What lists and details say fits Discord whatever a member, a machine or a launcher put into it, and pings nobody."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.run_choices import run_number
from cluster_bot.discord_bot.run_views import RUNS_A_PAGE, details_view, list_view, text_view, turned_page
from cluster_bot.errors import UserError
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.run import Machine, Member, Origin, Reason, Run, Status
from cluster_bot.runs.spec import RunSpec, Where
from cluster_bot.runs.summary import Summary
from cluster_bot.scheduling.reading import LeftFile, Page
from cluster_bot.scheduling.verifying import MOST, Row, State, Table
from cluster_runner.wire import Outcome

HOSTILE = "@everyone <@1> `*_~|# [x](http://x)\n" * 40
LONGEST_TEXT = 4000
NAMES = [f"{n}{'n' * 90}.py" for n in range(20)]
ORIGIN = Origin("discord:1", {"interaction": "1", "token": "t", "guild": "2", "channel": "3", "threads": True})
RUN = Run(
    id="0" * 32,
    number=10**9,
    spec=RunSpec(
        dict.fromkeys(NAMES, "print()"),
        NAMES[0],
        "github",
        86_400,
        gpu=HOSTILE,
        arguments=("*" * 900,) * 60,
        others=tuple(Where("modal", HOSTILE) for _ in range(7)),
        why=HOSTILE,
        again_of=10**9,
    ),
    owner=Member("1" * 19, HOSTILE),
    origin=ORIGIN,
    created_at=1.8e9,
    status=Status.FAILED,
    reason=Reason.SIGNAL,
    detail=HOSTILE,
    note=HOSTILE,
    attempt=5,
    machine=Machine(HOSTILE, HOSTILE, HOSTILE),
    started_at=1.8e9,
    finished_at=1.9e9,
    outcome=Outcome("signalled", signal=HOSTILE[:60], duration_s=9e4, peak_memory_bytes=10**12, detail=HOSTILE),
    url="https://example.org/" + "x" * 100,
    declined=(HOSTILE,) * 7,
)


def _pings(text: str) -> list[str]:
    """What Discord would take for a mention of anybody but the owner."""
    # An escaped backtick opens no code, and code that the end cut off is code.
    outside = re.sub(r"`[^`]*(`|$)", "", text.replace("\\`", ""))
    return [one for one in re.findall(r"(?<!\\)<@!?&?\d+>|@everyone|@here", outside) if one != f"<@{RUN.owner.id}>"]


@pytest.mark.parametrize("run", [RUN, replace(RUN, status=Status.RUNNING, reason=None, outcome=None)])
def test_the_details_of_a_hostile_run_fit_and_end_with_the_links(run: Run) -> None:
    files = [LeftFile(HOSTILE, 10**12, kept) for kept in (True, False)] * 20
    text = messages.details(run, link="<#123>", log_size=10**12, files=files)
    assert len(text) < LONGEST_TEXT
    assert not _pings(text)
    assert text.endswith(f"**See** <#123> · [modal job](<{run.url}>)")
    assert details_view(run, text).content_length() <= LONGEST_TEXT


def test_a_page_of_hostile_runs_fits() -> None:
    one = Summary(
        10**9,
        HOSTILE,
        "github",
        HOSTILE,
        RUN.owner,
        ORIGIN,
        Status.FAILED,
        Reason.SIGNAL,
        1e9,
        1e9,
        1e9,
        1e6,
        {"here": True, "anchor": 2**63, "room": 2**63},
    )
    view = list_view(Page([one] * RUNS_A_PAGE, 1, 3, 5, 24), 2**63, "s" * 200)
    assert view.content_length() <= LONGEST_TEXT
    assert view.total_children_count <= 40
    assert not _pings(messages.run_line(one, ""))
    assert len(messages.run_choice(one)) > 100  # which is why choices are cut


@pytest.mark.parametrize("launchers", [1, 4, 8])
def test_a_board_of_many_gpus_shows_some_of_each_launcher(launchers: int) -> None:
    offer = (GpuOffer("*" * 200, waiting=10**6, price=0.123456, starts_in_s=1e6, machines=10**6), 1e6)
    offered = {f"launcher{n}": [offer] * 100 for n in range(launchers)}
    text = messages.board(offered)
    assert text_view(text).content_length() <= LONGEST_TEXT
    assert all(f"### launcher{n}\n**" in text for n in range(launchers))
    assert text.count("more") == launchers


@pytest.mark.parametrize(("typed", "number"), [("12", 12), (" #12 ", 12), ("# 12", 12), ("12 a.py", 12), ("007", 7)])
def test_a_number_is_read(typed: str, number: int) -> None:
    assert run_number(typed) == number


@pytest.mark.parametrize("typed", ["", "#", "-1", "1.5", "12a", "1" * 19, "٣", "a 12", "１２"])
def test_what_is_no_number_is_refused(typed: str) -> None:
    with pytest.raises(UserError) as caught:
        run_number(typed)
    assert caught.value.reason == "no_number"


def test_only_ids_of_pages_turn_them() -> None:
    assert turned_page("runs:12:3") == (12, 3)
    for other in ("runs:12:no-next", "runs:12:-1", "runs::1", "runs:12:1:2", "xruns:12:1", "runs:12:9999999"):
        assert turned_page(other) is None


@pytest.mark.parametrize("state", [State.FAILS, State.STILL_WAITS])
def test_a_table_of_the_worst_fits_a_message(state: State) -> None:
    where = Where("l" * 60, HOSTILE)
    failed = replace(RUN, status=Status.FAILED, reason=Reason.SETUP_ERROR, detail=HOSTILE, finished_at=1e9)
    table = Table([Row(where, state, failed, 1e6, refusal=HOSTILE)] * MOST, 0.0, left_out=10**6)
    for text, longest in ((messages.verification(table), 2000), (messages.verification_note(table, True), 1800)):
        assert messages.units(text) <= longest
        assert text.count("```") == 2
        assert "<@1>" not in text.split("```")[2]
