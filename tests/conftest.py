"""For all tests: CLUSTER_NO_SKIP=1 turns every skip into a failure that repeats the reason.

CI sets it, so that a missing compiler or tool cannot pass for a success there; on a person's machine a skip is fine and
is listed at the end.
"""

import os
from collections.abc import Generator
from typing import Any

import pytest

NO_SKIP = os.environ.get("CLUSTER_NO_SKIP", "") not in ("", "0")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not NO_SKIP or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: a skip, and CLUSTER_NO_SKIP allows none: {reason}"


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
