"""What the tests of figures share: a boundary whose effect can fail, and what a scrape shows."""

from datetime import datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pratique import Perimeter, Secret
from pratique.events import Metrics
from pratique.webhook import Webhook, providers
from tests.shop import Invoice

Labels = frozenset[tuple[str, str]]
Figures = dict[tuple[str, Labels], float]
"""Samples by name and labels."""


def parsed(text: bytes, **scraped: str) -> Figures:
    """Return every sample of an exposition, with the labels that its scrape adds."""
    return {
        (sample.name, frozenset({**sample.labels, **scraped}.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def at(figures: Figures, name: str, **labels: str) -> float:
    """Return one value."""
    return figures[name, frozenset(labels.items())]


def asked(perimeter: Perimeter, **more: Any) -> Metrics:
    """Return metrics whose every read is a new one."""
    ticks = iter(range(0, 10_000_000, 10))
    return Metrics(perimeter, clock=lambda: float(next(ticks)), **more)


def webhook(name: str, secret: str, *, not_after: datetime | None = None, **more: Any) -> Webhook:
    """Return a boundary with an effect that raises for the invoice "in_bad"."""
    secrets = Secret(secret, name=f"{name}-main", not_after=not_after)
    made = Webhook(name, providers.stripe(secrets=secrets), scope=name, **more)

    def act(paid: Any) -> None:
        if paid.confirmed.id == "in_bad":
            raise ZeroDivisionError

    made.on(
        "invoice.paid",
        confirm=lambda event: Invoice(event.object_id, "cus_1"),
        once=lambda invoice: invoice.id,
        link=lambda invoice: invoice,
        allow=lambda invoice, row: True,
    )(act)
    return made
