"""docs/operations.md and deploy/alarms.yml against what the bot exports: no metric without a word, no word without a
metric, and alarms that could ever ring. promtool would know PromQL better; there is none to install."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from cluster_bot.meter import MEASURES, Meter
from cluster_bot.runs.run import Reason, Status
from cluster_bot.web.metrics import MeterCollector

ROOT = Path(__file__).parents[3]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ALARMS = yaml.safe_load((ROOT / "deploy" / "alarms.yml").read_text(encoding="utf-8"))
RULES = {rule["alert"]: rule for group in ALARMS["groups"] for rule in group["rules"]}
# Prometheus' own series, and the words of its language.
FOREIGN = {"up"}
WORDS = {
    *("sum", "rate", "increase", "changes", "histogram_quantile", "vector"),
    *("by", "and", "or", "unless", "offset"),
}
TIMES = re.compile(r"\b\d+[smhd]\b")


def exported() -> dict[str, tuple[str, ...]]:
    """Each metric's name as it is written in a table, with its labels."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    found: dict[str, tuple[str, ...]] = {}
    for family in (*registry.collect(), *MeterCollector(Meter()).collect()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = next((one.labels for one in MEASURES if one.name == family.name), ())
    return found


def series() -> dict[str, tuple[str, ...]]:
    """Each name that can be asked for, with its labels."""
    histograms = {one.name for one in MEASURES if one.kind == "histogram"}
    found = {name: labels for name, labels in exported().items() if name not in histograms}
    for one in MEASURES:
        if one.kind == "histogram":
            found[f"{one.name}_bucket"] = (*one.labels, "le")
            found |= {f"{one.name}_{part}": one.labels for part in ("sum", "count")}
    return found


def rows(head: str) -> Iterator[list[str]]:
    """The cells of a table, by the first words of its head."""
    table = OPERATIONS[OPERATIONS.index(f"\n| {head} |") :].strip().partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def named(text: str) -> list[str]:
    return re.findall(r"`([A-Za-z_]+)`", text)


def problems(expression: str) -> list[str]:
    """What in an alarm's expression could never be true, as far as names go."""
    found, bare = [], TIMES.sub("", expression)
    if any(expression.count(one) != expression.count(other) for one, other in ("()", "[]", "{}")):
        found.append("brackets")
    asked = set()
    for name, chosen in re.findall(r"\b([a-z_]+)\b(?:\s*\{([^}]*)\})?", re.sub(r'"[^"]*"', '""', bare)):
        if name in WORDS or name not in series() | dict.fromkeys(FOREIGN):
            continue
        labels = {*series().get(name, ()), "job"}
        asked |= labels
        found += [f"{name} has no {one}" for one in re.findall(r"([a-z_]+)\s*[=!]", chosen) if one not in labels]
    outside = re.sub(r"\{[^}]*\}", "", re.sub(r'"[^"]*"', "", bare))
    for name in re.findall(r"\b[a-z_]{2,}\b", outside):
        if name not in WORDS | FOREIGN | asked and name not in series():
            found.append(f"{name} is nothing")
    for label, known in (("status", [*Status, "401", "403", "503", "none", "unsent"]), ("reason", [*Reason])):
        for pattern in re.findall(rf'\b{label}=~?"([^"]*)"', expression):
            found += [one for one in pattern.split("|") if not any(re.fullmatch(one, str(value)) for value in known)]
    return found


def test_the_table_of_metrics_is_what_the_bot_exports() -> None:
    listed = [named(cells[0])[0] for cells in rows("metric")]
    assert sorted(listed) == sorted(exported())


def test_every_alarm_is_explained_and_every_explanation_has_its_alarm() -> None:
    assert [named(cells[0])[0] for cells in rows("alarm")] == list(RULES)
    assert all(len(cells) == 3 and all(cells) for cells in rows("alarm"))


def test_each_metric_names_the_alarms_that_ask_for_it() -> None:
    asked = {name: {alarm for alarm, rule in RULES.items() if asks(rule["expr"], name)} for name in exported()}
    assert {named(cells[0])[0]: set(named(cells[2])) for cells in rows("metric")} == asked


def asks(expression: str, metric: str) -> bool:
    return re.search(rf"\b{metric}(_bucket|_count|_sum)?\b", expression) is not None


@pytest.mark.parametrize("name", RULES)
def test_an_alarm_could_ring(name: str) -> None:
    rule = RULES[name]
    assert problems(rule["expr"]) == []
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "notice")
    assert rule["annotations"]["summary"].endswith(".")


def test_an_alarm_that_could_not_is_seen() -> None:
    for wrong in (
        "cluster_bot_runs_ended > 0",
        'cluster_bot_runs_ended_total{launchr="x"} > 0',
        'cluster_bot_runs_ended_total{status="vanished"} > 0',
        'cluster_bot_runs_ended_total{reason=~"setup_error|bad_luck"} > 0',
        "sum(cluster_bot_live_runs > 0",
        "sum by (gpu) (cluster_bot_live_runs) > 0",
    ):
        assert problems(wrong), wrong
