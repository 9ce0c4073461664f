"""Every sentence: there is one for everything, none is too long, and nobody's names break out of it."""

import re
from collections import defaultdict
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.chunks import units
from cluster_bot.runs.ports import Attachment, Gap, GpuOffer, Trouble, Turn
from cluster_bot.runs.refusals import SENTENCES
from cluster_bot.runs.run import Machine, Member, Origin, Reason, Run, Status
from cluster_bot.runs.spec import RunSpec, Where
from cluster_runner.wire import Outcome

FINAL = [one for one in Status if one.final]
TEXT = st.text(max_size=600) | st.text("`*_~|>#[]()<@:\\\n @everyone1", max_size=600)

RUN = Run(
    id="r",
    number=12,
    spec=RunSpec({"a.py": "print(1)"}, "a.py", "local", time_limit_s=90),
    owner=Member("7", "ada"),
    origin=Origin("k", {}),
    created_at=1000.0,
)

# As long as anything may be that a member, a machine or a scheduler sends; emoji count twice.
WIDE = "\U0001f600" * 62 + ".py"  # 251 bytes of the 255 that a file system takes
LONGEST = replace(
    RUN,
    number=10**18,
    spec=RunSpec(
        {WIDE: "1"},
        WIDE,
        "k" * 60,
        time_limit_s=86_400,
        gpu="g" * 100,
        others=(Where("l" * 60, "\U0001f600" * 100),),
        why="auto chose *" + "(" * 1000,
    ),
    declined=("_" * 300,),
    owner=Member("9" * 20, "\U0001f600" * 100),
    detail="*" * 5000,
    url="https://example.invalid/" + "x" * 400,
    machine=Machine("`" * 500, gpu="_" * 500),
    launched_at=2e9,
    started_at=2e9,
    program_at=2e9,
    outcome=Outcome("exited", -(2**31), signal="S" * 500, duration_s=1e9, peak_memory_bytes=2**60, detail="|" * 5000),
)


@pytest.mark.parametrize("status", Status)
def test_every_status_has_words_of_its_own(status: Status) -> None:
    words = messages.STATUS_WORDS[status]
    assert [one for one in Status if messages.STATUS_WORDS[one] == words] == [status]
    assert words in messages.status(replace(RUN, status=status))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_half_a_sentence(reason: Reason) -> None:
    for run in (RUN, LONGEST):
        told = messages.reason(replace(run, reason=reason))
        assert told.endswith(".")
        assert "{" not in told
        assert told == told.strip()


def test_a_reason_nobody_knows_is_said_to_be_that() -> None:
    assert messages.reason(RUN) == "it is not known why."


def test_what_the_reasons_tell() -> None:
    outcome = Outcome("exited", 7, signal="SIGSEGV", duration_s=1.0)
    ended = replace(RUN, outcome=outcome)
    assert messages.reason(replace(ended, reason=Reason.EXIT_CODE)).startswith("the program ended with exit code 7; ")
    told = messages.reason(replace(ended, reason=Reason.SIGNAL))
    assert told == "the program was ended by SIGSEGV; look for an index or a pointer out of bounds."
    assert "the time limit of 1 min 30 s was over" in messages.reason(replace(ended, reason=Reason.TIME_LIMIT))
    assert messages.reason(replace(ended, reason=Reason.LAUNCHER_REFUSED)).startswith("local refused to start it; ")


def test_the_job_is_linked_in_a_word_before_and_after() -> None:
    run = replace(RUN, url="https://github.com/gpu-club/kernels/actions/runs/42")
    link = "[local job](<https://github.com/gpu-club/kernels/actions/runs/42>)"
    assert messages.status(replace(run, status=Status.RUNNING)).endswith(link)
    assert messages.verdict(replace(run, status=Status.FAILED)).endswith(link)
    for odd in ("javascript:alert(1)", "https://a b", "https://x/)(<@1>", "https://" + "x" * 900, ""):
        assert "job](" not in messages.status(replace(run, url=odd))


@pytest.mark.parametrize(("status", "reason"), list(product(Status, [None, *Reason])))
def test_no_message_is_too_long(status: Status, reason: Reason | None) -> None:
    for phase in ("compile", "run"):
        run = replace(LONGEST, status=status, reason=reason, phase=phase)
        texts = [
            messages.anchor(run),
            messages.status(run),
            messages.verdict(run, trouble=Trouble("`@everyone` " * 500)),
        ]
        for text in texts:
            assert units(messages.part_marker(run, "output 1000000") + text) <= 2000
        assert len(messages.thread_name(run)) <= 100


