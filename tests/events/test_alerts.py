"""The alert rules and the dashboard name what the table has, and every rule is there."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from pratique.events.metrics import BY_NAME, TABLE, Kind

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs" / "alerts" / "pratique.rules.yml"
DASHBOARD = ROOT / "docs" / "alerts" / "pratique.dashboard.json"
ALERTS = {
    "RefusalJump", "WebhookSilent", "SecretExpiring", "OldSecretStillUsed", "InboxStuck",
    "DeadLetter", "StoreDown", "ObserveEnding", "BreakGlassActive", "EventsDropped",
    "PerimeterDrift", "StrippedHeaderSpike",
}  # fmt: skip
PROMETHEUS_OWN = {"job", "instance"}
SUFFIXES = ("_bucket", "_sum", "_count")
SELECTOR = re.compile(r"\b(pratique_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*"')
GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
PLACE = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}|\{\{(\w+)\}\}")


def rules() -> list[dict[str, Any]]:
    """Return every rule of the file."""
    read = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def targets() -> list[dict[str, Any]]:
    """Return every query of the dashboard."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target for panel in panels for target in panel["targets"]]


def labels_of(name: str) -> set[str] | None:
    """Return the labels of a series; None for one that the table doesn't make."""
    base = next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)
    if name in BY_NAME:
        return {*BY_NAME[name].labels} if BY_NAME[name].kind is not Kind.HISTOGRAM else None
    if base in BY_NAME and BY_NAME[base].kind is Kind.HISTOGRAM:
        return {*BY_NAME[base].labels, *(("le",) if name.endswith("_bucket") else ())}
    return None


def faults(expression: str, shown: str = "") -> Iterator[str]:
    """Yield what an expression, or a text about it, names that isn't there."""
    known = set(PROMETHEUS_OWN)
    for name, matchers in SELECTOR.findall(expression):
        labels = labels_of(name)
        if labels is None:
            yield f"{name} is no series"
            continue
        known |= labels
        yield from (f"{name} has no {m}" for m in MATCHER.findall(matchers) if m not in labels)
    for listed in GROUPED.findall(expression):
        yield from (f"nothing has {n.strip()}" for n in listed.split(",") if n.strip() not in known)
    for places in PLACE.findall(shown):
        yield from (f"nothing has {name}" for name in places if name and name not in known)
    try:
        promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    except ValueError as error:
        yield str(error)


def test_every_rule_is_there_and_names_what_the_table_has() -> None:
    """Each expression is PromQL, each series and label is made, and each rule says what to do."""
    assert {rule["alert"] for rule in rules()} == ALERTS
    assert len(rules()) == len(ALERTS)
    for rule in rules():
        said = rule["annotations"]
        assert list(faults(rule["expr"], said["summary"] + said["description"])) == [], rule
        assert said["summary"]
        assert said["description"].endswith(".")
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_dashboard_shows_the_whole_table_and_nothing_else() -> None:
    """Each metric is on a panel, each query is PromQL over series that are made."""
    shown = "\n".join(target["expr"] for target in targets())
    for target in targets():
        assert list(faults(target["expr"], target["legendFormat"])) == [], target
    assert [metric.name for metric in TABLE if metric.name not in shown] == []


def test_what_is_not_there_is_found() -> None:
    """The rule bites: a wrong name, a wrong label, a histogram's bare name, no PromQL; and its twin."""
    assert list(faults("pratique_crossings{outcome='x'} > 0")) == [
        "pratique_crossings is no series"
    ]
    assert list(faults('pratique_dead_letters{path="/"} > 0')) == [
        "pratique_dead_letters has no path"
    ]
    assert list(faults("sum by (user) (pratique_dead_letters)")) == ["nothing has user"]
    assert list(faults("pratique_crossing_duration_seconds > 0")) != []
    assert list(faults("sum by (boundary (pratique_dead_letters)")) != []
    assert list(faults("pratique_dead_letters > 0", "{{ $labels.path }}")) == ["nothing has path"]
    assert list(faults("sum by (boundary) (pratique_dead_letters) > 0")) == []


def test_promtool_takes_the_rules() -> None:
    """Prometheus's own tool, where it is on PATH."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on PATH: the rules are only parsed")
    done = subprocess.run(
        [promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
