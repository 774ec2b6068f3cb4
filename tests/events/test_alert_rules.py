"""Each alert rule on figures: written by hand, and of a day of a real application."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.applications import Starlette

from pratique.core.perimeter import Perimeter
from pratique.events import Metrics
from pratique.events.metrics import BY_NAME, TABLE
from pratique.fetch.naked import Watch
from pratique.integrations.starlette import guard
from pratique.keys import Jwks
from tests.events.alert_day import AT_THE_END, DAY, STEP, Day, input_series
from tests.events.figures import parsed
from tests.events.test_alerts import (
    ALERTS,
    GROUPED,
    MATCHER,
    PROMETHEUS_OWN,
    RULES,
    SELECTOR,
    rules,
    targets,
)
from tests.fetch.world import quiet, small_internet
from tests.keys.issuer import ADDRESS, URL, Issuer, fetching, landed

UNIT_TESTS = RULES.with_name("pratique.rules.test.yml")
MINUTE = 60


def promtool(*arguments: str) -> str:
    """Run Prometheus's own tool; return what it says, "" where all is well."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool on PATH: no rule is evaluated")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def cases() -> list[dict[str, Any]]:
    """Return the tests that are shipped beside the rules."""
    read_: list[dict[str, Any]] = yaml.safe_load(UNIT_TESTS.read_text(encoding="utf-8"))["tests"]
    return read_


def fired(case: dict[str, Any]) -> set[str]:
    """Return the alerts that one of them expects."""
    samples = [each for test in case["promql_expr_test"] for each in test["exp_samples"]]
    return set(re.findall(r'alertname="(\w+)"', " ".join(each["labels"] for each in samples)))


def test_each_rule_fires_on_a_series_and_keeps_still_on_its_twin() -> None:
    """What promtool says of the file that is shipped beside the rules."""
    assert promtool("test", "rules", str(UNIT_TESTS)) == ""


def test_each_rule_has_its_two_series_and_each_is_one_that_is_made() -> None:
    """No rule is without a case and a twin; each series has the labels of the table, all of them."""
    assert {name for case in cases() for name in fired(case)} == ALERTS
    told = [case["name"].partition(":")[0] for case in cases()]
    assert set(told) == ALERTS | {f"no {name}" for name in ALERTS}
    for case, said in zip(cases(), told, strict=True):
        assert fired(case) == (set() if said.startswith("no ") else {said}), case["name"]
        for series in case["input_series"]:
            ((name, matchers),) = SELECTOR.findall(series["series"])
            assert set(MATCHER.findall(matchers)) == {*BY_NAME[name].labels, *PROMETHEUS_OWN}


@pytest.mark.parametrize("is_bad", [True, False])
def test_on_a_day_of_a_real_application_every_rule_fires_or_none(
    tmp_path: Path, is_bad: bool
) -> None:
    """What a perimeter showed all day: at the end of a bad one all twelve fire, else not one."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool on PATH: no rule is evaluated")
    names = {name for rule in rules() for name, _ in SELECTOR.findall(rule["expr"])}
    series = input_series(Day(tmp_path, is_bad=is_bad).scrapes(), names)
    alerts = ALERTS if is_bad else set[str]()
    case = {
        "interval": f"{STEP.seconds // MINUTE}m",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{DAY.total_seconds():.0f}s",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)
                ],
            }
        ],
    }
    whole = {"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": [case]}
    written = tmp_path / "day.yml"
    written.write_text(json.dumps(whole))
    assert promtool("test", "rules", str(written)) == ""


def test_rules_and_dashboard_name_what_a_real_exposition_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without promtool: every series and label in either was read in the text of an application."""
    with quiet(), small_internet(monkeypatch, tmp_path) as world:
        world.names["issuer.test"] = [ADDRESS]
        Issuer(world.server, "a")
        day = Day(tmp_path, is_bad=True)
        fetch = day.perimeter.declare(fetching())
        keys = day.perimeter.attach(Jwks(URL, fetch=fetch))
        day.perimeter.attach(Watch({})).note("stripe")
        guard(Starlette(), day.perimeter)
        text = b""
        for scrape in day.scrapes(begins=DAY - AT_THE_END):
            landed(keys)
            text = scrape["a"] if scrape is not None else b""
    shown: dict[str, set[str]] = {}
    for name, labels in parsed(text):
        shown.setdefault(name, set(PROMETHEUS_OWN)).update(label for label, _ in labels)
    kinds = {
        name.removesuffix("_count") for name in shown if not name.endswith(("_bucket", "_sum"))
    }
    assert kinds == {metric.name for metric in TABLE}
    for expression in [*(rule["expr"] for rule in rules()), *(each["expr"] for each in targets())]:
        named = SELECTOR.findall(expression)
        for name, matchers in named:
            assert {*MATCHER.findall(matchers)} <= shown[name], expression
        grouped = {each.strip() for by in GROUPED.findall(expression) for each in by.split(",")}
        assert grouped <= set().union(*(shown[name] for name, _ in named)), expression


def test_without_a_lock_every_process_says_the_same(tmp_path: Path) -> None:
    """PerimeterDrift: "none" beside "none" is no drift, beside a digest it is; one file, one digest."""
    lock = tmp_path / "pratique.lock"

    def said() -> set[tuple[str, ...]]:
        return {*Metrics(Perimeter(), lock=lock).read()["pratique_perimeter_info"].values}

    absent = said()
    assert [each[0] for each in absent] == ["none"]
    assert said() == absent
    lock.write_text("version = 1\n")
    first = said()
    assert len(absent | first) == 2
    assert said() == first
    lock.write_text("version = 2\n")
    assert len(absent | first | said()) == 3
