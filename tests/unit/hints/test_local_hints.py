"""Hints within one process: everybody hears, in order, later, and nobody's failure is anybody else's."""

import asyncio
import logging

import pytest

from cluster_bot.hints import LocalHints
from cluster_bot.runs.ports import Hints


class Ear:
    """Notes what it hears, and says when it has heard enough."""

    def __init__(self, enough: int) -> None:
        self.heard: list[str] = []
        self._enough = enough
        self.content = asyncio.Event()

    def __call__(self, run_id: str) -> None:
        self.heard.append(run_id)
        if len(self.heard) == self._enough:
            self.content.set()


async def test_everybody_hears_in_order_and_not_inside_the_giver() -> None:
    hints: Hints = LocalHints()
    ears = [Ear(3), Ear(3)]
    for ear in ears:
        hints.listen(ear)
    for run_id in ("a", "b", "a"):
        hints.give(run_id)
    assert [ear.heard for ear in ears] == [[], []]
    for ear in ears:
        await ear.content.wait()
    assert [ear.heard for ear in ears] == [["a", "b", "a"]] * 2


async def test_a_hint_without_a_listener_is_lost() -> None:
    hints = LocalHints()
    hints.give("early")
    ear = Ear(1)
    hints.listen(ear)
    hints.give("late")
    await ear.content.wait()
    assert ear.heard == ["late"]


async def test_a_listener_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(run_id: str) -> None:
        raise LookupError(run_id)

    hints = LocalHints()
    ear = Ear(2)
    hints.listen(broken)
    hints.listen(ear)
    with caplog.at_level(logging.ERROR):
        hints.give("a")
        hints.give("b")
        await ear.content.wait()
    assert ear.heard == ["a", "b"]
    assert len(caplog.records) == 2
    assert caplog.records[0].exc_info is not None


async def test_a_listener_may_give_hints_itself() -> None:
    hints = LocalHints()
    ear = Ear(2)

    def echo(run_id: str) -> None:
        if run_id == "a":
            hints.give("b")

    hints.listen(echo)
    hints.listen(ear)
    hints.give("a")
    await ear.content.wait()
    assert ear.heard == ["a", "b"]
