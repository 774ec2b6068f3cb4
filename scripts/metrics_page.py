"""Write docs/reference/metrics.md from the table in the code: `python -m scripts.metrics_page`."""

from pathlib import Path
from typing import Final

from pratique.core.measures import BOUNDS
from pratique.events.metrics import TABLE, Metric

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
_HEAD: Final = """\
# Metrics

The names below stay. No label holds a path, an address, a user, or the value of a claim: every one
is a name that the application declares, or a word of this library, and what is beyond a bounded
number of them is counted together as `other`. `pratique.events.Metrics` reads them;
[Watch what crosses](../how-to/watch-it.md) shows how they reach Prometheus or OpenTelemetry.

`scripts/metrics_page.py` writes this page from the table in `src/pratique/events/metrics.py`.

| name | kind | labels | what it says |
|---|---|---|---|
"""
_TAIL: Final = """
## What they don't say

* Figures are of one process since its start. A forked child begins at zero.
  `Multiprocess` of `pratique.events.prometheus` adds up those of several:
  [Several processes](../how-to/watch-it.md#several-processes).
* Each request at a `Forwarded` boundary is counted; one has a duration where something was judged.
  A request that says the same as one before is not judged anew, and measuring it would cost half of
  what it takes. Nearly all durations are below the first bucket: read their mean.
* A crossing that was cancelled before its effect began has no duration. One whose effect was cut
  off is `effect_failed` where it was rolled back; outside a transaction, or while the commit was
  under way, it is `unknown`.
* A refusal of the door itself, before there was a claim (a size, a slow sender), is counted, and
  has no duration.
* `pratique_last_authentic_timestamp_seconds` is of crossings that make a record. A delivery that
  was refused, or was there before, moves it for no boundary: who sends a captured one again can't
  let an endpoint look alive.
* What an inbox can't tell while its store is away is absent, not zero, and counts as an error of
  the store, operation `samples`.
* The buckets of both durations, in seconds: {bounds}.

## Alert rules and dashboard

`docs/alerts/pratique.rules.yml` holds twelve rules of Prometheus over these names,
`docs/alerts/pratique.dashboard.json` a dashboard of Grafana. `tests/events/test_alerts.py` holds
both to this table. `docs/alerts/pratique.rules.test.yml` has a case and a twin of each rule for
`promtool test rules`; `tests/events/test_alert_rules.py` runs it, and has the rules judge a good
and a bad day of a real application, where promtool is on PATH.
"""


def page() -> str:
    """Return the text of the page."""
    bounds = ", ".join(f"{bound:g}" for bound in BOUNDS)
    return _HEAD + "".join(map(_row, TABLE)) + _TAIL.format(bounds=bounds)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
