"""What a limit refuses, and who gets which limits."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.errors import UserError
from cluster_bot.runs.refusals import Refusal
from cluster_bot.runs.rules import Limits, Usage
from cluster_bot.runs.shares import Shares, parse_shares
from cluster_bot.runs.spec import RunSpec, Where

GUIDE = Path(__file__).parents[3] / "docs" / "limits.md"


def refusal(limits: Limits, usage: Usage, wanted_gpu_s: int = 0) -> UserError | None:
    try:
        limits.check(usage, asking(wanted_gpu_s))
    except UserError as error:
        return error
    return None


def asking(gpu_s: int, gpu: str = "T4") -> RunSpec:
    """A run that may take so many GPU seconds; 0: one without a GPU."""
    return RunSpec({"a.py": "1"}, "a.py", "modal", gpu_s or 60, gpu=gpu if gpu_s else None)


def test_nothing_is_refused_below_the_limits() -> None:
    limits = Limits(3, 10, runs_per_hour=5, gpu_minutes_per_day=10)
    assert refusal(limits, Usage(2, 9, 4, 0.0, 300.0), 300) is None


@pytest.mark.parametrize(
    ("usage", "wanted", "reason", "words"),
    [
        (Usage(live=3), 0, Refusal.TOO_MANY_LIVE_RUNS, "You have 3 runs under way and may have 3"),
        (Usage(in_last_hour=5, hour_ends_in_s=61), 0, Refusal.TOO_MANY_RUNS_AN_HOUR, "5 runs an hour"),
        (Usage(in_last_hour=5, hour_ends_in_s=61), 0, Refusal.TOO_MANY_RUNS_AN_HOUR, "in 2 min"),
        (Usage(gpu_s=540), 120, Refusal.GPU_TIME_SHORT, "10 GPU minutes in 24 hours; 9 are used"),
        (Usage(gpu_s=540), 120, Refusal.GPU_TIME_SHORT, "could take 2, so give it a `time_limit` of at most 60 sec"),
        (Usage(gpu_s=599.5), 1, Refusal.GPU_TIME_GONE, "10 GPU minutes in 24 hours, and 9.99 are used"),
        (Usage(gpu_s=700), 1, Refusal.GPU_TIME_GONE, "try again"),
        (Usage(live_in_all=10), 0, Refusal.BOT_FULL, "All 10 places"),
    ],
)
def test_each_limit_has_its_sentence(usage: Usage, wanted: int, reason: Refusal, words: str) -> None:
    refused = refusal(Limits(3, 10, runs_per_hour=5, gpu_minutes_per_day=10), usage, wanted)
    assert refused is not None
    assert refused.reason == reason
    assert words in refused.message


def test_the_time_limit_that_is_advised_is_one_that_would_do() -> None:
    limits = Limits(gpu_minutes_per_day=10)
    with pytest.raises(UserError, match="at most 300 seconds"):
        limits.check(Usage(), asking(600, "H100:2"))
    limits.check(Usage(), asking(300, "H100:2"))


def test_minutes_are_written_out() -> None:
    refused = refusal(Limits(gpu_minutes_per_day=1440), Usage(gpu_s=86_000), 7200)
    assert refused is not None
    assert "use 1,440 GPU minutes in 24 hours; 1,433 are used" in refused.message


@pytest.mark.parametrize("limits", [Limits(live_per_member=0), Limits(runs_per_hour=0)])
def test_who_may_have_none_is_not_told_to_wait(limits: Limits) -> None:
    refused = refusal(limits, Usage())
    assert refused is not None
    assert refused.reason == Refusal.NO_RUNS_ALLOWED


def test_a_run_without_a_gpu_needs_no_gpu_time() -> None:
    assert refusal(Limits(gpu_minutes_per_day=0), Usage(gpu_s=100.0), 0) is None


@pytest.mark.parametrize(
    ("gpus", "gpu", "allowed"),
    [
        (("*",), "H100", True),
        (("T4", "l4"), "L4", True),
        (("T4", "L4"), "L40S", False),
        (("H100*",), "H100:8", True),
        (("H100",), "h100 : 2", True),
        (("A100*",), "A100-80GB", True),
        ((), "T4", False),
        ((), None, True),
        (("[",), "[", True),
    ],
)
def test_gpus_are_allowed_by_pattern(gpus: tuple[str, ...], gpu: str | None, allowed: bool) -> None:
    limits = Limits(gpus=gpus)
    assert limits.allows(gpu) is allowed
    if not allowed:
        with pytest.raises(UserError, match="ask an admin") as caught:
            limits.check_gpu(gpu)
        assert caught.value.reason in (Refusal.GPU_NOT_ALLOWED, Refusal.NO_GPU_ALLOWED)


@pytest.mark.parametrize(
    ("gpu", "count"), [(None, 0), ("", 0), ("T4", 1), ("H100:2", 2), ("H100: 8 ", 8), ("x:y", 1), ("x:²", 1)]
)
def test_gpus_are_counted(gpu: str | None, count: int) -> None:
    assert Where("modal", gpu).gpus == count


def test_a_run_may_take_what_its_dearest_place_takes() -> None:
    spec = RunSpec({"a.py": "1"}, "a.py", "local", 60, others=(Where("modal", "H100:2"), Where("github", "T4")))
    assert spec.most_gpu_s == 120.0


# --- who gets which ---------------------------------------------------------------------------------------------


FILE = """
[default]
runs_per_hour = 20
gpus = ["T4"]

