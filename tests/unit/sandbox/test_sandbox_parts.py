"""The parts that need no sockets: clock, ids, mentions, the event log."""

from __future__ import annotations

import asyncio

import pytest

from cluster_sandbox.discord import Policy, mentions
from cluster_sandbox.discord.buckets import Buckets
from cluster_sandbox.discord.clock import Clock, Snowflakes, snowflake_time
from cluster_sandbox.discord.errors import ApiError, FormErrors
from cluster_sandbox.discord.log import EventLog, MessageEvent


def event(seq: int, content: str = "") -> MessageEvent:
    return MessageEvent(seq, 0.0, "create", 1, seq, "ada", 2, content)


async def test_the_clock_rings_what_is_due_in_order() -> None:
    clock, rung = Clock(), list[str]()
    start = clock.now()
    clock.call_at(start + 20, lambda: rung.append("second"))
    clock.call_at(start + 10, lambda: rung.append("first"))
    clock.call_at(start + 15, lambda: rung.append("never")).cancel()
    clock.call_at(start + 1000, lambda: rung.append("late"))
    clock.advance(30)
    assert rung == ["first", "second"] and clock.now() >= start + 30
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)
    clock.stop()


async def test_an_alarm_rings_without_being_pushed() -> None:
    clock, rung = Clock(), asyncio.Event()
    clock.call_at(clock.now() + 0.01, rung.set)
    await asyncio.wait_for(rung.wait(), 10)


class StoppedClock(Clock):
    """A clock that only `advance` moves."""

    def now(self) -> float:
        return self._offset


def test_fifty_requests_a_second() -> None:
    clock = StoppedClock()
    buckets = Buckets(Policy(), clock)
    for _ in range(50):
        buckets.take_global()
    with pytest.raises(ApiError) as refused:
        buckets.take_global()
    assert refused.value.body()["global"] is True and refused.value.extra["retry_after"] == 1.0
    assert refused.value.headers["X-RateLimit-Global"] == "true" and "Via" in refused.value.headers
    clock.advance(1.0)
    buckets.take_global()


def test_ids_rise_and_carry_the_time() -> None:
    clock = Clock()
    ids = Snowflakes(clock)
    made = [ids.next() for _ in range(5000)]
    assert made == sorted(set(made))
    clock.advance(3600)
    assert abs(snowflake_time(ids.next()) - clock.now()) < 1


@pytest.mark.parametrize(
    ("text", "allowed", "users", "roles", "everyone"),
    [
        ("<@1> <@!2> <@1> <@&3> @here", None, (1, 2), (3,), True),
        ("<@1> <@&3> @everyone", {"parse": ["roles"]}, (), (3,), False),
        ("<@1> <@9>", {"parse": [], "users": ["1", "9"]}, (1,), (), False),
        ("``<@1> ` <@1>`` <@2>", None, (2,), (), False),
        ("```py\n<@1>\n@everyone```", None, (), (), False),
        ("mail@everyone.example", None, (), (), True),
    ],
)
def test_mentions(text: str, allowed: dict[str, object] | None, users: object, roles: object, everyone: bool) -> None:
    found = mentions.compute(text, allowed, users={1, 2}, roles={3}, may_everyone=True)
    assert (found.users, found.roles, found.everyone) == (users, roles, everyone)


async def test_watching_starts_with_the_past_and_goes_on() -> None:
    log = EventLog()
    log.append(event(1))
    log.append(event(2))
    seen: list[int] = []

    async def watch() -> None:
        async for one in log.watch(after_seq=1):
            seen.append(one.seq)
            if one.seq == 4:
                return

    watcher = asyncio.create_task(watch())
    later = asyncio.create_task(log.wait_for(lambda one: one.content == "x", 10))
    await asyncio.wait_for(log.wait_for(lambda one: one.seq == 2, 10), 10)
    log.append(event(3, "x"))
    log.append(event(4))
    await asyncio.wait_for(watcher, 10)
    assert seen == [2, 3, 4] and (await later).seq == 3
    with pytest.raises(TimeoutError, match="no such event within"):
        await log.wait_for(lambda one: False, 0.01)
    assert [one.seq for one in await log.wait_after(3, 10)] == [4]
    assert await log.wait_after(4, 0.01) == []


def test_form_errors_nest() -> None:
    errors = FormErrors()
    errors.raise_if_any()
    errors.add("embeds.0.title", "CODE", "text")
    with pytest.raises(ApiError) as raised:
        errors.raise_if_any()
    node = {"0": {"title": {"_errors": [{"code": "CODE", "message": "text"}]}}}
    assert raised.value.body() == {"message": "Invalid Form Body", "code": 50035, "errors": {"embeds": node}}
