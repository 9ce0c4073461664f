"""What orders mean together: which pause holds, for how long, and who may have what."""

import pytest

from cluster_bot.errors import UserError
from cluster_bot.runs.knobs import KNOBS
from cluster_bot.runs.orders import EVERYTHING, Decided, InForce, OrderBook, Orders, machine
from cluster_bot.runs.refusals import Refusal
from cluster_bot.runs.rules import Limits
from cluster_bot.runs.shares import Shares, parse_shares
from cluster_bot.runs.spec import RunSpec, Where
from cluster_bot.scheduling.desk import Desk

# What is usual is known without one.
NO_BOOK: OrderBook = None  # type: ignore[assignment]
PAUSE = Decided("ada", 100.0, 200.0, "back soon")
SPEC = RunSpec({"a.py": "1"}, "a.py", "github", 60, gpu="H100:2", others=(Where("modal", "H100:2"),))


@pytest.mark.parametrize(
    ("what", "github", "modal"),
    [
        (EVERYTHING, True, True),
        (machine("github"), True, False),
        (machine(None, "h100"), True, True),
        (machine("GitHub", "H100"), True, False),
        (machine("github", "T4"), False, False),
        (machine("modal", "H100:8"), False, True),
        (machine(None, "H100@bobs-box"), True, True),
    ],
)
def test_what_a_pause_is_of(what: str, github: bool, modal: bool) -> None:
    orders = Orders().with_pause(what, PAUSE)
    assert (orders.paused(Where("github", "H100:2"), 150.0) is PAUSE) is github
    assert (orders.paused(Where("modal", "H100"), 150.0) is PAUSE) is modal
    # When it is over it holds no more, whether anybody takes it back or not.
    assert orders.paused(Where("github", "H100"), 200.0) is None
    assert orders.with_pause(what, None) == Orders()


def test_a_paused_first_choice_refuses_and_a_paused_second_one_is_left_out() -> None:
    orders = InForce(here=Orders().with_pause(machine("modal"), PAUSE))
    assert orders.open_part(SPEC, 150.0).others == ()
    assert orders.open_part(SPEC, 250.0) is SPEC
    with pytest.raises(UserError, match=r"New runs on that GPU of `github` are paused until .* \(back soon\)"):
        InForce(Orders().with_pause(machine("github", "h100"), PAUSE)).open_part(SPEC, 150.0)


def test_a_ban_ends() -> None:
    orders = InForce(Orders().with_ban("7", PAUSE))
    orders.check_member("8", 150.0)
    orders.check_member("7", 200.0)
    with pytest.raises(UserError) as caught:
        orders.check_member("7", 199.0)
    assert caught.value.reason == Refusal.BANNED


def test_orders_come_before_files_and_settings_and_the_closer_before_the_wider() -> None:
    shares = parse_shares('default = {runs_per_hour = 5}\n[[role]]\nid = "77"\nruns_at_once = 9')
    usual = Limits(runs_per_hour=50, time_limit_s=100)
    orders = InForce(
        Orders(values={"runs_per_hour": 6}, roles={"77": {"runs_per_hour": 7}}, members={"m": {"runs_per_hour": None}})
    )
    of = lambda member, *roles: orders.limits(usual, shares, member, roles)  # noqa: E731
    assert of("x").runs_per_hour == 6
    assert (of("x", "77").runs_per_hour, of("x", "77").live_per_member) == (7, 9)
    assert of("m", "77").runs_per_hour is None
    assert of("x").time_limit_s == 100


def test_a_community_can_only_lower() -> None:
    here = Orders(
        values={"runs_per_hour": 100, "live_per_member": 2, "gpu_minutes_per_day": None, "gpus": ("H*",)},
        members={"m": {"live_per_member": 50, "max_time_limit_s": 10}},
    )
    found = InForce(Orders(), here).limits(Limits(3, 200, 50, 60.0, ("H100", "T4")), Shares(), "m", ())
    assert (found.live_per_member, found.runs_per_hour, found.gpu_minutes_per_day) == (3, 50, 60.0)
    assert found.max_time_limit_s == found.usual_time_limit_s == 10
    assert [found.allows(one) for one in ("H100", "H200", "T4", None)] == [True, False, False, True]
    with pytest.raises(UserError, match=r"choose one of `H\*`"):
        found.check_gpu("T4")
    assert InForce(Orders(), here).limits(Limits(), Shares(), "x", ()).live_per_member == 2


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("runs_at_once", "5", 5),
        ("runs_at_once", "Unlimited", 1_000_000),
        ("runs_per_hour", "0", 0),
        ("runs_per_hour", "unlimited", None),
        ("gpu_minutes_per_day", "7.5", 7.5),
        ("gpu_minutes_per_day", "12345.678", 12345.678),
        ("gpu_minutes_per_day", "1000000", 1_000_000.0),
        ("gpus", "T4, H100*", ["T4", "H100*"]),
        ("gpus", "none", []),
        ("verify_every_h", "0.5", 0.5),
        ("checker_fails", "OPEN", "open"),
        ("log_level", "debug", "DEBUG"),
    ],
)
def test_what_is_typed_is_read(name: str, typed: str, value: object) -> None:
    assert KNOBS[name].read(typed) == value
    # What is shown can be typed.
    assert KNOBS[name].read(KNOBS[name].shown(value)) == value


@pytest.mark.parametrize("name", KNOBS)
def test_what_is_usual_can_be_typed(name: str) -> None:
    usual = Desk(NO_BOOK, values={"checker_fails": "closed", "verify_every_h": 0, "log_level": "INFO"}).usual(name)
    assert KNOBS[name].read(KNOBS[name].shown(usual)) in (usual, [*usual] if isinstance(usual, tuple) else usual)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        *(
            (name, typed)
            for name in KNOBS
            if name != "gpus"
            for typed in ("", "-1", "x", "1e3", "٣", "99999999", "1 2")
        ),
        ("time_limit_s", "0"),
        ("time_limit_s", "unlimited"),
        ("time_limit_s", "86401"),
        ("gpus", "`T4`"),
        # A count or a machine is no part of a name: such a pattern would allow nothing.
        ("gpus", "T4 H100:2"),
        ("gpus", "H100@box"),
        ("gpus", ""),
        ("gpus", " ".join(["T4"] * 51)),
        ("runs_per_hour", "1.5"),
        ("verify_every_h", "721"),
    ],
)
def test_what_cannot_be_is_refused(name: str, typed: str) -> None:
    with pytest.raises(ValueError):
        KNOBS[name].read(typed)