def test_no_other_sentence_is_too_long() -> None:
    fixed = [
        messages.PONG.format(latency_ms=1e9, live=10**9, launchers="l" * 300),
        messages.RESYNCED.format(count=100),
        messages.STOP_WISHED.format(number=10**18),
        messages.CANCELLED_AT_ONCE.format(number=10**18),
        messages.OPENED.format(number=10**18, room=2**63),
        messages.UNSEEN.format(number=10**18),
        messages.OPENED_DIRECT.format(number=10**18, room=2**63),
        messages.cannot_write_here(list(messages.PERMISSIONS)),
        messages.OUR_FAULT.format(reference="f" * 8),
        messages.HIDDEN.format(lines=10**12),
        messages.gap(Gap(10**12, 10**15)),
    ]
    # Whatever else a sentence names is no longer than a word.
    facts = defaultdict(lambda: "w" * 60, name=WIDE, size=10**9, limit=10**9, number=10**18, offered="`g`, " * 250)
    facts |= {"allowed": ", ".join(["`" + "g" * 100 + "`"] * 12), "inside": WIDE * 2, "programs": WIDE * 3}
    fixed += [text.format_map(facts) for text in SENTENCES.values()]
    for text in fixed:
        assert units(text) <= 2000
        assert "{" not in text
        assert text == text.strip()


@pytest.mark.parametrize("status", FINAL)
@pytest.mark.parametrize("shared", [False, True])
def test_a_verdict_tells_its_status(status: Status, shared: bool) -> None:
    for run, reason in product((RUN, LONGEST), [None, *Reason]):
        text = messages.verdict(replace(run, status=status, reason=reason), trouble=Trouble("**x**: "))
        marked = messages.part_marker(run, "verdict") + text if shared else text
        assert messages.verdict_status(marked) is status
        assert messages.is_part(marked) is shared


@pytest.mark.parametrize("status", Status)
def test_nothing_but_a_verdict_is_one(status: Status) -> None:
    run = replace(RUN, status=status, reason=Reason.COMPLETED)
    others = [
        messages.anchor(run),
        messages.status(run),
        messages.OPENED.format(number=1, room=2),
        "```\n" + messages.verdict(run) + "\n```",
        messages.part_marker(run, "output 1") + "```\n" + messages.verdict(run) + "\n```",
    ]
    assert [messages.verdict_status(text) for text in others] == [None] * len(others)
    assert [messages.is_status(text) for text in others] == [False, True, False, False, False]
    assert messages.is_status(messages.verdict(run)) is not status.final


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("shared", [False, True])
def test_a_status_message_is_told_by_its_beginning(status: Status, shared: bool) -> None:
    run = replace(RUN, status=status, reason=Reason.COMPLETED)
    marker = messages.part_marker(run, "status") if shared else ""
    assert messages.told_status(marker + messages.status(run)) is status
    compiling = replace(run, phase="compile") if status is Status.RUNNING else run
    assert messages.told_status(marker + messages.status(compiling)) is status
    others = [messages.anchor(run), "```\n" + messages.status(run) + "\n```", messages.part_marker(run, "output 1")]
    others += [messages.verdict(run)] if status.final else []
    assert [messages.told_status(text) for text in others] == [None] * len(others)


def test_how_many_lines_the_newest_output_leaves_out() -> None:
    note = f"-# {messages.HIDDEN.format(lines=1234)}\n"
    assert messages.hidden_lines(note + "```\nx\n```") == 1234
    assert messages.hidden_lines("-# Run #7 · output 7\n" + note + "```\nx\n```") == 1234
    assert messages.hidden_lines("```\n" + note + "```") == 0


def test_who_asks_for_input_is_told_that_there_is_none() -> None:
    failed = replace(RUN, status=Status.FAILED, reason=Reason.EXIT_CODE)
    told = messages.verdict(failed, trouble=Trouble("EOFError: EOF when reading a line\n"))
    assert messages.NO_INPUT in told
    assert messages.NO_INPUT not in messages.verdict(failed, trouble=Trouble("EOFError: Ran out of input"))


def test_the_status_says_why_a_run_is_where_it_is() -> None:
    order = (Where("modal", "T4"), Where("modal", "L4"))
    spec = replace(RUN.spec, launcher="github", gpu="T4", others=order, why="auto chose *github*.")
    run = replace(RUN, spec=spec)
    assert messages.status(run).splitlines()[1:] == ["-# auto chose \\*github\\*."]
    assert " on T4 at github · " in messages.anchor(run)
    run = replace(run, declined=("no @everyone\nhere",))
    assert messages.status(run).splitlines()[2:] == [
        "-# github refused it (no @\u200beveryone here), so it goes on at modal."
    ]
    run = replace(run, declined=("no room", ""), status=Status.FAILED, reason=Reason.LAUNCHER_REFUSED)
    assert messages.status(run).splitlines()[2:] == ["-# modal refused it, so it goes on at modal with L4."]
    assert messages.reason(run).startswith("modal refused to start it; ")
    assert " on L4 at modal · " in messages.anchor(run)


