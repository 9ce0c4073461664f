"""Who is chosen for a run, in what order, and whether the sentence says so."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.spec import MAX_WHY_CHARS, Where
from cluster_bot.scheduling.choosing import (
    MOST_TRIED,
    WAITS_KEPT,
    Prefer,
    Waits,
    candidates,
    listed,
    merged,
    ranked,
    why,
)

T4_MODAL = GpuOffer("T4", price=0.000164, starts_in_s=10.0, machines=10)
T4_GITHUB = GpuOffer("T4", starts_in_s=15.0, machines=1)
BOTH = {"github": [T4_GITHUB], "modal": [T4_MODAL]}
offers = st.builds(
    GpuOffer,
    st.sampled_from([None, "T4", "t4", "A100", "A100-40GB", "A100-80GB", "H100", "NVIDIA" * 6]),
    waiting=st.integers(0, 999),
    paused=st.booleans(),
    price=st.none() | st.floats(0, 1),
    starts_in_s=st.none() | st.floats(0, 10_000),
    machines=st.none() | st.integers(0, 3),
)
everywhere = st.dictionaries(
    st.sampled_from(["github", "modal", "slurm"]), st.lists(offers, max_size=4), min_size=1, max_size=3
)


def chosen(wanted: str, given: dict[str, list[GpuOffer]], prefer: Prefer = Prefer.SOONEST) -> list[Where]:
    return [one.where for one in ranked(candidates(wanted, given, Waits()), prefer)]


def reason(given: dict[str, list[GpuOffer]], prefer: Prefer = Prefer.SOONEST, wanted: str = "T4") -> str:
    return why(ranked(candidates(wanted, given, Waits()), prefer), prefer)


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("t4", ["T4"]),
        (" H100 ", ["H100"]),
        ("H100:2", ["H100:2"]),
        ("A100", ["A100-40GB", "A100-80GB"]),
        ("a100-80gb", ["A100-80GB"]),
        ("A10", ["A10"]),
        ("A1", []),
        ("L40", []),
        ("", []),
        (":2", []),
    ],
)
def test_what_fits_a_name(wanted: str, there: list[str]) -> None:
    names = ["T4", "A10", "A100-40GB", "A100-80GB", "H100", "L40S"]
    given = {"local": [GpuOffer(None)], "modal": [GpuOffer(name, starts_in_s=10.0) for name in names]}
    assert chosen(wanted, given) == [Where("modal", gpu) for gpu in there]


def test_whoever_starts_soonest_is_first() -> None:
    assert chosen("T4", BOTH) == [Where("modal", "T4"), Where("github", "T4")]
    # One machine takes its runs one after the other, ten take them side by side.
    queues = {"github": [GpuOffer("T4", 3, starts_in_s=15.0, machines=1)], "modal": [T4_MODAL]}
    assert reason(queues) == (
        "auto chose modal: a T4 there is expected in about 10 s, at github in about 3 min (3 waiting)."
    )
    long = {"github": [T4_GITHUB], "modal": [GpuOffer("T4", 20, price=0.0001, starts_in_s=10.0, machines=10)]}
    assert chosen("T4", long)[0] == Where("github", "T4")


def test_who_costs_nothing_is_cheapest() -> None:
    assert chosen("T4", BOTH, Prefer.CHEAPEST) == [Where("github", "T4"), Where("modal", "T4")]
    assert reason(BOTH, Prefer.CHEAPEST) == (
        "auto chose github: a T4 there costs nothing, at modal $0.000164 a second."
    )
    # Two cost twice as much as one.
    [one] = candidates("T4:2", {"modal": [T4_MODAL]}, Waits())
    assert one.price == pytest.approx(0.000328)


def test_where_there_is_no_machine_is_last_whatever_it_costs() -> None:
    given = {"github": [GpuOffer("T4", starts_in_s=15.0, machines=0)], "modal": [T4_MODAL]}
    for prefer in Prefer:
        assert chosen("T4", given, prefer) == [Where("modal", "T4"), Where("github", "T4")]
    assert reason(given).endswith("in about 10 s, at github there is no machine now.")


def test_whoever_is_equally_good_stays_in_the_configured_order() -> None:
    same = {name: [GpuOffer("T4", starts_in_s=9.0)] for name in ("b", "c", "a")}
    for prefer in Prefer:
        assert chosen("T4", same, prefer) == [Where(name, "T4") for name in same]
    cheaper = same | {"a": [GpuOffer("T4", starts_in_s=9.0)], "b": [GpuOffer("T4", price=0.1, starts_in_s=9.0)]}
    assert chosen("T4", cheaper)[-1] == Where("b", "T4")


def test_the_only_one_is_said_to_be_that() -> None:
    only = {"modal": [GpuOffer("L4", price=0.000222, starts_in_s=10.0)], "github": [GpuOffer("H100")]}
    assert reason(only, wanted="l4") == "auto chose modal, the only one with an L4: it is expected in about 10 s."
    assert reason(only, Prefer.CHEAPEST, "L4").endswith("an L4: it costs $0.000222 a second.")
    assert reason(only, wanted="H100") == "auto chose github, the only one with an H100: it starts nobody knows when."


def test_what_was_seen_counts_more_than_what_is_promised() -> None:
    waits = Waits()
    for wait_s in (100.0, 4.0):
        waits.saw(Where("modal", "t4"), wait_s)
    assert waits.usual(Where("modal", "T4")) is None
    waits.saw(Where("modal", "T4"), 110.0)
    assert waits.usual(Where("modal", "T4")) == 100.0
    assert ranked(candidates("T4", BOTH, waits), Prefer.SOONEST)[0].where.launcher == "github"
    for _ in range(WAITS_KEPT):
        waits.saw(Where("modal", "T4"), 1.0)
    assert waits.usual(Where("modal", "T4")) == 1.0
    assert waits.usual(Where("github", "T4")) is None
    waits.saw(Where("local"), 1.0)
    assert waits.usual(Where("local")) is None


def test_a_machine_that_is_only_there_when_it_is_wanted_was_seen() -> None:
    waits, where = Waits(), Where("github", "T4")
    given = {"github": [GpuOffer("T4", starts_in_s=15.0, machines=0)]}
    assert candidates("T4", given, waits)[0].absent
    for _ in range(3):
        waits.saw(where, 40.0)
    [one] = candidates("T4", given, waits)
    assert (one.absent, one.starts_in_s) == (False, 40.0)


@given(everywhere, st.sampled_from(["T4", "A100", "H100:2"]), st.sampled_from(Prefer), st.randoms())
def test_any_offers_make_an_order_and_one_short_line(
    given: dict[str, list[GpuOffer]], wanted: str, prefer: Prefer, chance: random.Random
) -> None:
    found = candidates(wanted, given, Waits())
    order = ranked(found, prefer)
    assert len(order) == min(len(found), MOST_TRIED)
    assert all(one in found for one in order)
    if not order:
        return
    text = why(order, prefer)
    assert text == " ".join(text.split())
    assert text.startswith(f"auto chose {order[0].where.launcher}")
    assert len(text) <= MAX_WHY_CHARS
    shuffled = list(found)
    chance.shuffle(shuffled)
    again = ranked(shuffled, prefer)
    assert (again[0].absent, again[0].starts_in_s, again[0].price) == (
        order[0].absent,
        order[0].starts_in_s,
        order[0].price,
    )


def test_what_is_on_offer_is_told_by_gpu() -> None:
    given = {
        "github": [GpuOffer("t4"), GpuOffer("AMD", paused=True)],
        "local": [GpuOffer(None)],
        "modal": [T4_MODAL, GpuOffer("L4")],
    }
    assert listed(given) == "`t4` (github, modal), `L4` (modal)"
    assert [launcher for launcher, _ in merged(given)["t4"]] == ["github", "modal"]
    assert listed({"local": [GpuOffer(None)]}) == ""
    assert listed({"modal": [GpuOffer(f"G{n}") for n in range(30)]}).endswith("`G24` (modal) …")
