"""For all tests: CLUSTER_NO_SKIP=1 turns every skip into a failure that repeats the reason.

CI sets it, so that a missing compiler or tool cannot pass for a success there; on a person's machine a skip is fine and
is listed at the end. With several workers, plays of `scenarios/kill` are spread over the whole run. What the tests' own
code is made of never becomes garbage, so nobody looks through it for some: that took a seventh of a worker's time.
"""

import gc
import os
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

# Most of such a test is waiting: side by side they would leave the processor idle, beside others they do not.
PLAYS = Path(__file__).parent / "scenarios" / "kill"
NO_SKIP = os.environ.get("CLUSTER_NO_SKIP", "") not in ("", "0")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not NO_SKIP or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: a skip, and CLUSTER_NO_SKIP allows none: {reason}"


def pytest_sessionstart(session: pytest.Session) -> None:
    if getattr(session.config.option, "numprocesses", None):
        import warm  # this file is also copied to where nothing else is

        warm.python()  # for all workers, which find it by the environment


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    plays = [one for one in items if PLAYS in one.path.parents]
    others = [one for one in items if PLAYS not in one.path.parents]
    if plays and others:
        others = _begin_with_slow(others, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
        for number, play in enumerate(plays):
            others.insert((number + 1) * len(items) // len(plays) - 1, play)
    items[:] = others or plays


def _begin_with_slow(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The same, where each worker, which is given one part of them after the other, begins with what takes long.

    Else one of them has it left when the others are done. What stands in one folder shares what it needs: one worker's.
    """
    slow: dict[Path, list[pytest.Item]] = {}
    for one in items:
        if one.get_closest_marker("slow") is not None:
            slow.setdefault(one.path.parent, []).append(one)
    begins: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, folder in enumerate(slow.values()):
        begins[number % workers] += folder
    rest = iter([one for one in items if one.get_closest_marker("slow") is None])
    size = -(-len(items) // workers)
    parts = [one for begin in begins for one in (*begin, *islice(rest, max(0, size - len(begin))))]
    return [*parts, *rest]