def test_an_offer_says_what_there_is_to_know_before() -> None:
    offers = [GpuOffer("T4"), GpuOffer("H100", 2, price=0.001097), GpuOffer("L4", 1, paused=True, price=0.1)]
    assert [messages.offer(one) for one in offers] == ["T4", "H100 · $0.001097/s · 2 waiting", "L4 · paused"]
    assert messages.offer(GpuOffer("AMD", machines=0)) == "AMD · no machine now"
    there = [("github", GpuOffer("t4", 3)), ("modal", GpuOffer("T4", price=0.000164)), ("slurm", GpuOffer("T4"))]
    assert messages.offers("T4", there) == "T4 · github 3 waiting · modal $0.000164/s · slurm"


@pytest.mark.parametrize("reason", Reason)
def test_whose_failure_it_was(reason: Reason) -> None:
    text = messages.verdict(replace(RUN, status=Status.FAILED, reason=reason))
    assert messages.is_our_failure(text) is (reason in (Reason.SETUP_ERROR, Reason.LAUNCHER_REFUSED))


def test_a_private_answer_is_told_from_a_refusal() -> None:
    assert messages.is_opened(messages.OPENED.format(number=12, room=34))
    assert not messages.is_opened(messages.UNSEEN.format(number=12))
    assert not any(messages.is_opened(text) for text in SENTENCES.values())


def test_a_verdict_shows_the_last_error_only_of_a_failure() -> None:
    failed = replace(RUN, status=Status.FAILED, reason=Reason.EXIT_CODE)
    assert "> `ValueError: no`" in messages.verdict(failed, trouble=Trouble("ValueError: no"))
    succeeded = replace(RUN, status=Status.SUCCEEDED, reason=Reason.COMPLETED)
    assert "warning" not in messages.verdict(succeeded, trouble=Trouble("a warning"))


@given(TEXT, st.integers(1, 300))
def test_plain_text_has_no_markup_and_pings_nobody(text: str, longest: int) -> None:
    shown = messages.plain(text, longest)
    assert "\n" not in shown
    assert "@everyone" not in shown
    assert "@here" not in shown
    # Whatever Discord would read as markup stands behind a backslash that is not itself escaped.
    assert not re.search(r"[*_~`|>#\[\]()<:]", re.sub(r"\\.", "", shown))
    assert len(shown) <= 2 * longest


@given(TEXT, st.integers(1, 300))
def test_inline_code_cannot_be_broken_out_of(text: str, longest: int) -> None:
    shown = messages.code(text, longest)
    assert shown.startswith("`")
    assert shown.endswith("`")
    assert len(shown) >= 3, "two backticks with nothing between them are no code"
    assert "`" not in shown[1:-1]
    assert "\n" not in shown
    assert len(shown) <= longest + 2


@given(TEXT)
def test_a_hostile_scheduler_stays_in_its_line(text: str) -> None:
    run = replace(RUN, status=Status.STARTING, detail=text, machine=Machine(text or "m", gpu=text), url=text)
    assert "\n" not in messages.status(run)
    ended = replace(run, status=Status.FAILED, reason=Reason.LAUNCHER_REFUSED)
    assert all(
        line.startswith(("❌", "> ", "-# ")) for line in messages.verdict(ended, trouble=Trouble(text)).split("\n")
    )


@pytest.mark.parametrize(
    ("duration_s", "said"),
    [
        (-1, "0.00 s"),
        (0, "0.00 s"),
        (0.004, "0.00 s"),
        (0.42, "0.42 s"),
        (9.99, "9.99 s"),
        (9.999, "10.0 s"),
        (12.34, "12.3 s"),
        (59.9, "59.9 s"),
        (59.97, "1 min"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3599.6, "1 h"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
        (86_400, "24 h"),
    ],
)
def test_durations(duration_s: float, said: str) -> None:
    assert messages.seconds(duration_s) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1536, "1.5 kB"),
        (99_940, "99.9 kB"),
        (99_960, "100 kB"),
        (123_456, "123 kB"),
        (999_999, "1.0 MB"),
        (1_000_000, "1.0 MB"),
        (250_000_000, "250 MB"),
        (999_999_999, "1.0 GB"),
        (3_200_000_000, "3.2 GB"),
        (5_000_000_000_000, "5000.0 GB"),
    ],
)
def test_sizes(count: int, said: str) -> None:
    assert messages.size(count) == said