[[role]]
id = 1
runs_at_once = 10
gpus = ["L4"]

[[role]]
id = "2"
runs_at_once = 5
runs_per_hour = "unlimited"
gpus = ["H100*", "L4"]

[[member]]
id = "7"
runs_at_once = 0
gpus = []
"""


def test_everybody_gets_the_default() -> None:
    assert parse_shares(FILE).of(Limits(3), "9", ()) == Limits(3, runs_per_hour=20, gpus=("T4",))


def test_the_most_generous_role_counts() -> None:
    limits = parse_shares(FILE).of(Limits(3), "9", ("1", "2", "3"))
    assert limits == Limits(10, runs_per_hour=None, gpus=("L4", "H100*"))


def test_a_members_own_entry_counts_before_their_roles() -> None:
    limits = parse_shares(FILE).of(Limits(3), "7", ("2",))
    assert limits == Limits(0, runs_per_hour=None, gpus=())


def test_without_a_file_everybody_gets_the_settings() -> None:
    assert Shares().of(Limits(3, 7), "7", ("1",)) == Limits(3, 7)


def test_unlimited_runs_at_once_are_very_many() -> None:
    limits = parse_shares('[default]\nruns_at_once = "unlimited"').of(Limits(3), "1", ())
    assert refusal(limits, Usage(live=10_000)) is None


def test_the_guides_example_can_be_read() -> None:
    [example] = [one for one in re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "[[role]]" in one]
    read = parse_shares(example)
    assert set(tomllib.loads(example)) == {"default", "role", "member"}
    assert read.groups
    assert read.members


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[roles]", "no [roles]"),
        ("[role]\nid = 1", "written as [[role]]"),
        ("[[role]]\nruns_at_once = 1", "needs an id"),
        ("[[member]]\nid = 'ada'", "needs an id"),
        ("[[member]]\nid = 1\n[[member]]\nid = '1'", "there twice"),
        ("[default]\nruns = 1", "has no 'runs'; it may have gpus, runs_at_once"),
        ("[default]\nruns_at_once = 1.5", "must be a whole number"),
        ("[default]\nruns_per_hour = -1", "0 or more"),
        ("[default]\nruns_per_hour = true", "0 or more"),
        ("[default]\ngpu_minutes_per_day = 'some'", 'or "unlimited"'),
        ("[default]\ngpus = 'T4'", "must be a list"),
        ("[default]\ngpus = [1]", "must be a list"),
        ("default = 1", "must be a table"),
        ("[", "no TOML"),
    ],
)
def test_what_a_file_gets_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_shares(text)


SHARE = st.fixed_dictionaries({}, optional={"runs_per_hour": st.none() | st.integers(0, 99)})


@given(st.dictionaries(st.sampled_from("abc"), SHARE), st.sets(st.sampled_from("abc")), st.sets(st.sampled_from("abc")))
def test_a_role_more_never_takes_anything(
    groups: dict[str, dict[str, int | None]], some: set[str], more: set[str]
) -> None:
    both = Shares(groups=groups).of(Limits(runs_per_hour=None), "m", some | more)
    fewer = Shares(groups=groups).of(Limits(runs_per_hour=0), "m", some)
    assert both.runs_per_hour is None or (fewer.runs_per_hour is not None and both.runs_per_hour >= fewer.runs_per_hour)


def test_a_gpu_on_one_machine_counts_as_that_gpu() -> None:
    limits = Limits(gpus=("H*",))
    assert limits.allows("H100@bobs-box")
    assert not limits.allows("T4@H100")
    assert asking(60, "H100@bobs-box").most_gpus == 1
