"""The page of metrics says what the table in the code says."""

from pratique.events.metrics import TABLE
from scripts.metrics_page import PAGE, page


def test_the_page_is_what_the_code_writes() -> None:
    """`python -m scripts.metrics_page` renews it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_metric_has_a_line() -> None:
    """And each with all its labels."""
    lines = page().splitlines()
    for metric in TABLE:
        (line,) = [each for each in lines if each.startswith(f"| `{metric.name}` |")]
        assert all(f"`{label}`" in line for label in metric.labels)