def test_a_gap_says_how_much_it_stands_for() -> None:
    assert messages.gap(Gap(12_345, 4_000_000)) == "… 12,345 lines (4.0 MB) were left out here …"


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (["view_channel"], "*View Channel*"),
        (["view_channel", "attach_files"], "*View Channel* and *Attach Files*"),
        (["view_channel", "send_messages", "attach_files"], "*View Channel*, *Send Messages* and *Attach Files*"),
    ],
)
def test_what_is_missing_is_named(missing: list[str], named: str) -> None:
    text = messages.cannot_write_here(missing)
    assert text == f"I may not write in this channel; ask an admin to give me {named} here."


ERROR = ("a.cpp:3:11: error: 'y' was not declared in this scope", "    3 |   int x = y;", "      |           ^")


def test_a_verdict_shows_the_compilers_error_as_it_is() -> None:
    failed = replace(RUN, status=Status.FAILED, reason=Reason.COMPILE_ERROR)
    lines = messages.verdict(failed, trouble=Trouble(excerpt=ERROR)).split("\n")
    assert lines[1:-1] == ["```", *ERROR, "```"]
    assert "```" not in messages.verdict(replace(failed, status=Status.LOST), trouble=Trouble(excerpt=ERROR))


def test_a_verdict_says_where_an_exception_was_raised() -> None:
    failed = replace(RUN, status=Status.FAILED, reason=Reason.EXIT_CODE)
    trouble = Trouble("ValueError: no", file="a.py", line=3, source="raise ValueError('`no`')")
    assert messages.verdict(failed, trouble=trouble).split("\n")[1:3] == [
        "> `ValueError: no`",
        "> in `a.py`, line 3: `raise ValueError(''no'')`",
    ]


@given(st.lists(TEXT, max_size=9), st.lists(TEXT, max_size=12))
def test_whatever_stands_in_it_a_verdict_fits_and_its_block_holds(excerpt: list[str], files: list[str]) -> None:
    flat = tuple(" ".join(line.split()) for line in excerpt)
    left_out = [Attachment(name, None, name) for name in files]
    for run in (RUN, LONGEST):
        failed = replace(run, status=Status.FAILED, reason=Reason.COMPILE_ERROR)
        text = messages.verdict(failed, trouble=Trouble("`" * 300, "f" * 300, 1, "s" * 300, flat), left_out=left_out)
        assert units(messages.part_marker(run, "verdict") + text + messages.LOCKED) <= 2000
        assert text.count("```") in (0, 2)
        assert messages.verdict_status(text) is Status.FAILED


def test_the_figures_tell_the_wait_the_run_and_the_machine() -> None:
    outcome = Outcome("exited", 0, duration_s=9.0, peak_memory_bytes=3_200_000_000)
    run = replace(
        RUN,
        status=Status.SUCCEEDED,
        reason=Reason.COMPLETED,
        machine=Machine("node1", gpu="NVIDIA H100"),
        started_at=1003.0,
        finished_at=1017.0,
        outcome=outcome,
    )
    assert messages.verdict(run).splitlines()[-1] == (
        "-# Run #12 · waited 3.00 s · ran 9.00 s · held the GPU 14.0 s · peak memory 3.2 GB · on `node1` (NVIDIA H100)"
    )


def test_a_waiting_run_says_its_place_among_its_owners() -> None:
    assert "**Queued** · 2nd of your 3 waiting runs · since" in messages.status(RUN, Turn(2, 3))
    assert "waiting" not in messages.status(RUN, Turn(1, 1))
    assert "waiting" not in messages.status(replace(RUN, status=Status.RUNNING), Turn(2, 3))
    assert [messages.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 101, 111)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th")
    ]


@pytest.mark.parametrize("reason", [one for one in Reason if one not in (Reason.COMPLETED, Reason.CANCELLED_BY_USER)])
def test_what_went_wrong_comes_with_what_to_do(reason: Reason) -> None:
    assert messages.REASONS[reason].count("; ") == 1


def test_an_anchor_that_stands_alone_says_why() -> None:
    failed = replace(RUN, status=Status.FAILED, reason=Reason.TOOL_MISSING)
    assert messages.REASONS[Reason.TOOL_MISSING] in messages.anchor(failed, alone=True)
    assert messages.anchor(replace(RUN), alone=True) == messages.anchor(RUN)
