"""What the bot counts of itself: a table of measures, and a meter that keeps their numbers.

On the lowest floor, so that every room may count without knowing who reads; the web side shows a meter as `/metrics`.
A meter belongs to one bot and to its event loop. No label holds what a member controls, and where one takes more values
than anybody meant, the rest are counted together. Limits: numbers are in memory, and begin again when the bot does.
"""

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Beyond so many combinations of labels a measure counts under OTHER: a scraper keeps each for months.
MOST_SERIES = 500
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is counted. `bounds` are the upper bounds of a histogram's buckets, in its unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    words: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


RUNS_ADMITTED = Measure("cluster_bot_runs_admitted", "counter", "Runs that were admitted.", ("launcher",))
RUNS_ENDED = Measure("cluster_bot_runs_ended", "counter", "Runs that ended.", ("launcher", "status", "reason"))
QUEUE_S = Measure(
    "cluster_bot_queue_seconds",
    "histogram",
    "From a run's admission until its runner had it.",
    ("launcher",),
    (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
)
RELAY_S = Measure(
    "cluster_bot_relay_seconds",
    "histogram",
    "From the moment a feed read lines that came in until they were shown.",
    (),
    (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
LOOP_LAG_S = Measure(
    "cluster_bot_loop_lag_seconds",
    "histogram",
    "How late the event loop rang a timer that was set for a quarter of a second.",
    (),
    (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
LIVE_RUNS = Measure("cluster_bot_live_runs", "gauge", "Runs without a final status.", ("launcher",))
OPEN_FEEDS = Measure("cluster_bot_open_feeds", "gauge", "Runs that are being shown and whose verdict is not given.")
GITHUB_REQUESTS = Measure(
    "cluster_bot_github_requests", "counter", "Requests to GitHub by what was asked.", ("method", "route", "status")
)
GITHUB_LEFT = Measure(
    "cluster_bot_github_budget_remaining", "gauge", "Requests GitHub still takes before its reset.", ("account",)
)
GITHUB_LIMIT = Measure("cluster_bot_github_budget_limit", "gauge", "Requests GitHub takes an hour.", ("account",))
WEBHOOKS = Measure(
    "cluster_bot_webhooks", "counter", "Deliveries of GitHub's webhook by what became of them.", ("result",)
)

MEASURES = (
    *(RUNS_ADMITTED, RUNS_ENDED, QUEUE_S, RELAY_S, LOOP_LAG_S, LIVE_RUNS, OPEN_FEEDS),
    *(GITHUB_REQUESTS, GITHUB_LEFT, GITHUB_LIMIT, WEBHOOKS),
)


@dataclass(slots=True)
class Spread:
    """A histogram: how many values in each bucket (the last is beyond all bounds), and their sum."""

    counts: list[int]
    total: float = 0.0


@dataclass(slots=True)
class _Series:
    numbers: dict[tuple[str, ...], float] = field(default_factory=dict)
    spreads: dict[tuple[str, ...], Spread] = field(default_factory=dict)


class Meter:
    """The numbers of all measures. Labels are given in the measure's order."""

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}

    def count(self, measure: Measure, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        numbers = self._of(measure).numbers
        key = _key(measure, labels, numbers)
        numbers[key] = numbers.get(key, 0) + by

    def set(self, measure: Measure, value: float, *labels: str) -> None:
        """Say what a gauge shows now."""
        numbers = self._of(measure).numbers
        numbers[_key(measure, labels, numbers)] = value

    def observe(self, measure: Measure, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        spreads = self._of(measure).spreads
        key = _key(measure, labels, spreads)
        spread = spreads.setdefault(key, Spread([0] * (len(measure.bounds) + 1)))
        spread.counts[bisect.bisect_left(measure.bounds, value)] += 1
        spread.total += value

    def numbers(self, measure: Measure) -> Mapping[tuple[str, ...], float]:
        """A counter's or a gauge's numbers by their labels."""
        return self._of(measure).numbers

    def spreads(self, measure: Measure) -> Mapping[tuple[str, ...], Spread]:
        """A histogram's numbers by their labels."""
        return self._of(measure).spreads

    def _of(self, measure: Measure) -> _Series:
        return self._series.setdefault(measure.name, _Series())


def _key(measure: Measure, labels: tuple[str, ...], known: Mapping[tuple[str, ...], object]) -> tuple[str, ...]:
    if len(labels) != len(measure.labels):
        raise ValueError(f"{measure.name} has the labels {', '.join(measure.labels) or 'none'}")
    return labels if labels in known or len(known) < MOST_SERIES else (OTHER,) * len(labels)
